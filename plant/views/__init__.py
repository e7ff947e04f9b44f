"""Views of a plant that runs: its machines as they are now, its machine types, and its YAML as it is in force."""
