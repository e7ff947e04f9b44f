"""Machine types as YAML: the plants that come with the program."""
