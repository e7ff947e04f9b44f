"""MQTT 5 frames in a stream of bytes: where one ends, its packet, and the few answers that are encoded here.

For demos and tests, not for production.

The `mqtt5` codec decodes and encodes packets. Encoded here are only frames to which a fault may give any reason code,
which the codec's enumerations reject.
"""

from __future__ import annotations

import enum

import mqtt5

PINGRESP = b"\xd0\x00"
REFUSAL_OF_OLD_CLIENT = b"\x20\x02\x00\x01"
"""CONNACK of MQTT 3.1.1 (3.2.2.3) with return code 1: unacceptable protocol version."""


class Reason(enum.IntEnum):
    """The reason codes that this broker uses by itself (MQTT 5, 2.4)."""

    SUCCESS = 0x00
    NO_MATCHING_SUBSCRIBERS = 0x10
    NO_SUBSCRIPTION_EXISTED = 0x11
    MALFORMED_PACKET = 0x81
    PROTOCOL_ERROR = 0x82
    UNSUPPORTED_PROTOCOL_VERSION = 0x84
    BAD_USER_NAME_OR_PASSWORD = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_NAME_INVALID = 0x90
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    QOS_NOT_SUPPORTED = 0x9B
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E


class Violation(Exception):
    """The client broke a rule; the connection ends.

    code: for CONNACK or DISCONNECT (MQTT 5, 4.13).  old: the client uses MQTT 3.
    """

    def __init__(self, code: Reason, *, old: bool = False) -> None:
        super().__init__(code.name)
        self.code = code
        self.old = old


def frame_end(data: bytes, start: int, limit: int) -> int | None:
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


def decode(frame: memoryview) -> mqtt5.Packet:
    """Decode the packet in one frame; raise Violation where it is malformed."""
    if frame[0] == 0x10:
        _check_connect(bytes(frame))
    try:
        return mqtt5.read(frame)[0]
    except (ValueError, IndexError) as error:
        raise Violation(Reason.MALFORMED_PACKET) from error
    except BaseException as error:
        # The codec panics on text that is not UTF-8, and its PanicException is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise Violation(Reason.MALFORMED_PACKET) from None


def puback(packet_id: int, code: int) -> bytes:
    """Encode PUBACK; without the reason code if it is 0 (MQTT 5, 3.4.2.1)."""
    # Short, and without a Reason String: most of what a broker sends to a publisher are these frames.
    if code == 0:
        return b"\x40\x02" + packet_id.to_bytes(2, "big")
    return b"\x40\x03" + packet_id.to_bytes(2, "big") + bytes((code,))


def disconnect(code: int) -> bytes:
    """Encode DISCONNECT with a reason code and no properties (MQTT 5, 3.14)."""
    return bytes((0xE0, 1, code))


def refusal(code: int) -> bytes:
    """Encode a CONNACK that refuses, with no properties (MQTT 5, 3.2)."""
    return bytes((0x20, 3, 0, code, 0))


def _within(limit: int, start: int, end: int) -> int:
    if end - start > limit:
        raise Violation(Reason.PACKET_TOO_LARGE)
    return end


def _check_connect(frame: bytes) -> None:
    """Reject other protocol levels than 5 and the reserved flag, which the codec ignores (MQTT 5, 3.1.2)."""
    level, flags = _level_and_flags(frame)
    if level != 5:
        raise Violation(Reason.UNSUPPORTED_PROTOCOL_VERSION, old=level in {3, 4})
    if flags & 0x01:
        raise Violation(Reason.MALFORMED_PACKET)


def _level_and_flags(frame: bytes) -> tuple[int, int]:
    """Return protocol level and connect flags: the two bytes after the protocol name."""
    for name in (b"\x00\x04MQTT", b"\x00\x06MQIsdp"):
        at = frame.find(name, 2, 5 + len(name))
        if at > 0 and len(frame) > at + len(name) + 1:
            return frame[at + len(name)], frame[at + len(name) + 1]
    raise Violation(Reason.MALFORMED_PACKET)
