"""Strict parsing of what a broker sends: a packet that breaks a rule of MQTT 5 is a Violation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from edge.mqtt.protocol.codec import MALFORMED, PROTOCOL_ERROR, PUBACK, Violation
from edge.mqtt.protocol.properties import (
    MAXIMUM_PACKET_SIZE,
    MAXIMUM_QOS,
    REASON_STRING,
    RECEIVE_MAXIMUM,
    RETAIN_AVAILABLE,
    SERVER_KEEP_ALIVE,
    SERVER_REFERENCE,
    SESSION_EXPIRY,
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
)
from edge.redaction import from_peer

CONNACK, SUBACK, UNSUBACK, PINGRESP, DISCONNECT, AUTH = 0x20, 0x90, 0xB0, 0xD0, 0xE0, 0xF0
NAMES: Final[Mapping[int, str]] = {
    0x10: "CONNECT",
    0x20: "CONNACK",
    0x30: "PUBLISH",
    0x40: "PUBACK",
    0x50: "PUBREC",
    0x60: "PUBREL",
    0x70: "PUBCOMP",
    0x80: "SUBSCRIBE",
    0x90: "SUBACK",
    0xA0: "UNSUBSCRIBE",
    0xB0: "UNSUBACK",
    0xC0: "PINGREQ",
    0xD0: "PINGRESP",
    0xE0: "DISCONNECT",
    0xF0: "AUTH",
}
"""Packets by their first four bits (MQTT 5, 2.1.2)."""

OLD_REFUSALS: Final = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}
"""Return codes of a broker without MQTT 5 (MQTT 3.1.1, 3.2.2.3) -> the reason codes of MQTT 5."""


def _pair_at(data: bytes, at: int) -> tuple[Value, int]:
    """Check a user property, and return only its value."""
    _, at = text_at(data, at)
    return text_at(data, at)


_PROBLEM: Final = {REASON_STRING: Property(text_at), USER_PROPERTY: Property(_pair_at)}
_CONNACK: Final = _PROBLEM | {
    SESSION_EXPIRY: Property(four_bytes_at),
    18: Property(text_at),
    SERVER_KEEP_ALIVE: Property(two_bytes_at),
    21: Property(text_at),
    22: Property(binary_at),
    26: Property(text_at),
    SERVER_REFERENCE: Property(text_at),
    RECEIVE_MAXIMUM: Property(two_bytes_at, 1),
    34: Property(two_bytes_at),
    MAXIMUM_QOS: Property(byte_at, 0, 1),
    RETAIN_AVAILABLE: Property(byte_at, 0, 1),
    MAXIMUM_PACKET_SIZE: Property(four_bytes_at, 1),
    40: Property(byte_at, 0, 1),
    41: Property(byte_at, 0, 1),
    42: Property(byte_at, 0, 1),
}
_DISCONNECT: Final = _PROBLEM | {SERVER_REFERENCE: Property(text_at)}
_AUTH: Final = _PROBLEM | {21: Property(text_at), 22: Property(binary_at)}
"""Which properties a packet may have (MQTT 5, 3.2.2.3, 3.14.2.2, 3.15.2.2), by their numbers (MQTT 5, 2.2.2.2)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """CONNACK, DISCONNECT or AUTH, each of which has a reason code.

    values: properties by their numbers, user properties apart.
    """

    code: int
    session_present: bool = False
    values: Mapping[int, Value] = field(default_factory=dict)

    def number(self, which: int) -> int | None:
        """Return a property that is a number, or None where it is missing."""
        value = self.values.get(which)
        return value if isinstance(value, int) else None

    def text(self, which: int) -> str:
        """Return a property that is text, or "" where it is missing."""
        value = self.values.get(which)
        return value if isinstance(value, str) else ""


def check_beginning(data: bytes) -> None:
    """Check the first bytes of a connection; raise Violation where they are of another protocol.

    At once: what would be the length of a packet may announce more than the other end ever sends.
    """
    known = next((name for start, name in _OTHER_PROTOCOLS.items() if data.startswith(start)), None)
    try:
        kind_of(data)
    except Violation:
        known = known or "another protocol"
    if known is not None:
        begins = from_peer(str(data[:_SHOWN_BYTES], "latin-1"))
        text = f"does not use MQTT on this port, but {known}: its answer begins with {begins!r}"
        raise Violation(MALFORMED, f"{text} (see MQTT_BROKER and MQTT_PORT)")


