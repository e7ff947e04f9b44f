"""Every kind of message that a plant emits, with its topic, its fields and their meanings."""
