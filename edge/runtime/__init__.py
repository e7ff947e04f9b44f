"""The simulator as a process: the run loop, clocks, reloads, tasks, the ground truth file."""
