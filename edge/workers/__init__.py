"""Several simulators as one process: the partition of a plant, workers, their supervisor, sums of their reports."""
