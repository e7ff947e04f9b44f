"""Plants for tests, and what they publish."""
