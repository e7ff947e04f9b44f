"""Jobs: what machines make, how long it takes, how it turns out, and what makes it differ."""
