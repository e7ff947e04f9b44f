"""Strict parsing of PUBLISH (MQTT 5, 3.3), except what is another client's: it must not end our connection."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from edge.mqtt.protocol.codec import DUP, MALFORMED, PROTOCOL_ERROR, RETAIN, Violation
from edge.mqtt.protocol.properties import (
    CORRELATION_DATA,
    RESPONSE_TOPIC,
    SUBSCRIPTION_IDENTIFIER,
    TOPIC_ALIAS,
    USER_PROPERTY,
    Property,
    Value,
    binary_at,
    body_of,
    byte_at,
    four_bytes_at,
    read_properties,
    text_at,
    two_bytes_at,
    varint_at,
)

LONGEST_CARRIED: Final = 512
"""Bytes of the longest `traceparent` or `tracestate` that is kept."""

_CARRIED: Final[Mapping[bytes, str]] = {b"traceparent": "traceparent", b"tracestate": "tracestate"}

_PUBLISH: Final = {
    1: Property(byte_at, 0, 1),
    2: Property(four_bytes_at),
    3: Property(binary_at),
    RESPONSE_TOPIC: Property(binary_at),
    CORRELATION_DATA: Property(binary_at),
    SUBSCRIPTION_IDENTIFIER: Property(varint_at, 1),
    TOPIC_ALIAS: Property(two_bytes_at),
}
"""Which properties it may have (MQTT 5, 3.3.2.3), beside user properties. Texts are read as bytes, because they are
another client's, which must not be able to end our connection where a broker passes them on unchecked."""


@dataclass(frozen=True, slots=True)
class Publish:
    """A message from the broker (MQTT 5, 3.3).

    packet_id: None at QoS 0.  response_topic: as it was sent, which need not be a topic, or even text.
    carrier: what its user properties say of its place in a trace, as it was sent.
    """

    topic: str
    payload: bytes
    packet_id: int | None
    dup: bool
    retain: bool
    response_topic: bytes | None = None
    correlation: bytes | None = None
    carrier: Mapping[str, str] = field(default_factory=dict)


class Head(NamedTuple):
    """What PUBLISH begins with in both versions.  packet_id: None at QoS 0.  end: the index in the body after it."""

    topic: str
    packet_id: int | None
    end: int


def head_of(frame: bytes, body: bytes) -> Head:
    """Parse the header of PUBLISH at QoS 0 or 1 up to its properties (MQTT 5, 3.3.1 and 3.3.2; MQTT 3.1.1, 3.3)."""
    qos = frame[0] >> 1 & 3
    if qos > 1 or (frame[0] & DUP and not qos):
        raise Violation(*_TOO_MUCH if qos == 2 else _MALFORMED_PUBLISH)
    try:
        topic, at = text_at(body, 0)
        packet_id, at = two_bytes_at(body, at) if qos else (None, at)
    except (ValueError, LookupError):
        raise Violation(*_MALFORMED_PUBLISH) from None
    if packet_id == 0 or "+" in str(topic) or "#" in str(topic):
        raise Violation(*_MALFORMED_PUBLISH)
    return Head(str(topic), packet_id if isinstance(packet_id, int) else None, at)


def read_publish(frame: bytes) -> Publish:
    """Parse PUBLISH at QoS 0 or 1 (MQTT 5, 3.3)."""
    body = body_of(frame)
    topic, packet_id, at = head_of(frame, body)
    try:
        length, start = varint_at(body, at)
    except (ValueError, LookupError):
        raise Violation(*_MALFORMED_PUBLISH) from None
    end = start + length
    if end > len(body):
        raise Violation(*_MALFORMED_PUBLISH)
    carried = _Carried()
    values = read_properties("PUBLISH", body[:end], at, _PUBLISH | {USER_PROPERTY: Property(carried.take)})
    if TOPIC_ALIAS in values:
        raise Violation(_TOPIC_ALIAS_INVALID, "sent a topic alias, and we allow none")
    if not topic:
        raise Violation(*NO_TOPIC)
    response, correlation = (values.get(each) for each in (RESPONSE_TOPIC, CORRELATION_DATA))
    return Publish(
        topic,
        body[end:],
        packet_id,
        bool(frame[0] & DUP),
        bool(frame[0] & RETAIN),
        response if isinstance(response, bytes) else None,
        correlation if isinstance(correlation, bytes) else None,
        carried.found,
    )


class _Carried:
    """Keeps of user properties a place in a trace (W3C Trace Context: MQTT protocol); the first of a name counts."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def take(self, data: bytes, at: int) -> tuple[Value, int]:
        """Parse a user property, and keep it if it is one of them, is UTF-8, and is not too long."""
        name, at = binary_at(data, at)
        value, end = binary_at(data, at)
        kept = _CARRIED.get(name) if isinstance(name, bytes) else None
        if kept is not None and isinstance(value, bytes) and len(value) <= LONGEST_CARRIED:
            with suppress(UnicodeDecodeError):
                self.found.setdefault(kept, value.decode())
        return value, end


_TOPIC_ALIAS_INVALID: Final = 0x94
NO_TOPIC: Final = PROTOCOL_ERROR, "sent a PUBLISH without a topic"
_MALFORMED_PUBLISH: Final = MALFORMED, "sent a malformed PUBLISH"
_TOO_MUCH: Final = PROTOCOL_ERROR, "sent a PUBLISH at QoS 2 for a subscription at QoS 1"
