"""What `verify` reads: rows, ground truth, and messages live from the broker."""
