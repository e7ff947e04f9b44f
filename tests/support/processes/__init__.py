"""The simulator as a process, ports, addresses and waiting."""
