"""MQTT frames in a stream of bytes: where one ends, and what is wrong with one.

For demos and tests, not for production. Frames have the same outline in MQTT 3.1.1 and 5; what is inside them is
decoded and encoded by a dialect.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

PINGRESP = b"\xd0\x00"


class Reason(enum.IntEnum):
    """The reason codes that this broker uses by itself (MQTT 5, 2.4)."""

    SUCCESS = 0x00
    NO_MATCHING_SUBSCRIBERS = 0x10
    NO_SUBSCRIPTION_EXISTED = 0x11
    MALFORMED_PACKET = 0x81
    PROTOCOL_ERROR = 0x82
    UNSUPPORTED_PROTOCOL_VERSION = 0x84
    CLIENT_ID_NOT_VALID = 0x85
    BAD_USER_NAME_OR_PASSWORD = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_FILTER_INVALID = 0x8F
    TOPIC_NAME_INVALID = 0x90
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    QOS_NOT_SUPPORTED = 0x9B


class Violation(Exception):
    """The client broke a rule; the connection ends.  code: for CONNACK or DISCONNECT (MQTT 5, 4.13)."""

    def __init__(self, code: Reason) -> None:
        super().__init__(code.name)
        self.code = code


class Header(NamedTuple):
    """What a PUBLISH to one subscriber has beside the message itself.

    expiry_seconds: until the message expires, or None for never.  subscription_ids: of its matching subscriptions.
    """

    qos: int
    retain: bool
    packet_id: int | None
    duplicate: bool
    expiry_seconds: int | None
    subscription_ids: list[int]


def frame_end(data: bytes | bytearray, start: int, limit: int) -> int | None:
    """Return the index after the frame that begins at `start`; None until its length is known (MQTT 5, 2.1.4).

    Raises Violation for a length of more than four bytes, or a frame of more than `limit` bytes.
    """
    length = 0
    for position in range(start + 1, min(start + 5, len(data))):
        byte = data[position]
        length |= (byte & 0x7F) << 7 * (position - start - 1)
        if byte < 0x80:
            return _within(limit, start, position + 1 + length)
    # The fourth length byte announces a fifth, which is always malformed.
    if len(data) - start >= 5:
        raise Violation(Reason.MALFORMED_PACKET)
    return None


def framed(first: int, body: bytes) -> bytes:
    """Return a frame: first byte, length in as few bytes as it takes (MQTT 5, 1.5.5), body."""
    length = len(body)
    if length < 0x80:
        return bytes((first, length)) + body
    digits = bytearray((first,))
    while length >= 0x80:
        digits.append(length & 0x7F | 0x80)
        length >>= 7
    digits.append(length)
    return bytes(digits) + body


def _within(limit: int, start: int, end: int) -> int:
    if end - start > limit:
        raise Violation(Reason.PACKET_TOO_LARGE)
    return end
