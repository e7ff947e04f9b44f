"""Several simulators as one process: who has which part, what they tell, and its sums."""
