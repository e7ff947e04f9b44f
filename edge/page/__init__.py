"""The page: how the simulator is seen in a browser, its files, and the stream of events that keeps it up to date."""
