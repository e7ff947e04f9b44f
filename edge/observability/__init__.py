"""Logging, statistics and metrics of the process."""
