"""The YAML: strict models, reading, rules, and errors that name the place."""
