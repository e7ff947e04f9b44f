"""The ids of machines: the patterns that a type declares, and what follows from an id."""
