"""Answers to commands: a small path beside telemetry, bounded in number and bytes, and counted by itself."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import cycle
from typing import Final

from edge.mqtt.protocol.codec import TextTooLong
from edge.mqtt.protocol.packet_writer import AnswerPacket
from edge.mqtt.publisher import FrameWriter, Limits
from edge.mqtt.session import ANNOUNCEMENT_IDS, REFUSED_FROM

MOST_WAITING: Final = 1000
MOST_BYTES: Final = 1_048_576
FIRST_ID: Final = 17
"""Packet ids of answers are those from here up to those of announcements; those below are of the subscription."""

ACKNOWLEDGED, REFUSED, DROPPED = "acknowledged", "refused", "dropped"


class Answers:
    """Publishes answers at QoS 1 where the broker allows it, and sends those again that a lost connection took.

    counts: answers by outcome; one at QoS 0 counts as acknowledged when it is written.
    """

    def __init__(self) -> None:
        self.counts = Counter(dict.fromkeys((ACKNOWLEDGED, REFUSED, DROPPED), 0))
        self._waiting = deque[AnswerPacket]()
        self._in_flight: dict[int, AnswerPacket] = {}
        self._bytes = 0
        self._wire: FrameWriter | None = None
        self._limits = Limits(window=1)
        self._ids = cycle(range(FIRST_ID, ANNOUNCEMENT_IDS[0]))

    @property
    def pending(self) -> int:
        """How many wait, or are in flight."""
        return len(self._waiting) + len(self._in_flight)

    def open(self, wire: FrameWriter, limits: Limits, *, session_present: bool) -> None:
        """Begin on a connection: send again what is unacknowledged."""
        self._wire, self._limits = wire, limits
        again = list(self._in_flight.items())
        if not self._qos_1:
            self._in_flight.clear()
            self._waiting.extendleft(packet for _, packet in reversed(again))
            return
        for packet_id, packet in again:
            wire.write(packet.frame(packet_id, dup=session_present))

    def close(self) -> None:
        """Write nothing more: the connection is closed."""
        self._wire = None

    def give(
        self,
        topic: str,
        payload: bytes,
        content_type: str,
        correlation: bytes | None,
        expiry: int,
        carrier: Mapping[str, str],
    ) -> None:
        """Have an answer sent, or drop it where too much waits, or it has no packet. carrier: its place in a trace."""
        try:
            packet = AnswerPacket(topic, payload, content_type, correlation, expiry, carrier)
        except TextTooLong:
            self.counts[DROPPED] += 1
            return
        if self.pending >= MOST_WAITING or self._bytes + packet.size > MOST_BYTES:
            self.counts[DROPPED] += 1
            return
        self._bytes += packet.size
        self._waiting.append(packet)
        self.fill()

    def fill(self) -> None:
        """Write as many as the connection and the broker have room for."""
        wire, waiting = self._wire, len(self._waiting)
        while wire is not None and wire.writable and self._waiting and self._has_room:
            packet = self._waiting.popleft()
            if self._limits.frame_bytes is not None and packet.size > self._limits.frame_bytes:
                self._done(DROPPED, packet)
            elif self._qos_1:
                packet_id = next(each for each in self._ids if each not in self._in_flight)
                self._in_flight[packet_id] = packet
                wire.write(packet.frame(packet_id))
            else:
                wire.write(packet.frame(None))
                self._done(ACKNOWLEDGED, packet)
        if wire is not None and len(self._waiting) < waiting:
            wire.push()

    def acknowledged(self, packet_ids: Iterable[int], code: int) -> int:
        """Process PUBACKs; return how many of the ids were in flight."""
        found = [*self._taken(packet_ids)]
        for packet in found:
            self._done(ACKNOWLEDGED if code < REFUSED_FROM else REFUSED, packet)
        return len(found)

    @property
    def _qos_1(self) -> bool:
        return bool(self._limits.answers and self._limits.most_qos)

    @property
    def _has_room(self) -> bool:
        return not self._qos_1 or len(self._in_flight) < self._limits.answers

    def _taken(self, packet_ids: Iterable[int]) -> Iterator[AnswerPacket]:
        return (self._in_flight.pop(each) for each in packet_ids if each in self._in_flight)

    def _done(self, outcome: str, packet: AnswerPacket) -> None:
        self.counts[outcome] += 1
        self._bytes -= packet.size
