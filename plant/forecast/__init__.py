"""What a configuration comes to before anything runs: messages a second, and what a line can ship."""
