"""The calls of EnMS, a simulator of an energy plant: see docs/energy-api.md."""
