"""Signals with memory: what goes on from one of a machine's regular messages to the next."""
