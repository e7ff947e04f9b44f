"""Scenario files: their models, and reading them with every error at once."""
