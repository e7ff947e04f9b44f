"""Running a scenario: its steps at their plant times, the messages as they come, and the broker."""
