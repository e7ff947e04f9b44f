"""Measurements of a running simulator: pacing, rates, idling, memory."""
