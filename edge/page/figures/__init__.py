"""What the page shows: the overview and its parts, the last seconds, and the last minutes."""
