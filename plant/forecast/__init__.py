"""Forecasts from a configuration: messages per second, and the units that a line can ship."""
