"""Machines: states, jobs, losses, and the schedule of their messages."""
