"""MQTT 3.1.1: its frames as packets of the codec `mqtt5`, so that all behind them works as for MQTT 5.

For demos and tests, not for production. Sections are those of MQTT 3.1.1 (OASIS, 29 October 2014).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import mqtt5
from mqtt5 import ConnectPacket, Packet, PublishPacket, QoS, SubscribePacket, TopicFilter, UnsubscribePacket, Will

from sandbox.protocol.rules import is_filter
from sandbox.protocol.wire import Header, Reason, Violation, framed

LEVEL = 4
NEVER = 0xFFFFFFFF
"""A session expiry that means never (MQTT 5, 3.1.2.11.2): what a session without Clean Session has (3.1.2.4)."""

RETURN_CODES: Final[Mapping[int, int]] = {
    Reason.UNSUPPORTED_PROTOCOL_VERSION: 1,
    Reason.CLIENT_ID_NOT_VALID: 2,
    0x88: 3,  # server unavailable
    0x89: 3,  # server busy
    0x97: 3,  # quota exceeded
    0x9F: 3,  # connection rate exceeded
    Reason.BAD_USER_NAME_OR_PASSWORD: 4,
    Reason.NOT_AUTHORIZED: 5,
    0x8A: 5,  # banned
    Reason.BAD_AUTHENTICATION_METHOD: 5,
}
"""Reason code of MQTT 5 -> return code of CONNACK (3.2.2.3). What is not here closes the connection without CONNACK."""


class _Body:
    """What is in one frame after its length, read from front to back. Reads beyond its end raise Violation."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that are not read yet."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        if count > self.left:
            raise Violation(Reason.MALFORMED_PACKET)
        self._at += count
        return bytes(self._data[self._at - count : self._at])

    def number(self, count: int = 2) -> int:
        """Return an integer of some bytes (1.5.2)."""
        return int.from_bytes(self.take(count), "big")

    def binary(self) -> bytes:
        """Return bytes that have their length in front (3.1.3.3)."""
        return self.take(self.number())

    def text(self) -> str:
        """Return a text: UTF-8 without surrogates and without U+0000 (1.5.3)."""
        try:
            text = self.binary().decode()
        except UnicodeDecodeError as error:
            raise Violation(Reason.MALFORMED_PACKET) from error
        _require("\0" not in text)
        return text

    def packet_id(self) -> int:
        """Return a packet identifier, which is never 0 (2.3.1)."""
        packet_id = self.number()
        _require(packet_id)
        return packet_id


class Version311:
    """Decodes and encodes MQTT 3.1.1, which has return codes for CONNECT alone and no DISCONNECT from the broker."""

    version = "3.1.1"
    announces_limits = False

    def decode(self, frame: memoryview) -> Packet:
        """Decode the packet in one frame; raise Violation where it is malformed."""
        head = _head_length(frame)
        kind, flags = frame[0] >> 4, frame[0] & 0x0F
        decoder = _DECODERS.get(kind)
        if decoder is None:
            raise Violation(Reason.PROTOCOL_ERROR)
        # Reserved flags have one right value for each packet (2.2.2); those of PUBLISH have a meaning.
        _require(kind == PUBLISH or flags == (2 if kind in WITH_FLAG else 0))
        body = _Body(frame[head:])
        packet = decoder(body, flags)
        _require(body.left == 0)
        return packet

    def connack(self, packet: mqtt5.ConnAckPacket) -> bytes:
        """Encode a CONNACK that accepts: whether there was a session (3.2.2.2), and nothing of the limits."""
        return bytes((0x20, 2, packet.session_present, 0))

    def refusal(self, code: int) -> bytes:
        """Encode a CONNACK with the return code for a reason, or nothing where there is none (3.2.2.3)."""
        returned = RETURN_CODES.get(code)
        return b"" if returned is None else bytes((0x20, 2, 0, returned))

    def disconnect(self, code: int) -> bytes:  # noqa: ARG002
        """Return nothing: the broker closes without a packet (4.8)."""
        return b""

    def puback(self, packet_id: int, code: int) -> bytes:  # noqa: ARG002
        """Encode PUBACK, which cannot refuse: a refused message is acknowledged all the same (3.3.5)."""
        return b"\x40\x02" + packet_id.to_bytes(2, "big")

    def suback(self, packet_id: int, codes: list[mqtt5.SubAckReasonCode]) -> bytes:
        """Encode SUBACK with the QoS granted, or 0x80 for a refused filter (3.9.3)."""
        return framed(0x90, packet_id.to_bytes(2, "big") + bytes(min(int(code), 0x80) for code in codes))

    def unsuback(self, packet_id: int, removed: list[bool]) -> bytes:  # noqa: ARG002
        """Encode UNSUBACK, which has no codes (3.11)."""
        return b"\xb0\x02" + packet_id.to_bytes(2, "big")

    def publish(self, packet: PublishPacket, header: Header) -> bytes:
        """Encode a PUBLISH without the properties that an MQTT 5 publisher may have given (3.3)."""
        topic = packet.topic.encode()
        packet_id = b"" if header.packet_id is None else header.packet_id.to_bytes(2, "big")
        first = 0x30 | header.duplicate << 3 | header.qos << 1 | header.retain
        return framed(first, len(topic).to_bytes(2, "big") + topic + packet_id + packet.payload)


