"""A small MQTT 5 broker for demos and tests. Not for production."""
