"""Credentials and trust; the token and its refresh on a live connection."""
