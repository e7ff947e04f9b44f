"""What it costs a plant of 10,000 machines to be looked at."""
