"""What really happens in the plant, for those who listen."""
