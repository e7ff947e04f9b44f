"""Signals of machines: values at any moment, from keyed draws and what the machine's events have left, as JSON."""
