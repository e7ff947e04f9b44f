"""Publishing from the queue: the window, packet ids, acknowledgements, resending.

Retries happen nowhere else. What was sent and not acknowledged is sent again after a reconnect, in order, before
anything new (MQTT 5, 4.4). A machine has at most one message in flight, so that the order of its messages stays, even
where the broker refuses one for now (PUBACK 0x97) and gets it later.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, filterfalse, groupby, islice, repeat
from math import inf
from operator import attrgetter
from types import MappingProxyType
from typing import Final, Protocol

from edge.delivery.queue import NO_TOPIC, TOO_LARGE, Ledger
from edge.mqtt.protocol.codec import TextTooLong
from edge.mqtt.protocol.reason_codes import Outcome, Packet, name_of, outcome
from edge.mqtt.session import FIRST_OWN_ID, LAST_OWN_ID, REFUSED_FROM
from edge.routing import TopicError
from plant.telemetry import Message

LONGEST_FRAME: Final = 268_435_460
"""Bytes of the longest packet that MQTT allows (MQTT 5, 1.5.5 and 2.1.4)."""
_source_of: Final = attrgetter("source")
_BLOCKED_SECONDS = 10.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 15.0


class FrameEncoder(Protocol):
    """Encodes messages as PUBLISH frames; no packet ids mean QoS 0."""

    def follow_limits(self, *, retain: bool, frame_bytes: int | None = None) -> None:
        """Set whether the broker keeps retained messages, and its Maximum Packet Size, if it has one."""

    def frames(
        self, messages: Sequence[Message], packet_ids: Sequence[int] | None, *, dup: bool = False
    ) -> list[bytes]:
        """Return a frame for each message; raise TopicError or TextTooLong where one has none."""


class MessageSource(Protocol):
    """Where messages come from: the queue, or what a queue has for one machine."""

    @property
    def ledger(self) -> Ledger:
        """The ledger of the queue."""

    def __len__(self) -> int: ...

    def connect_consumer(self, on_message: Callable[[], None]) -> None:
        """Register the one consumer: called when there was no message and now is."""

    def take(self, most: int, busy: set[str] | None = None) -> list[Message]:
        """Return the oldest messages, up to `most`, which are in flight then; see MessageQueue."""

    def put_back(self, *messages: Message) -> None:
        """Move messages in flight to the head again."""

    def acknowledged(self, *messages: Message) -> None:
        """Count these messages in flight as acknowledged."""

    def refused(self, message: Message, code: int) -> None:
        """Count this message in flight as refused, with a PUBACK reason code."""

    def discard(self, message: Message, reason: str) -> None:
        """Count this message in flight as dropped."""

    def drop_all(self, reason: str) -> int:
        """Drop everything that waits; return how many messages that was."""


class _Unsendable(Exception):
    """A message among several cannot be sent; the text says why.  reason: for the ledger."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


class FrameWriter(Protocol):
    """Writes frames to a connection."""

    writable: bool

    def write(self, data: bytes) -> None:
        """Send whole frames."""

    def push(self) -> None:
        """Hold back nothing that was written, for the sake of fuller segments."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The server's limits, from CONNACK (MQTT 5, 3.2.2.3).

    window: messages that may be unacknowledged.  qos: 0 or 1, of kinds that have none of their own.
    most_qos: the highest that the server accepts, 0 or 1.  frame_bytes: its Maximum Packet Size, or None.
    retain: whether it keeps retained messages.  answers: answers to commands that may be unacknowledged besides.
    announcements: messages about the state of a machine's connection that may be, too.
    """

    window: int
    qos: int = 1
    frame_bytes: int | None = None
    retain: bool = True
    most_qos: int = 1
    answers: int = 0
    announcements: int = 0


