"""MQTT without state: frames, both versions of packets, their rules, topic filters."""
