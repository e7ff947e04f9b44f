"""The plant's YAML: reading, strict models, rules between values, and errors that name the place."""
