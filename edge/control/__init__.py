"""Control: commands that come while the plant runs."""
