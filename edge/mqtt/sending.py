"""What sends over a connection: the publisher of telemetry, and beside it, where commands are on, a subscriber."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from edge.mqtt.publisher import FrameWriter, Limits
from edge.status import CommandStatus


class Sender(Protocol):
    """What publishes over a connection: the simulator's Publisher, or the probe of a preflight."""

    @property
    def waiting_seconds(self) -> float:
        """Seconds for which acknowledgements have been due."""

    def open(self, wire: FrameWriter, limits: Limits, *, session_present: bool) -> None:
        """Start publishing: the connection is up."""

    def close(self) -> None:
        """Stop publishing: the connection is closed."""

    def fill(self) -> None:
        """Write as many frames as there is room for."""

    def acknowledged(self, packet_ids: Sequence[int], code: int) -> int:
        """Process PUBACKs with the same reason code (MQTT 5, 3.4); return how many of the ids were in flight."""


class Subscriber(Protocol):
    """Receives messages of a subscription, and publishes answers to them.

    packets: what processes each packet that is expected because of the subscription, by its first four bits; may raise
    Violation.  receive_maximum: how many messages the broker may send without acknowledgement (MQTT 5, 3.1.2.11.3).
    """

    receive_maximum: int
    packets: Mapping[int, Callable[[bytes], None]]

    def open(self, wire: FrameWriter, limits: Limits, *, session_present: bool) -> None:
        """Subscribe, and send again what is unacknowledged: the connection is up."""

    def close(self) -> None:
        """Write nothing more: the connection is closed."""

    def fill(self) -> None:
        """Write what is due, as far as there is room for it."""

    def acknowledged(self, packet_ids: Sequence[int], code: int) -> int:
        """Process PUBACKs of answers; return how many of the ids were in flight."""


class CommandSubscriber(Subscriber, Protocol):
    """Receives commands."""

    def status(self) -> CommandStatus:
        """Return the state of the subscription, and counts."""


class SenderAndSubscriber:
    """A sender and a subscriber on one connection. Telemetry costs the subscriber nothing but a comparison."""

    def __init__(self, sender: Sender, subscriber: Subscriber) -> None:
        self._sender, self._subscriber = sender, subscriber

    @property
    def waiting_seconds(self) -> float:
        """Seconds for which acknowledgements of telemetry have been due."""
        return self._sender.waiting_seconds

    def open(self, wire: FrameWriter, limits: Limits, *, session_present: bool) -> None:
        """Start both: the connection is up."""
        self._subscriber.open(wire, limits, session_present=session_present)
        self._sender.open(wire, limits, session_present=session_present)

    def close(self) -> None:
        """Stop both: the connection is closed."""
        self._subscriber.close()
        self._sender.close()

    def fill(self) -> None:
        """Write what both have, the subscriber first, who has little."""
        self._subscriber.fill()
        self._sender.fill()

    def acknowledged(self, packet_ids: Sequence[int], code: int) -> int:
        """Process PUBACKs with the same reason code; return how many of the ids were in flight."""
        known = self._sender.acknowledged(packet_ids, code)
        return known if known == len(packet_ids) else known + self._subscriber.acknowledged(packet_ids, code)
