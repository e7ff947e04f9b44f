"""The plant: what the simulated factory does and reports. Only arithmetic: no clock, socket, environment or thread."""
