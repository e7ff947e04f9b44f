"""The states of a machine type: how they are declared, and which follows which."""
