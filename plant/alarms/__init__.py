"""Alarms: states of machines that follow from the values in their regular messages, and messages of their own."""
