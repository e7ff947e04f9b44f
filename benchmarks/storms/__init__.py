"""Thousands of connections, one for each machine: how soon all are up, what they carry, and what a storm does."""
