"""The energy plant: its messages, its physics, its faults."""
