"""Facts about the page: its figures, its stream and its files."""
