"""The simulated world: what the factory says. Arithmetic only: no clock, no socket, no environment, no thread."""
