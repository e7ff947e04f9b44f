"""`python -m benchmarks.laws`: whether each kind of signal has its law, by the statistics of a week of messages."""
