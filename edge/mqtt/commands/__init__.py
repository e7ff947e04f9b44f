"""Commands over MQTT: their topics, the subscription, what each asks for, and the answers."""
