"""Fleets: the machines of one type, when they report, and their messages."""
