"""What all exports are made from: kinds of message, topics, names, and how YAML is written."""
