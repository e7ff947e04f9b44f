"""Messages between publisher and subscriber, and the wills that become messages.

For demos and tests, not for production.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from mqtt5 import PublishPacket
from mqtt5 import Will as WillOfConnect

from sandbox.protocol.dialects import Dialect
from sandbox.protocol.index import Group
from sandbox.protocol.wire import Header


class Message(NamedTuple):
    """A message that the broker has accepted.

    publisher: client id.  expires_at: loop time from which it is not delivered, or None (MQTT 5, 3.3.2.3.3).
    """

    packet: PublishPacket
    publisher: str
    expires_at: float | None

    def expired(self, now: float) -> bool:
        """Return whether it has expired at loop time `now`."""
        return self.expires_at is not None and now >= self.expires_at


class Delivery(NamedTuple):
    """A message for one subscriber, with its QoS and RETAIN flag.  group: of the shared subscription, or None."""

    message: Message
    qos: int
    retain: bool
    subscription_ids: list[int]
    group: Group[Subscriber] | None = None

    def frame(self, dialect: Dialect, packet_id: int | None, *, duplicate: bool, now: float) -> bytes:
        """Encode the PUBLISH, with the remaining seconds until it expires (MQTT 5, 3.3.2.3.3)."""
        packet, _, expires_at = self.message
        expiry = None if expires_at is None else max(0, round(expires_at - now))
        return dialect.publish(
            packet, Header(self.qos, self.retain, packet_id, duplicate, expiry, self.subscription_ids)
        )


class Subscriber(Protocol):
    """Receives messages: a session, or a recorder inside the process."""

    @property
    def client_id(self) -> str:
        """Its client id, for the option No Local."""

    @property
    def present(self) -> bool:
        """Whether it is connected now."""

    def may_read(self, topic: str) -> bool:
        """Return whether access control lets it receive a topic's messages."""

    def offer(self, delivery: Delivery) -> None:
        """Accept a message, or drop it."""


class Link(Protocol):
    """The connection of a session."""

    @property
    def dialect(self) -> Dialect:
        """How frames for its client are encoded."""

    @property
    def writable(self) -> bool:
        """Whether more may be sent now: False while the peer does not read."""

    def send(self, frame: bytes) -> None:
        """Send one frame, joined with others of the same turn of the loop."""

    def disconnect(self, code: int) -> None:
        """Send DISCONNECT and close."""


class Will(NamedTuple):
    """A will message.  delay_seconds: after the connection has closed (MQTT 5, 3.1.3.2.2)."""

    packet: PublishPacket
    delay_seconds: int

    @classmethod
    def of(cls, will: WillOfConnect) -> Will:
        """Return the will in a CONNECT; raise ValueError if its topic is invalid."""
        packet = PublishPacket(
            will.topic,
            will.payload or b"",
            qos=will.qos,
            retain=will.retain,
            packet_id=1 if int(will.qos) else None,
            payload_format_indicator=will.payload_format_indicator,
            message_expiry_interval=will.message_expiry_interval,
            content_type=will.content_type,
            response_topic=will.response_topic,
            correlation_data=will.correlation_data,
            user_properties=will.user_properties,
        )
        return cls(packet, will.will_delay_interval)
