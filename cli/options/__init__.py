"""The options of the commands, which load without the code of the commands."""
