"""Judges: each decides one expectation, by what it sees of the plant, the process or the messages."""
