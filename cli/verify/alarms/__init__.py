"""Alarms in messages, as `verify` reads and checks them."""
