"""`verify`: what messages report of the plant, against the ground truth."""
