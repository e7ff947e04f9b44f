"""Faults and wear of machines while the plant runs: when they come, how strong they are, and what they change."""
