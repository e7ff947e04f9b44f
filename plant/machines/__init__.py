"""Machines: states, jobs, losses, and what is due."""
