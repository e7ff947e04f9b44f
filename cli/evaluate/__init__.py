"""The command `evaluate`: score the detections of an anomaly detector against the faults in the ground truth."""
