"""The pictures of the documentation, each made by a script from a run of a plant."""
