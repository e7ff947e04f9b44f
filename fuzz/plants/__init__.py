"""Random plants as plain data, valid by construction: machine types with all that they may have."""
