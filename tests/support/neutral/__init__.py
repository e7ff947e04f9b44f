"""Brokers and clients of others, which know nothing of this project."""
