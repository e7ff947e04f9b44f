"""What all exports share: kinds of message, topics, names, and the form of YAML."""
