"""Every kind of message that a plant emits, with topics, fields and their meanings."""
