"""Spans by the names and attributes of the simulator of sensors whose calls HTTP_COMPAT=fleet answers."""

from __future__ import annotations

from typing import Final

from edge.observability.tracing.spans import Attributes
from plant.telemetry import Message, machine_of

FLEET_SPAN: Final = "publish_sensor_data"
"""The name of a message's span."""


def fleet_attributes(message: Message, topic: str, broker: str) -> Attributes:
    """Return the attributes of a message's span. broker: its host."""
    return {
        "device_id": machine_of(message),
        "payload.size": len(message.payload),
        "mqtt.topic": topic,
        "mqtt.broker": broker,
    }
