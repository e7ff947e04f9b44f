"""Machines: states, jobs, losses, and what a message of theirs has."""
