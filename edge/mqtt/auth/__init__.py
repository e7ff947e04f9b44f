"""Who we are and whom we trust; the token and its refresh on a live connection."""
