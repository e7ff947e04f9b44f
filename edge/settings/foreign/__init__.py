"""Settings from the files and variables of another simulator, whose plant HTTP_COMPAT=fleet stands in for."""
