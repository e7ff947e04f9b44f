"""The inputs of `evaluate`: labels from the ground truth, detections, and values of messages."""
