"""Alarms of signals, as a plant declares them."""
