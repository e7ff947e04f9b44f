"""MQTT 5 without state: frames, rules of single packets, topic filters."""
