"""Strict parsing of what a broker sends: a packet that breaks a rule of MQTT 5 is a Violation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from edge.mqtt.protocol.codec import MALFORMED, PROTOCOL_ERROR, PUBACK, Violation
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

_OLD_REFUSALS: Final = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}
"""Return codes of a broker without MQTT 5 (MQTT 3.1.1, 3.2.2.3) -> the reason codes of MQTT 5."""

Value = int | str | bytes
_Read = Callable[[bytes, int], tuple[Value, int]]
"""Parses a value at an index; returns it and the index after it. Raises IndexError or ValueError."""


def _byte(data: bytes, at: int) -> tuple[Value, int]:
    return data[at], at + 1


def _two_bytes(data: bytes, at: int) -> tuple[Value, int]:
    return (data[at] << 8) + data[at + 1], at + 2


def _four_bytes(data: bytes, at: int) -> tuple[Value, int]:
    if at + 4 > len(data):
        raise IndexError(at)
    return int.from_bytes(data[at : at + 4], "big"), at + 4


def varint_at(data: bytes, at: int) -> tuple[int, int]:
    """Parse a variable byte integer (MQTT 5, 1.5.5); raise IndexError where it is cut off, ValueError if too long."""
    number = 0
    for place in range(4):
        byte = data[at + place]
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return number, at + place + 1
    raise ValueError("a variable byte integer of more than four bytes")


def _binary(data: bytes, at: int) -> tuple[Value, int]:
    start = at + 2
    end = start + (data[at] << 8) + data[at + 1]
    if end > len(data):
        raise IndexError(end)
    return data[start:end], end


def _text(data: bytes, at: int) -> tuple[Value, int]:
    """Parse a UTF-8 string, which must not contain U+0000 (MQTT 5, 1.5.4)."""
    value, end = _binary(data, at)
    text = str(value, "utf-8") if isinstance(value, bytes) else ""
    if "\0" in text:
        raise ValueError("U+0000 in a string")
    return text, end


def _pair(data: bytes, at: int) -> tuple[Value, int]:
    """Check a user property, and return only its value."""
    _, at = _text(data, at)
    return _text(data, at)


def _binary_pair(data: bytes, at: int) -> tuple[Value, int]:
    _, at = _binary(data, at)
    return _binary(data, at)


class _Property(NamedTuple):
    """How to parse a property, and the range of its number; another number is a protocol error."""

    read: _Read
    least: int = 0
    most: int = 2**32 - 1


RECEIVE_MAXIMUM, MAXIMUM_QOS, RETAIN_AVAILABLE, MAXIMUM_PACKET_SIZE = 33, 36, 37, 39
SESSION_EXPIRY, SERVER_KEEP_ALIVE, SERVER_REFERENCE, REASON_STRING = 17, 19, 28, 31
RESPONSE_TOPIC, CORRELATION_DATA, TOPIC_ALIAS = 8, 9, 35
_SUBSCRIPTION_IDENTIFIER, _USER_PROPERTY = 11, 38
_REPEATABLE = (_SUBSCRIPTION_IDENTIFIER, _USER_PROPERTY)
_PROBLEM: Final = {REASON_STRING: _Property(_text), _USER_PROPERTY: _Property(_pair)}
_CONNACK: Final = _PROBLEM | {
    SESSION_EXPIRY: _Property(_four_bytes),
    18: _Property(_text),
    SERVER_KEEP_ALIVE: _Property(_two_bytes),
    21: _Property(_text),
    22: _Property(_binary),
    26: _Property(_text),
    SERVER_REFERENCE: _Property(_text),
    RECEIVE_MAXIMUM: _Property(_two_bytes, 1),
    34: _Property(_two_bytes),
    MAXIMUM_QOS: _Property(_byte, 0, 1),
    RETAIN_AVAILABLE: _Property(_byte, 0, 1),
    MAXIMUM_PACKET_SIZE: _Property(_four_bytes, 1),
    40: _Property(_byte, 0, 1),
    41: _Property(_byte, 0, 1),
    42: _Property(_byte, 0, 1),
}
_DISCONNECT: Final = _PROBLEM | {SERVER_REFERENCE: _Property(_text)}
_AUTH: Final = _PROBLEM | {21: _Property(_text), 22: _Property(_binary)}
"""Which properties a packet may have (MQTT 5, 3.2.2.3, 3.14.2.2, 3.15.2.2), by their numbers (MQTT 5, 2.2.2.2)."""

_PUBLISH: Final = {
    1: _Property(_byte, 0, 1),
    2: _Property(_four_bytes),
    3: _Property(_binary),
    RESPONSE_TOPIC: _Property(_binary),
    CORRELATION_DATA: _Property(_binary),
    _SUBSCRIPTION_IDENTIFIER: _Property(varint_at, 1),
    TOPIC_ALIAS: _Property(_two_bytes),
    _USER_PROPERTY: _Property(_binary_pair),
}
"""The same of PUBLISH (MQTT 5, 3.3.2.3). Its texts are read as bytes, because they are another client's, which must not
be able to end our connection where a broker passes them on unchecked."""


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
    body = _body(frame)
    packet_id = int.from_bytes(body[:2], "big")
    if frame[0] != PUBACK or len(body) < 2 or not packet_id:
        raise Violation(MALFORMED, "sent a malformed PUBACK")
    if len(body) > 3:
        _properties("PUBACK", body, 3, _PROBLEM)
    return packet_id, body[2] if len(body) > 2 else 0


def connack(frame: bytes) -> Answer:
    """Parse CONNACK (MQTT 5, 3.2), or that of a broker without MQTT 5, which has no properties."""
    body = _body(frame)
    if len(body) == 2 and (body[1] in _OLD_REFUSALS or body[1] >= 0x80):
        return Answer(_OLD_REFUSALS.get(body[1], body[1]))
    if len(body) < 3 or body[0] > 1:
        raise Violation(MALFORMED, "sent a malformed CONNACK")
    flags, code = body[0], body[1]
    if (flags and code) or 0 < code < 0x80:
        raise Violation(PROTOCOL_ERROR, f"sent an inconsistent CONNACK: flags {flags}, code 0x{code:02X}")
    return Answer(code, bool(flags), _properties("CONNACK", body, 2, _CONNACK))


@dataclass(frozen=True, slots=True)
class Publish:
    """A message from the broker (MQTT 5, 3.3).

    packet_id: None at QoS 0.  response_topic: as it was sent, which need not be a topic, or even text.
    """

    topic: str
    payload: bytes
    packet_id: int | None
    dup: bool
    retain: bool
    response_topic: bytes | None = None
    correlation: bytes | None = None


def publish(frame: bytes) -> Publish:
    """Parse PUBLISH at QoS 0 or 1 (MQTT 5, 3.3)."""
    body, qos, dup = _body(frame), frame[0] >> 1 & 3, bool(frame[0] & 8)
    if qos > 1 or (dup and not qos):
        raise Violation(*_TOO_MUCH if qos == 2 else _MALFORMED_PUBLISH)
    try:
        topic, at = _text(body, 0)
        packet_id, at = _two_bytes(body, at) if qos else (None, at)
        length, start = varint_at(body, at)
    except (ValueError, LookupError):
        raise Violation(*_MALFORMED_PUBLISH) from None
    end = start + length
    if end > len(body) or packet_id == 0 or "+" in str(topic) or "#" in str(topic):
        raise Violation(*_MALFORMED_PUBLISH)
    values = _properties("PUBLISH", body[:end], at, _PUBLISH)
    if TOPIC_ALIAS in values:
        raise Violation(_TOPIC_ALIAS_INVALID, "sent a topic alias, and we allow none")
    if not topic:
        raise Violation(PROTOCOL_ERROR, "sent a PUBLISH without a topic")
    number = packet_id if isinstance(packet_id, int) else None
    response, correlation = (values.get(each) for each in (RESPONSE_TOPIC, CORRELATION_DATA))
    return Publish(
        str(topic),
        body[end:],
        number,
        dup,
        bool(frame[0] & 1),
        response if isinstance(response, bytes) else None,
        correlation if isinstance(correlation, bytes) else None,
    )


_TOPIC_ALIAS_INVALID: Final = 0x94
_MALFORMED_PUBLISH: Final = MALFORMED, "sent a malformed PUBLISH"
_TOO_MUCH: Final = PROTOCOL_ERROR, "sent a PUBLISH at QoS 2 for a subscription at QoS 1"


def suback(name: str, frame: bytes) -> tuple[int, Answer]:
    """Parse SUBACK or UNSUBACK, by its name, of one topic filter: its packet id, and its reason code (MQTT 5, 3.9)."""
    body = _body(frame)
    packet_id = int.from_bytes(body[:2], "big")
    if len(body) < 4 or not packet_id:
        raise Violation(MALFORMED, f"sent a malformed {name}")
    return packet_id, Answer(body[-1], values=_properties(name, body[:-1], 2, _PROBLEM))


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


def _reasoned(name: str, frame: bytes, allowed: Mapping[int, _Property]) -> Answer:
    body = _body(frame)
    values = _properties(name, body, 1, allowed) if len(body) > 1 else {}
    return Answer(body[0] if body else 0, values=values)


def _body(frame: bytes) -> bytes:
    return frame[varint_at(frame, 1)[1] :]


def _properties(name: str, body: bytes, at: int, allowed: Mapping[int, _Property]) -> dict[int, Value]:
    """Parse the properties that end a packet, each at most once except user properties (MQTT 5, 2.2.2)."""
    values: dict[int, Value] = {}
    try:
        length, at = varint_at(body, at)
        end = at + length
        while at < end:
            number, at = varint_at(body, at)
            at = _take(name, number, body, at, values, allowed[number])
    except Violation:
        raise
    except (ValueError, LookupError):
        raise Violation(MALFORMED, f"sent a malformed {name}") from None
    if at != len(body):
        raise Violation(MALFORMED, f"sent a {name} with a wrong length of its properties")
    values.pop(_USER_PROPERTY, None)
    return values


def _take(name: str, number: int, body: bytes, at: int, values: dict[int, Value], how: _Property) -> int:
    """Parse one property into `values`; return the index after it."""
    value, end = how.read(body, at)
    if end > len(body):
        raise IndexError(end)
    if number in values and number not in _REPEATABLE:
        raise Violation(PROTOCOL_ERROR, f"sent property {number} twice in {name}")
    if isinstance(value, int) and not how.least <= value <= how.most:
        raise Violation(PROTOCOL_ERROR, f"sent property {number} with the value {value} in {name}")
    values[number] = value
    return end
