"""Brokers and clients for tests: mosquitto, the sandbox broker, proxies, subscribers."""
