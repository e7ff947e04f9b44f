"""The inputs of `verify`: messages from files or the broker, and the ground truth."""