class Publisher:
    """Publishes the messages of a queue as fast as the broker allows.

    clock: seconds, monotonic.  qos: quality of service by kind, where a kind has one of its own; it may change.
    on_refused: called for each message that the broker refuses, with the reason code.
    on_deferred: called for a message that the broker accepts only later, with the reason code.
    on_unsendable: called for each message that cannot be sent, with the reason for the ledger, and a text.
    """

    def __init__(
        self,
        queue: MessageSource,
        encoder: FrameEncoder,
        clock: Callable[[], float],
        on_refused: Callable[[Message, int], None] = lambda _message, _code: None,
        on_unsendable: Callable[[Message, str, str], None] = lambda _message, _reason, _why: None,
        on_deferred: Callable[[Message, int], None] = lambda _message, _code: None,
        qos: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.progress_at = clock()
        self._blocked: tuple[float, str] | None = None
        self.last_acknowledgement: float | None = None
        self._queue, self._encoder, self._clock, self._qos = queue, encoder, clock, qos
        self._on_refused, self._on_unsendable, self._on_deferred = on_refused, on_unsendable, on_deferred
        self.acknowledged_count = 0  # by the broker, on this connection or the last one
        self._wire: FrameWriter | None = None
        self._limits = Limits(window=1)
        self._in_flight: dict[int, Message] = {}
        self._again: deque[tuple[int, Message]] = deque()
        self._busy: set[str] = set()
        all_ids_in_turn = chain.from_iterable(repeat(range(FIRST_OWN_ID, LAST_OWN_ID + 1)))
        self._free_ids = filterfalse(self._in_flight.__contains__, all_ids_in_turn)
        self._resend_as_duplicate = self._waking = False
        self._pause_seconds = 0.0
        self._pause: asyncio.TimerHandle | None = None
        queue.connect_consumer(self._wake)

    @property
    def ledger(self) -> Ledger:
        """The ledger of the queue."""
        return self._queue.ledger

    @property
    def blocked(self) -> str | None:
        """Why no message has been acknowledged on this connection, if none has for ten seconds."""
        since, why = self._blocked or (inf, None)
        return why if self._clock() - since >= _BLOCKED_SECONDS else None

    @property
    def idle(self) -> bool:
        """Whether nothing is queued and nothing is in flight."""
        return not self._in_flight and not self._again and not len(self._queue)

    @property
    def waiting_seconds(self) -> float:
        """Seconds for which acknowledgements have been due and none has arrived; 0 when none is due."""
        return self._clock() - self.progress_at if self._wire and self._in_flight else 0.0

    def open(self, wire: FrameWriter, limits: Limits, *, session_present: bool) -> None:
        """Start on a connection: send again what is unacknowledged, then what is queued."""
        self._wire, self._limits = wire, limits
        self._encoder.follow_limits(retain=limits.retain, frame_bytes=limits.frame_bytes)
        self._blocked, self.acknowledged_count = None, 0
        self._mark_for_resend()
        self._resend_as_duplicate = session_present
        self.progress_at = self._clock()
        self.fill()

    def close(self) -> None:
        """Stop: the connection is closed. What is in flight stays so until it is sent again."""
        self._wire = None
        self._mark_for_resend()

    def fill(self) -> None:
        """Write as many frames as window, order and the connection's buffer allow, in one write.

        At QoS 0 nothing stays in flight; the window then limits how much is written before the buffer is checked again.
        """
        if self._wire is None or self._pause is not None or not self._wire.writable:
            return
        if not self._in_flight:
            self.progress_at = self._clock()
        frames: list[bytes] = []
        while self._again and (resent := self._take_for_resend()):
            packet_ids, messages = zip(*resent, strict=True)
            frames += self._frames(packet_ids, messages, dup=self._resend_as_duplicate)
        while len(frames) < self._limits.window and len(self._queue) and (new := self._take_new()):
            frames += self._frames(list(islice(self._free_ids, len(new))), new)
        if frames:
            self._wire.write(b"".join(frames))
        if len(frames) >= self._limits.window > len(self._in_flight) and len(self._queue):
            self._wake()

    def acknowledged(self, packet_ids: Iterable[int], code: int) -> int:
        """Process PUBACKs with the same reason code (MQTT 5, 3.4); return how many of the ids were in flight.

        Call `fill` after the last of a batch.
        """
        messages = self._remove_from_flight(packet_ids)
        if not messages:
            return 0
        self.progress_at = self.last_acknowledgement = self._clock()
        if code < REFUSED_FROM:
            self._pause_seconds, self._blocked = 0.0, None
            self._count_acknowledged(messages)
        elif outcome(Packet.PUBACK, code) is Outcome.WAIT:
            self._queue.put_back(*messages)
            self._on_deferred(messages[0], code)
            self._note_blocked(f"the broker defers every message: {name_of(code)}")
            self._pause_publishing()
        else:
            for message in messages:
                self._queue.refused(message, code)
                self._on_refused(message, code)
            self._note_blocked(f"the broker refuses every message: {name_of(code)}")
        return len(messages)

    def abandon(self, reason: str) -> None:
        """Drop what is in flight and what is queued, counted under `reason`."""
        for message in self.give_up():
            self._queue.discard(message, reason)
        self._queue.drop_all(reason)

    def give_up(self) -> list[Message]:
        """Return what is in flight, oldest first, of which this publisher knows nothing any more."""
        self._mark_for_resend()
        messages = [message for _, message in self._again]
        self._again.clear()
        self._busy.clear()
        return messages

    def _remove_from_flight(self, packet_ids: Iterable[int]) -> list[Message]:
        """Return the messages in flight with these ids, which no longer are; their sources may send again."""
        messages = [message for message in map(self._in_flight.pop, packet_ids, repeat(None)) if message is not None]
        self._busy.difference_update(map(_source_of, messages))
        return messages

    def _mark_for_resend(self) -> None:
        """Mark what is in flight to be sent again, before what already is marked, which is younger."""
        self._again.extendleft(reversed(self._in_flight.items()))
        self._in_flight.clear()

    def _take_for_resend(self) -> list[tuple[int, Message]]:
        """Return messages of an earlier connection, with their packet ids (MQTT 5, 4.4)."""
        room = min(self._limits.window - len(self._in_flight), len(self._again))
        return [self._again.popleft() for _ in range(room)]

    def _take_new(self) -> list[Message]:
        """Return new messages, up to the window, ending where a machine's earlier one is still in flight."""
        room = self._limits.window - len(self._in_flight)
        # A write costs as much as fifty frames, so it waits until a quarter of the window is free: the broker has the
        # rest, and its acknowledgements will free it.
        if self._again or room <= 0 or room < self._limits.window // 4:
            return []
        return self._queue.take(room, self._busy if self._limits.qos or self._qos else None)

    def _frames(self, packet_ids: Sequence[int], messages: Sequence[Message], *, dup: bool = False) -> list[bytes]:
        """Return the frames; the messages are in flight now, or done at QoS 0. Drop those that cannot be sent."""
        if not self._qos:
            return self._frames_at(self._limits.qos, packet_ids, messages, dup=dup)
        frames: list[bytes] = []
        pairs = zip(packet_ids, messages, strict=True)
        for qos, run in groupby(pairs, lambda each: self._qos_of(each[1])):
            ids, alike = zip(*run, strict=True)
            frames += self._frames_at(qos, ids, alike, dup=dup)
        return frames

    def _qos_of(self, message: Message) -> int:
        return min(self._qos.get(message.kind, self._limits.qos), self._limits.most_qos)

    def _frames_at(self, qos: int, packet_ids: Sequence[int], messages: Sequence[Message], *, dup: bool) -> list[bytes]:
        self._in_flight.update(zip(packet_ids, messages, strict=True))
        try:
            frames = self._encode(qos, packet_ids, messages, dup=dup)
        except _Unsendable:
            each = zip(packet_ids, messages, strict=True)
            frames = [frame for one in each for frame in self._frame_of_one(qos, *one, dup=dup)]
        if not qos:
            self._count_acknowledged(self._remove_from_flight(packet_ids))
        return frames

    def _count_acknowledged(self, messages: Sequence[Message]) -> None:
        self.acknowledged_count += len(messages)
        self._queue.acknowledged(*messages)

    def _frame_of_one(self, qos: int, packet_id: int, message: Message, *, dup: bool) -> list[bytes]:
        """Return the message's frame; drop the message if it has none."""
        try:
            return self._encode(qos, [packet_id], [message], dup=dup)
        except _Unsendable as unsendable:
            self._drop_unsendable(packet_id, unsendable)
            return []

    def _encode(self, qos: int, packet_ids: Sequence[int], messages: Sequence[Message], *, dup: bool) -> list[bytes]:
        try:
            frames = self._encoder.frames(messages, packet_ids if qos else None, dup=dup)
        except TopicError as error:
            raise _Unsendable(NO_TOPIC, str(error)) from None
        except TextTooLong as error:
            raise _Unsendable(TOO_LARGE, str(error)) from None
        if (longest := max(map(len, frames))) > (most := self._limits.frame_bytes or LONGEST_FRAME):
            raise _Unsendable(TOO_LARGE, f"{longest:,} bytes; the broker's Maximum Packet Size is {most:,}")
        return frames

    def _drop_unsendable(self, packet_id: int, unsendable: _Unsendable) -> None:
        for message in self._remove_from_flight([packet_id]):
            self._queue.discard(message, unsendable.reason)
            self._on_unsendable(message, unsendable.reason, str(unsendable))
        self._note_blocked(f"no message can be sent: {unsendable}")

    def _note_blocked(self, why: str) -> None:
        """Note why a message was not acknowledged, as long as none has been on this connection."""
        if not self.acknowledged_count:
            self._blocked = self._blocked[0] if self._blocked else self._clock(), why

    def _wake(self) -> None:
        """Fill after this turn of the loop, so that a burst of messages leaves in one write."""
        if not self._waking and self._wire is not None:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._fill_now)

    def _fill_now(self) -> None:
        self._waking = False
        self.fill()

    def _pause_publishing(self) -> None:
        """Publish nothing for a while, twice as long each time until a message is accepted again."""
        if self._pause is not None:
            return
        self._pause_seconds = min(self._pause_seconds * 2 or _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
        self._pause = asyncio.get_running_loop().call_later(self._pause_seconds, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self.fill()
