"""MQTT 5 bytes: encodes PUBLISH frames, splits incoming bytes into frames. What all messages share is encoded once."""

from __future__ import annotations

from binascii import hexlify
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import groupby, repeat
from struct import Struct, unpack
from typing import Final

from edge.routing import TRIGGER
from edge.timestamps import rfc3339
from plant.telemetry import Message

PUBLISH, PUBACK = 0x30, 0x40
DUP, QOS_1, RETAIN = 0x08, 0x02, 0x01
_QOS_1, _QOS_1_AGAIN = PUBLISH | QOS_1, PUBLISH | QOS_1 | DUP
_PUBACK_BYTES = range(4, 7)
"""With packet id only, with a reason code, and with both and an empty list of properties."""
_TWO_BYTES: Final = Struct(">H").pack
_PAYLOAD_FORMAT, _EXPIRY, _CONTENT_TYPE, _USER_PROPERTY = b"\x01", b"\x02", b"\x03", b"\x26"


MALFORMED, PROTOCOL_ERROR, PACKET_TOO_LARGE = 0x81, 0x82, 0x95

LONGEST_PACKET: Final = 65_536
"""Bytes of the longest packet we accept, header included; sent in CONNECT (MQTT 5, 3.1.2.11.4).

No answer to telemetry needs more than a few, and no more than this is buffered of what a broker sends.
"""

LONGEST_TEXT: Final = 65_535
"""Bytes of the longest string and of the longest binary data (MQTT 5, 1.5.4 and 1.5.6)."""


class Violation(ValueError):
    """The broker breaks a rule of MQTT 5; the text names it and continues the words "the broker".

    code: the reason code for DISCONNECT (MQTT 5, 4.13).
    """

    def __init__(self, code: int, what: str) -> None:
        super().__init__(what)
        self.code = code


class TextTooLong(ValueError):
    """A string has more bytes than MQTT allows."""


def varint(number: int) -> bytes:
    """Encode a variable byte integer (MQTT 5, 1.5.5); `number` is 0 to 268,435,455."""
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def text(value: str) -> bytes:
    """Encode a UTF-8 string after its length (MQTT 5, 1.5.4); raise TextTooLong where the length has no encoding."""
    encoded = value.encode()
    if len(encoded) > LONGEST_TEXT:
        raise TextTooLong(f"a string of {len(encoded):,} bytes; the maximum in MQTT is {LONGEST_TEXT:,}")
    return len(encoded).to_bytes(2, "big") + encoded


def user_property(name: str, value: str) -> bytes:
    """Encode one user property (MQTT 5, 3.3.2.3.7)."""
    return _USER_PROPERTY + text(name) + text(value)


@dataclass(frozen=True)
class CloudEvents:
    """CloudEvents 1.0 attributes in binary mode: MQTT user properties without a prefix.

    source: a URI reference that names this simulator; the sender's id is appended to it.
    run: identifies the run, so that a message has the same id in every repetition of the run.
    """

    source: str
    run: str
    event_type: str = "ms.aio.telemetry"

    def constant(self, sender: str) -> bytes:
        """Return what all events of one sender share; it ends where the event's id varies."""
        uri = user_property("source", f"{self.source}/{sender}")
        return b"".join((self._shared, uri, user_property("subject", sender), _ID_HEAD, self._id_head(sender)))

    @cached_property
    def _shared(self) -> bytes:
        return user_property("specversion", "1.0") + user_property("type", self.event_type)

    def varying(self, messages: Iterable[Message]) -> Iterator[bytes]:
        """Yield for each message the rest of the id, the sequence number of its sender, and the event's time."""
        time_ms, time = -1, b""
        for message in messages:
            if message.time_ms != time_ms:
                time_ms, time = message.time_ms, _TIME_HEAD + rfc3339(message.time_ms).encode()
            yield hexlify(message.sequence.to_bytes(_SEQUENCE_BYTES, "big")) + time

    def _id_head(self, sender: str) -> bytes:
        """Return the first 24 characters of a version 8 UUID (RFC 9562, 5.8), derived from run and sender."""
        bits = blake2b(f"{self.run}/{sender}".encode(), digest_size=10).hexdigest()
        variant = "89ab"[int(bits[15], 16) & 3]
        return f"{bits[:8]}-{bits[8:12]}-8{bits[12:15]}-{variant}{bits[16:19]}-".encode()


