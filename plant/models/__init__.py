"""Models: what a declaration cannot say of a machine, one class in one module each."""
