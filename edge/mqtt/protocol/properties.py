"""Values and properties of the packets that a broker sends (MQTT 5, 1.5 and 2.2.2), parsed strictly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from edge.mqtt.protocol.codec import MALFORMED, PROTOCOL_ERROR, Violation

Value = int | str | bytes
_Read = Callable[[bytes, int], tuple[Value, int]]
"""Parses a value at an index; returns it and the index after it. Raises IndexError or ValueError."""


def byte_at(data: bytes, at: int) -> tuple[Value, int]:
    """Parse a byte."""
    return data[at], at + 1


def two_bytes_at(data: bytes, at: int) -> tuple[Value, int]:
    """Parse a two byte integer (MQTT 5, 1.5.2)."""
    return (data[at] << 8) + data[at + 1], at + 2


def four_bytes_at(data: bytes, at: int) -> tuple[Value, int]:
    """Parse a four byte integer (MQTT 5, 1.5.3)."""
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


def binary_at(data: bytes, at: int) -> tuple[Value, int]:
    """Parse binary data (MQTT 5, 1.5.6), or a UTF-8 string as its bytes."""
    start = at + 2
    end = start + (data[at] << 8) + data[at + 1]
    if end > len(data):
        raise IndexError(end)
    return data[start:end], end


def text_at(data: bytes, at: int) -> tuple[Value, int]:
    """Parse a UTF-8 string, which must not contain U+0000 (MQTT 5, 1.5.4)."""
    value, end = binary_at(data, at)
    text = str(value, "utf-8") if isinstance(value, bytes) else ""
    if "\0" in text:
        raise ValueError("U+0000 in a string")
    return text, end


class Property(NamedTuple):
    """How to parse a property, and the range of its number; another number is a protocol error."""

    read: _Read
    least: int = 0
    most: int = 2**32 - 1


RECEIVE_MAXIMUM, MAXIMUM_QOS, RETAIN_AVAILABLE, MAXIMUM_PACKET_SIZE = 33, 36, 37, 39
SESSION_EXPIRY, SERVER_KEEP_ALIVE, SERVER_REFERENCE, REASON_STRING = 17, 19, 28, 31
RESPONSE_TOPIC, CORRELATION_DATA, TOPIC_ALIAS = 8, 9, 35
SUBSCRIPTION_IDENTIFIER, USER_PROPERTY = 11, 38
"""Properties by their numbers (MQTT 5, 2.2.2.2)."""

_REPEATABLE = (SUBSCRIPTION_IDENTIFIER, USER_PROPERTY)


def body_of(frame: bytes) -> bytes:
    """Return a packet without its fixed header (MQTT 5, 2.1)."""
    return frame[varint_at(frame, 1)[1] :]


def read_properties(name: str, body: bytes, at: int, allowed: Mapping[int, Property]) -> dict[int, Value]:
    """Parse the properties that end a packet, each at most once except user properties (MQTT 5, 2.2.2).

    name: of the packet, in errors.  at: the index of their length.  Returns them without user properties, which only
    their way of parsing sees. Raises Violation.
    """
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
    values.pop(USER_PROPERTY, None)
    return values


def _take(name: str, number: int, body: bytes, at: int, values: dict[int, Value], how: Property) -> int:
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
