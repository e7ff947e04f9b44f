"""A small broker of MQTT 5 and 3.1.1 for demos and tests. Not for production."""