def _connect(body: _Body, _flags: int) -> ConnectPacket:
    name, level = body.text(), body.number(1)
    if level != LEVEL:
        raise Violation(Reason.UNSUPPORTED_PROTOCOL_VERSION)
    _require(name == "MQTT")
    flags, keep_alive = body.number(1), body.number()
    with_name, with_password, clean = flags & 0x80, flags & 0x40, bool(flags & 0x02)
    # The reserved flag (3.1.2.3), and a password without a user name (3.1.2.9).
    _require(not flags & 0x01 and (with_name or not with_password))
    client_id = body.text()
    will = _will(body, flags)
    username = body.text() if with_name else None
    password = body.binary() if with_password else None
    # Without an id there is nothing by which the session could be found again (3.1.3.1).
    if not client_id and not clean:
        raise Violation(Reason.CLIENT_ID_NOT_VALID)
    return ConnectPacket(
        client_id,
        username=username,
        password=password,
        clean_start=clean,
        will=will,
        keep_alive=keep_alive,
        session_expiry_interval=0 if clean else NEVER,
    )


def _will(body: _Body, flags: int) -> Will | None:
    """Return the will; its flags are 0 where there is none (3.1.2.6, 3.1.2.7)."""
    qos, retain = flags >> 3 & 0x03, bool(flags & 0x20)
    if not flags & 0x04:
        _require(qos == 0 and not retain)
        return None
    _require(qos < 3)
    return Will(body.text(), payload=body.binary(), qos=QoS(qos), retain=retain)


def _publish(body: _Body, flags: int) -> PublishPacket:
    qos, duplicate = flags >> 1 & 0x03, bool(flags & 0x08)
    # DUP is 0 for QoS 0 (3.3.1.1), and there is no QoS 3 (3.3.1.2).
    _require(qos < 3 and (qos or not duplicate))
    topic = body.text()
    packet_id = body.packet_id() if qos else None
    payload = body.take(body.left)
    try:
        return PublishPacket(
            topic, payload, qos=QoS(qos), retain=bool(flags & 0x01), packet_id=packet_id, duplicate=duplicate
        )
    except ValueError as error:
        raise Violation(Reason.TOPIC_NAME_INVALID) from error


def _subscribe(body: _Body, _flags: int) -> SubscribePacket:
    packet_id = body.packet_id()
    wanted: list[TopicFilter] = []
    while body.left:
        pattern, qos = _filter(body), body.number(1)
        _require(qos < 3)
        wanted.append(TopicFilter(pattern, max_qos=QoS(qos), retain_as_published=False))
    # At least one (3.8.3).
    _require(wanted)
    return SubscribePacket(packet_id, wanted)


def _unsubscribe(body: _Body, _flags: int) -> UnsubscribePacket:
    packet_id = body.packet_id()
    patterns: list[str] = []
    while body.left:
        patterns.append(_filter(body))
    _require(patterns)
    return UnsubscribePacket(packet_id, patterns)


def _filter(body: _Body) -> str:
    """Return a topic filter; a wrong one ends the connection (4.7.1), as SUBACK has no code for it."""
    pattern = body.text()
    if not is_filter(pattern):
        raise Violation(Reason.TOPIC_FILTER_INVALID)
    return pattern


PUBLISH, PUBREL, SUBSCRIBE, UNSUBSCRIBE = 3, 6, 8, 10
WITH_FLAG = frozenset({PUBREL, SUBSCRIBE, UNSUBSCRIBE})
_DECODERS: Final[Mapping[int, Callable[[_Body, int], Packet]]] = {
    1: _connect,
    PUBLISH: _publish,
    4: lambda body, _flags: mqtt5.PubAckPacket(body.packet_id()),
    # Only of QoS 2, which is not offered: the connection refuses the PUBLISH before.
    5: lambda body, _flags: mqtt5.PubRecPacket(body.packet_id()),
    PUBREL: lambda body, _flags: mqtt5.PubRelPacket(body.packet_id()),
    7: lambda body, _flags: mqtt5.PubCompPacket(body.packet_id()),
    SUBSCRIBE: _subscribe,
    UNSUBSCRIBE: _unsubscribe,
    12: lambda _body, _flags: mqtt5.PingReqPacket(),
    14: lambda _body, _flags: mqtt5.DisconnectPacket(),
}
"""What a client may send, by packet type (2.2.1)."""


def _head_length(frame: memoryview) -> int:
    """Return the bytes before the body: the first one, and the length, whose last byte is below 0x80 (2.2.3)."""
    for position in range(1, min(5, len(frame))):
        if frame[position] < 0x80:
            return position + 1
    raise Violation(Reason.MALFORMED_PACKET)


def _require(right: object) -> None:
    if not right:
        raise Violation(Reason.MALFORMED_PACKET)
