"""Brokers and clients for tests: mosquitto, the embedded broker, proxies, subscribers."""
