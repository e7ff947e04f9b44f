"""A small MQTT 5 broker for trying things out and for tests. Not for production."""
