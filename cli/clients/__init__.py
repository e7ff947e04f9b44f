"""Clients of an MQTT broker: publish, subscribe, observe, and try what is not allowed."""
