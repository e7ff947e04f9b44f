"""How messages are published: everything that touches the outside, that is MQTT, HTTP, files and signals."""
