"""MQTT 5 itself, without state: bytes out, packets in, reason codes."""