_SHOWN_BYTES = 16
_OTHER_PROTOCOLS: Final[Mapping[bytes, str]] = {
    b"HTTP/": "HTTP",
    b"AMQP": "AMQP",
    b"SSH-": "SSH",
    b"\x15\x03": "TLS",
    b"\x16\x03": "TLS",
    b"220 ": "FTP or SMTP",
    b"220-": "FTP or SMTP",
    b"-ERR": "Redis",
}
"""How servers of other protocols begin their answer to what they do not understand."""


def kind_of(frame: bytes) -> int:
    """Return the packet type; raise Violation where its flags are not the required ones (MQTT 5, 2.1.3)."""
    kind = frame[0] & 0xF0
    if kind not in NAMES or (kind != 0x30 and frame[0] & 0x0F != (2 if kind in _FLAGGED else 0)):
        raise Violation(MALFORMED, f"sent a packet with the first byte 0x{frame[0]:02X}")
    return kind


_FLAGGED = (0x60, 0x80, 0xA0)


def puback(frame: bytes) -> tuple[int, int]:
    """Parse packet id and reason code of a PUBACK; no code means success (MQTT 5, 3.4.2.1)."""
    body = body_of(frame)
    packet_id = int.from_bytes(body[:2], "big")
    if frame[0] != PUBACK or len(body) < 2 or not packet_id:
        raise Violation(MALFORMED, "sent a malformed PUBACK")
    if len(body) > 3:
        read_properties("PUBACK", body, 3, _PROBLEM)
    return packet_id, body[2] if len(body) > 2 else 0


def connack(frame: bytes) -> Answer:
    """Parse CONNACK (MQTT 5, 3.2), or that of a broker without MQTT 5, which has no properties."""
    body = body_of(frame)
    if len(body) == 2 and (body[1] in OLD_REFUSALS or body[1] >= 0x80):
        return Answer(OLD_REFUSALS.get(body[1], body[1]))
    if len(body) < 3 or body[0] > 1:
        raise Violation(MALFORMED, "sent a malformed CONNACK")
    flags, code = body[0], body[1]
    if (flags and code) or 0 < code < 0x80:
        raise Violation(PROTOCOL_ERROR, f"sent an inconsistent CONNACK: flags {flags}, code 0x{code:02X}")
    return Answer(code, bool(flags), read_properties("CONNACK", body, 2, _CONNACK))


def suback(name: str, frame: bytes) -> tuple[int, Answer]:
    """Parse SUBACK or UNSUBACK, by its name, of one topic filter: its packet id, and its reason code (MQTT 5, 3.9)."""
    body = body_of(frame)
    packet_id = int.from_bytes(body[:2], "big")
    if len(body) < 4 or not packet_id:
        raise Violation(MALFORMED, f"sent a malformed {name}")
    return packet_id, Answer(body[-1], values=read_properties(name, body[:-1], 2, _PROBLEM))


def disconnect(frame: bytes) -> Answer:
    """Parse DISCONNECT (MQTT 5, 3.14); no code means a normal end."""
    return _reasoned("DISCONNECT", frame, _DISCONNECT)


def auth(frame: bytes) -> Answer:
    """Parse AUTH (MQTT 5, 3.15); no code means success."""
    return _reasoned("AUTH", frame, _AUTH)


def pingresp(frame: bytes) -> None:
    """Check PINGRESP, which is empty (MQTT 5, 3.13)."""
    if len(frame) != 2:
        raise Violation(MALFORMED, "sent a malformed PINGRESP")


def _reasoned(name: str, frame: bytes, allowed: Mapping[int, Property]) -> Answer:
    body = body_of(frame)
    values = read_properties(name, body, 1, allowed) if len(body) > 1 else {}
    return Answer(body[0] if body else 0, values=values)
