"""Tests of the page in a browser: real clicks, a real simulator, real MQTT behind it."""
