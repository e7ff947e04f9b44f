"""The command `top`: a running simulator at a glance, in the terminal."""
