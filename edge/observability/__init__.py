"""What is told of the process: log lines, statistics, metrics."""
