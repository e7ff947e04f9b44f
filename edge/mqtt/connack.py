"""What a broker grants in CONNACK (MQTT 5, 3.2.2.3), and what follows for the simulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from edge.mqtt.protocol.packet_reader import Answer
from edge.mqtt.protocol.properties import (
    MAXIMUM_PACKET_SIZE,
    MAXIMUM_QOS,
    RECEIVE_MAXIMUM,
    RETAIN_AVAILABLE,
    SERVER_KEEP_ALIVE,
    SESSION_EXPIRY,
)
from edge.mqtt.publisher import Limits
from edge.mqtt.session import FIRST_OWN_ID, LAST_OWN_ID
from edge.settings.loader import Settings
from edge.settings.types import Connections

_NAMES: Final = {
    "ReceiveMaximum": RECEIVE_MAXIMUM,
    "MaximumQoS": MAXIMUM_QOS,
    "MaximumPacketSize": MAXIMUM_PACKET_SIZE,
    "RetainAvailable": RETAIN_AVAILABLE,
    "SessionExpiryInterval": SESSION_EXPIRY,
    "ServerKeepAlive": SERVER_KEEP_ALIVE,
}
_SHORT_PACKET_BYTES = 4096
_MOST_ANSWERS: Final = 8


@dataclass(frozen=True, slots=True)
class Accepted:
    """A CONNACK that accepts the connection (MQTT 5, 3.2).  granted: the numbers that the broker set, by name."""

    session_present: bool
    limits: Limits
    granted: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, answer: Answer, settings: Settings) -> Accepted:
        """Limit the settings to what the server grants; what it does not mention is unlimited (MQTT 5, 3.2.2.3)."""
        numbers = {name: answer.number(number) for name, number in _NAMES.items()}
        granted = {name: number for name, number in numbers.items() if number is not None}
        most = min(granted.get("ReceiveMaximum", LAST_OWN_ID), LAST_OWN_ID - FIRST_OWN_ID)
        window = min(settings.mqtt_window, most)
        answers = _share_of_answers(window, most) if settings.mqtt_commands else 0
        announced = settings.mqtt_connections is Connections.PER_MACHINE and most - answers > 1
        limits = Limits(
            window=min(window, most - answers - announced),
            qos=min(settings.mqtt_qos, granted.get("MaximumQoS", 2)),
            most_qos=min(1, granted.get("MaximumQoS", 2)),
            frame_bytes=granted.get("MaximumPacketSize"),
            retain=bool(granted.get("RetainAvailable", 1)),
            answers=answers,
            announcements=int(announced),
        )
        return cls(answer.session_present, limits, granted)


def _share_of_answers(window: int, most: int) -> int:
    """Return how many answers to commands may be in flight: what telemetry leaves, at least a tenth, or one of two.

    most: what the broker accepts of both together.
    """
    return min(_MOST_ANSWERS, max(most - window, most // 10, min(1, most - 1)))


def shortcomings(granted: Mapping[str, int], settings: Settings) -> Iterator[str]:
    """Yield a line for each limit of the broker that is lower than our settings, with the consequence."""
    if granted.get("MaximumQoS", 2) < settings.mqtt_qos:
        yield "the broker's Maximum QoS is 0: messages are not acknowledged, and a lost one is not noticed"
    if granted.get("ReceiveMaximum", 2) < 2 <= settings.mqtt_window:
        yield "the broker's Receive Maximum is 1: a message is sent only when the last one is acknowledged"
    if not granted.get("RetainAvailable", 1):
        yield "the broker keeps no retained messages: OEE reports reach only clients that are subscribed at that moment"
    if (most := granted.get("MaximumPacketSize", _SHORT_PACKET_BYTES)) < _SHORT_PACKET_BYTES:
        yield f"the broker's Maximum Packet Size is {most:,} bytes: longer messages are dropped as too_large"
    if (kept := granted.get("SessionExpiryInterval", settings.mqtt_session_expiry)) < settings.mqtt_session_expiry:
        yield f"the broker keeps sessions for {kept:,} s, less than MQTT_SESSION_EXPIRY={settings.mqtt_session_expiry}"
    if granted.get("ServerKeepAlive") == 0:
        yield "the broker turns the keep-alive off: pings are sent all the same, to notice a dead connection"
