"""How it is said: everything that touches the outside - MQTT, HTTP, files, signals."""
