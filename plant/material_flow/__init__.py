"""Pieces on their way from one workstation to the next."""
