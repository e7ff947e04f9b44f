"""Packets of MQTT 3.1.1 (OASIS, 2014): strict parsing of what a broker sends, and what a subscriber sends.

There are no properties, and reason codes only in CONNACK and SUBACK. They are mapped to those of MQTT 5, so that what
follows from them is decided in one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from edge.mqtt.protocol.codec import (
    DUP,
    LONGEST_PACKET,
    MALFORMED,
    PACKET_TOO_LARGE,
    PROTOCOL_ERROR,
    PUBACK,
    PUBLISH,
    RETAIN,
    Splitter,
    Violation,
    text,
)
from edge.mqtt.protocol.packet_reader import OLD_REFUSALS, Answer
from edge.mqtt.protocol.packet_writer import SUBSCRIBE, UNSUBSCRIBE, framed, two_bytes
from edge.mqtt.protocol.properties import body_of, varint_at
from edge.mqtt.protocol.publish_reader import NO_TOPIC, Publish, head_of

_REFUSED_FROM: Final = 0x80
_QOS_1: Final = b"\x01"
_FAILURE: Final = 0x80
_SUBACK_CODES: Final = (0, 1, 2, _FAILURE)
"""Return codes of SUBACK: the QoS that is granted, or failure (MQTT 3.1.1, 3.9.3)."""


def connack(frame: bytes) -> Answer:
    """Parse CONNACK (MQTT 3.1.1, 3.2).

    Also that of a broker of MQTT 5 alone, which may answer to another version in its own form (MQTT 5, 3.1.2.2).
    """
    body = body_of(frame)
    if len(body) < 2 or body[0] > 1 or (len(body) > 2 and body[1] < _REFUSED_FROM):
        raise Violation(MALFORMED, "sent a malformed CONNACK")
    flags, code = body[0], body[1]
    refusal = OLD_REFUSALS.get(code, code)
    if (flags and code) or 0 < refusal < _REFUSED_FROM:
        raise Violation(PROTOCOL_ERROR, f"sent an inconsistent CONNACK: flags {flags}, return code {code}")
    return Answer(refusal, bool(flags))


def puback(frame: bytes) -> tuple[int, int]:
    """Parse the packet id of a PUBACK, which always means success (MQTT 3.1.1, 3.4); return it with the code 0."""
    body = body_of(frame)
    packet_id = int.from_bytes(body, "big")
    if frame[0] != PUBACK or len(body) != 2 or not packet_id:
        raise Violation(MALFORMED, "sent a malformed PUBACK")
    return packet_id, 0


def suback(name: str, frame: bytes) -> tuple[int, Answer]:
    """Parse SUBACK of one topic filter, or UNSUBACK, by its name: its packet id, and its return code (3.9 and 3.11)."""
    body = body_of(frame)
    packet_id, codes = int.from_bytes(body[:2], "big"), body[2:]
    if (
        not packet_id
        or len(codes) != (1 if name == "SUBACK" else 0)
        or any(code not in _SUBACK_CODES for code in codes)
    ):
        raise Violation(MALFORMED, f"sent a malformed {name}")
    return packet_id, Answer(codes[0] if codes else 0)


def read_publish(frame: bytes) -> Publish:
    """Parse PUBLISH at QoS 0 or 1 (MQTT 3.1.1, 3.3)."""
    body = body_of(frame)
    topic, packet_id, end = head_of(frame, body)
    if not topic:
        raise Violation(*NO_TOPIC)
    return Publish(topic, body[end:], packet_id, bool(frame[0] & DUP), bool(frame[0] & RETAIN))


def subscribe(packet_id: int, topic_filter: str) -> bytes:
    """Return SUBSCRIBE to one filter at QoS 1 (MQTT 3.1.1, 3.8); the broker sends what it has retained."""
    return framed(SUBSCRIBE, two_bytes(packet_id) + text(topic_filter) + _QOS_1)


def unsubscribe(packet_id: int, topic_filter: str) -> bytes:
    """Return UNSUBSCRIBE from one filter (MQTT 3.1.1, 3.10)."""
    return framed(UNSUBSCRIBE, two_bytes(packet_id) + text(topic_filter))


class CuttingSplitter(Splitter):
    """Splits a byte stream into frames; of a PUBLISH that is too long it yields the first LONGEST_PACKET bytes.

    Nothing in MQTT 3.1.1 says to a broker how long a packet may be, so another client may have it send any message.
    That must not end our connection: the beginning is enough to acknowledge it.
    """

    _puback_bytes = range(4, 5)

    def __init__(self) -> None:
        super().__init__()
        self._skipped = 0

    def split(self, data: bytes) -> Iterator[bytes]:
        """Yield every frame that `data` completes, as Splitter does; raise Violation as it does."""
        buffer, start = self._rest + data, 0
        while True:
            over = min(self._skipped, len(buffer) - start)
            self._skipped, start = self._skipped - over, start + over
            end = self._end_of(buffer, start)
            if end is None:
                break
            yield buffer[start:end]
            start = end
        self._rest = buffer[start:]

    def pubacks(self, data: bytes) -> tuple[Sequence[int], int] | None:
        """Return packet ids if `data` completes only PUBACKs, as Splitter does; or None."""
        return None if self._skipped else super().pubacks(data)

    def _end_of(self, buffer: bytes, start: int) -> int | None:
        """Return where to end the frame at `start`, or None while it is incomplete; note what to skip after it."""
        try:
            length, first = varint_at(buffer, start + 1)
        except IndexError:
            return None
        except ValueError:
            raise Violation(MALFORMED, "sent a remaining length of more than four bytes") from None
        size = first - start + length
        kept = min(size, LONGEST_PACKET)
        if kept < size and buffer[start] & 0xF0 != PUBLISH:
            raise Violation(PACKET_TOO_LARGE, f"sent a packet of {size:,} bytes; our maximum is {LONGEST_PACKET:,}")
        if start + kept > len(buffer):
            return None
        self._skipped = size - kept
        return start + kept
