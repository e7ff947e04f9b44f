"""The command `verify`: compare what messages report with the ground truth."""
