"""Packets of a subscriber: SUBSCRIBE, UNSUBSCRIBE, PUBACK, and PUBLISH of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edge.mqtt.protocol.codec import DUP, PUBACK, PUBLISH, QOS_1, text, user_property, varint

SUBSCRIBE, UNSUBSCRIBE = 0x82, 0xA2
_OPTIONS: Final = 0x01 | 0x08 | 0x20
"""QoS 1, Retain As Published, Retain Handling 2: the broker sends what it has retained to nobody (MQTT 5, 3.8.3.1)."""

_UTF_8, _EXPIRY, _CONTENT_TYPE, _CORRELATION = b"\x01\x01", b"\x02", b"\x03", b"\x09"


def subscribe(packet_id: int, topic_filter: str) -> bytes:
    """Return SUBSCRIBE to one filter at QoS 1, without retained messages (MQTT 5, 3.8)."""
    return framed(SUBSCRIBE, two_bytes(packet_id) + b"\0" + text(topic_filter) + bytes((_OPTIONS,)))


def unsubscribe(packet_id: int, topic_filter: str) -> bytes:
    """Return UNSUBSCRIBE from one filter (MQTT 5, 3.10)."""
    return framed(UNSUBSCRIBE, two_bytes(packet_id) + b"\0" + text(topic_filter))


def puback(packet_id: int) -> bytes:
    """Return PUBACK with the code Success (MQTT 5, 3.4)."""
    return framed(PUBACK, two_bytes(packet_id))


class AnswerPacket:
    """A PUBLISH that answers a message, without its packet id, which it gets when it is sent (MQTT 5, 4.10).

    expiry_seconds: for which the broker keeps it; 0 is for ever.
    """

    __slots__ = ("_payload", "_properties", "_topic", "size")

    def __init__(
        self,
        topic: str,
        payload: bytes,
        content_type: str,
        correlation: bytes | None,
        expiry_seconds: int,
        user_properties: Mapping[str, str],
    ) -> None:
        self._topic, self._payload = text(topic), payload
        properties = _UTF_8 + _CONTENT_TYPE + text(content_type)
        properties += _EXPIRY + expiry_seconds.to_bytes(4, "big") if expiry_seconds else b""
        if correlation is not None:
            properties += _CORRELATION + len(correlation).to_bytes(2, "big") + correlation
        properties += b"".join(user_property(*each) for each in user_properties.items())
        self._properties = varint(len(properties)) + properties
        self.size = len(self.frame(1))

    def frame(self, packet_id: int | None, *, dup: bool = False) -> bytes:
        """Return it at QoS 1 with a packet id, at QoS 0 without."""
        if packet_id is None:
            return framed(PUBLISH, self._topic + self._properties + self._payload)
        first = PUBLISH | QOS_1 | (DUP if dup else 0)
        return framed(first, self._topic + two_bytes(packet_id) + self._properties + self._payload)


def framed(first: int, body: bytes) -> bytes:
    """Return a packet: its first byte, its remaining length, and what comes then (MQTT 5, 2.1)."""
    return bytes((first,)) + varint(len(body)) + body


def two_bytes(packet_id: int) -> bytes:
    """Encode a packet id (MQTT 5, 2.2.1)."""
    return packet_id.to_bytes(2, "big")
