"""The MQTT client: connecting, staying connected, publishing."""
