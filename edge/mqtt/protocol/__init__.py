"""MQTT 5 without state: encoding, decoding, reason codes."""
