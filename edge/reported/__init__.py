"""OEE from the messages alone, as a dashboard has it, beside the truth of the same time."""