_ID_HEAD = _USER_PROPERTY + text("id") + (36).to_bytes(2, "big")
_TIME_HEAD = _USER_PROPERTY + text("time") + (24).to_bytes(2, "big")
_SEQUENCE_BYTES = 6
_VARYING_BYTES = 2 * _SEQUENCE_BYTES + len(_TIME_HEAD) + 24


_ORDINARY: Final = frozenset({Message})
"""The type of messages without a trigger."""

Envelope = tuple[bytes, bytes, int, bool]
"""The constant parts of a sender's PUBLISH: topic, properties, bytes except header, packet id and payload, and whether
it is retained. Not a NamedTuple, which takes three times as long to unpack."""


class _Heads(dict[int, bytes]):
    """Fixed headers (MQTT 5, 2.1.1) by the length of the rest without packet id, made when needed: there are few.

    id_bytes: of the packet id, which is part of the remaining length.
    """

    def __init__(self, first: int, id_bytes: int) -> None:
        super().__init__()
        self._first, self._id_bytes = bytes((first,)), id_bytes

    def __missing__(self, length: int) -> bytes:
        head = self[length] = self._first + varint(length + self._id_bytes)
        return head


class Encoder:
    """Encodes messages as PUBLISH frames.

    topic: returns a message's topic.  expiry_seconds: message expiry interval, 0 for none.
    retained: kinds of message to publish with RETAIN, where the broker offers that.
    """

    def __init__(
        self,
        topic: Callable[[Message], str],
        expiry_seconds: int = 3600,
        events: CloudEvents | None = None,
        retained: Collection[str] = (),
    ) -> None:
        self._retain_available = True
        self._retained = retained
        self._topic = topic
        self._events = events
        expiry = _EXPIRY + expiry_seconds.to_bytes(4, "big") if expiry_seconds else b""
        self._shared = _PAYLOAD_FORMAT + b"\x01" + expiry + _CONTENT_TYPE + text("application/json")
        self._envelopes: defaultdict[str, dict[str, Envelope]] = defaultdict(dict)  # by trigger and source
        self._common: dict[tuple[str, bool, str], Envelope] = {}
        self._heads = {first: _Heads(first, 2 if first & QOS_1 else 0) for first in range(PUBLISH, PUBLISH + 16)}

    def frame(self, message: Message, packet_id: int | None, *, dup: bool = False) -> bytes:
        """Encode the PUBLISH of `message`: QoS 1 with `packet_id`, QoS 0 where that is None (MQTT 5, 3.3)."""
        return self.frames([message], None if packet_id is None else [packet_id], dup=dup)[0]

    def frames(
        self, messages: Sequence[Message], packet_ids: Sequence[int] | None, *, dup: bool = False
    ) -> list[bytes]:
        """Encode the PUBLISH of each message: QoS 1 with these ids, QoS 0 where they are None.

        Raises what `topic` raises, or TextTooLong; then no frame is returned at all.
        """
        if _ORDINARY.issuperset(map(type, messages)):  # as in most plants: a test for each message would cost more
            return self._frames_of_trigger(messages, packet_ids, "", dup=dup)
        frames: list[bytes] = []
        for trigger, run in groupby(zip(messages, packet_ids or repeat(0)), lambda each: each[0].trigger):  # noqa: B905
            alike, ids = zip(*run, strict=True)
            frames += self._frames_of_trigger(alike, ids if packet_ids else None, trigger, dup=dup)
        return frames

    def follow_limits(self, *, retain: bool, frame_bytes: int | None = None) -> None:  # noqa: ARG002 - not exceeded here
        """Follow the broker: without `retain` no frame has RETAIN. frame_bytes: its Maximum Packet Size."""
        self._retain_available = retain

    def start_run(self, events: CloudEvents | None) -> None:
        """Encode the messages of another run from now on."""
        self._events = events
        self.invalidate()

    def invalidate(self) -> None:
        """Drop the cached envelopes: topics may have changed."""
        self._envelopes.clear()
        self._common.clear()

    def _frames_of_trigger(
        self, messages: Sequence[Message], packet_ids: Sequence[int] | None, trigger: str, *, dup: bool
    ) -> list[bytes]:
        """Encode messages that have the same trigger."""
        envelopes = self._envelopes[trigger]
        try:
            return self._frames(messages, packet_ids, envelopes, dup=dup)
        except KeyError:
            for message in messages:
                if message.source not in envelopes:
                    envelopes[message.source] = self._envelope_of(message)
            return self._frames(messages, packet_ids, envelopes, dup=dup)

    def _frames(
        self,
        messages: Sequence[Message],
        packet_ids: Sequence[int] | None,
        envelopes: Mapping[str, Envelope],
        *,
        dup: bool,
    ) -> list[bytes]:
        """Raise KeyError where a sender has no envelope yet. One loop: a call a message would cost as much again."""
        first = PUBLISH if packet_ids is None else _QOS_1_AGAIN if dup else _QOS_1
        heads = self._heads[first], self._heads[first | RETAIN if self._retain_available else first]
        identifiers = repeat(b"") if packet_ids is None else map(_TWO_BYTES, packet_ids)
        varyings = self._events.varying(messages) if self._events else repeat(b"")
        join = b"".join
        return [
            join((heads[kept][more + len(message.payload)], topic, identifier, properties, varying, message.payload))
            for message, identifier, varying in zip(messages, identifiers, varyings, strict=False)
            for topic, properties, more, kept in (envelopes[message.source],)
        ]

    def _envelope_of(self, message: Message) -> Envelope:
        topic, retained, trigger = self._topic(message), message.kind in self._retained, message.trigger
        why = user_property(TRIGGER, trigger) if trigger else b""
        if self._events:
            return self._envelope(topic, retained, why + self._events.constant(message.source))
        common = topic, retained, trigger
        if common not in self._common:
            self._common[common] = self._envelope(topic, retained, why)
        return self._common[common]

    def _envelope(self, topic: str, retained: bool, constant: bytes) -> Envelope:
        name, properties = text(topic), self._shared + constant
        varying = _VARYING_BYTES if self._events else 0
        length = varint(len(properties) + varying)
        overhead = len(name) + len(length) + len(properties) + varying
        return name, length + properties, overhead, retained


