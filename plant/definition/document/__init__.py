"""What every section of a plant's YAML needs: the reading of the file, types of values, errors with their places."""