class Splitter:
    """Splits a byte stream into MQTT frames of at most LONGEST_PACKET bytes; buffers no more than one of them."""

    _puback_bytes = _PUBACK_BYTES

    def __init__(self) -> None:
        self._rest = b""

    @property
    def unfinished(self) -> bytes:
        """What has arrived of a frame that is not complete."""
        return self._rest

    def split(self, data: bytes) -> Iterator[bytes]:
        """Yield every frame that `data` completes; an unfinished one is kept for the next call.

        Raises Violation as soon as a header is malformed, or announces a longer frame.
        """
        buffer = self._rest + data if self._rest else data
        start = 0
        while (end := _frame_end(buffer, start)) is not None:
            yield buffer[start:end]
            start = end
        self._rest = buffer[start:]

    def pubacks(self, data: bytes) -> tuple[Sequence[int], int] | None:
        """Return packet ids and reason code if `data` completes only PUBACKs that differ in nothing else; or None.

        None changes nothing: call `split` then. Under load a read contains hundreds of PUBACKs.
        """
        buffer = self._rest + data if self._rest else data
        size = 2 + buffer[1] if len(buffer) > 1 else 0
        count = len(buffer) // size if size in self._puback_bytes else 0
        end = count * size
        same = (0, 1, *range(4, size))
        if not count or any(buffer[place:end:size] != buffer[place : place + 1] * count for place in same):
            return None
        if buffer[0] != PUBACK or not buffer.startswith(buffer[end : end + 2]) or (size > 5 and buffer[5]):
            return None
        self._rest = buffer[end:]
        ids = bytearray(2 * count)
        ids[0::2], ids[1::2] = buffer[2:end:size], buffer[3:end:size]
        return unpack(f">{count}H", ids), buffer[4] if size > 4 else 0


def _frame_end(buffer: bytes, start: int) -> int | None:
    """Return where the frame at `start` ends, or None while it is incomplete."""
    length = 0
    for place, byte in enumerate(buffer[start + 1 : start + 5]):
        length |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            size = 2 + place + length
            if size > LONGEST_PACKET:
                raise Violation(PACKET_TOO_LARGE, f"sent a packet of {size:,} bytes; our maximum is {LONGEST_PACKET:,}")
            end = start + size
            return end if end <= len(buffer) else None
    if len(buffer) >= start + 5:
        raise Violation(MALFORMED, "sent a remaining length of more than four bytes")
    return None
