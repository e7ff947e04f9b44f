"""From the outbox to the broker and back: the window, packet ids, acknowledgements, sending again.

This is the one owner of retries. What was sent and not acknowledged is sent again after a reconnect, in order, before
anything new (MQTT 5, 4.4). A machine has at most one message in flight, so whatever the broker refuses for the moment
(PUBACK 0x97) and gets later, no machine's rows overtake one another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, filterfalse, islice, repeat
from math import inf
from operator import attrgetter
from typing import Final, Protocol

from edge.delivery.queue import NO_TOPIC, TOO_LARGE, Ledger, MessageQueue
from edge.mqtt.protocol.codec import TextTooLong
from edge.mqtt.protocol.reason_codes import Outcome, Packet, name_of, outcome
from edge.mqtt.session import FIRST_OWN_ID, LAST_OWN_ID, REFUSED_FROM
from edge.routing import TopicError
from plant.telemetry import Message

LONGEST_FRAME: Final = 268_435_460
"""Bytes of the longest packet there can be (MQTT 5, 1.5.5 and 2.1.4)."""
_source_of: Final = attrgetter("source")
_BLOCKED_SECONDS = 10.0
_SLOW_FIRST_SECONDS, _SLOW_MOST_SECONDS = 0.25, 15.0


class FrameEncoder(Protocol):
    """Makes the PUBLISH frames of messages; no packet ids mean QoS 0."""

    retain_available: bool

    def frames(
        self, messages: Sequence[Message], packet_ids: Sequence[int] | None, *, dup: bool = False
    ) -> list[bytes]:
        """A frame for each message; TopicError where one has no topic, TextTooLong where its frame would be none."""


class _Unsendable(Exception):
    """Among some messages there is one that cannot be sent: the reason that the ledger counts, and why in words."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


class FrameWriter(Protocol):
    """Where frames go."""

    writable: bool

    def write(self, data: bytes) -> None:
        """Send whole frames."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server allows, from CONNACK (MQTT 5, 3.2.2.3).

    window: messages that may be unacknowledged.  qos: 0 or 1.  frame_bytes: the longest packet it takes, or None.
    retain: whether it keeps retained messages.
    """

    window: int
    qos: int = 1
    frame_bytes: int | None = None
    retain: bool = True


class Publisher:
    """Sends what the outbox holds as fast as the broker allows.

    clock: seconds, monotonic.  on_refused: told of each message the broker refuses for good, with the reason code.
    on_deferred: told of a message that the broker wants later, with the reason code.
    on_unsendable: told of each message that cannot be sent, with the reason that the ledger counts and why in words.
    """

    def __init__(
        self,
        outbox: MessageQueue,
        encoder: FrameEncoder,
        clock: Callable[[], float],
        on_refused: Callable[[Message, int], None] = lambda _message, _code: None,
        on_unsendable: Callable[[Message, str, str], None] = lambda _message, _reason, _why: None,
        on_deferred: Callable[[Message, int], None] = lambda _message, _code: None,
    ) -> None:
        self.progress_at = clock()
        self._blocked: tuple[float, str] | None = None
        self.last_acknowledgement: float | None = None
        self._outbox, self._encoder, self._clock = outbox, encoder, clock
        self._on_refused, self._on_unsendable, self._on_deferred = on_refused, on_unsendable, on_deferred
        self._taken_before = 0
        self._wire: FrameWriter | None = None
        self._limits = Limits(window=1)
        self._in_flight: dict[int, Message] = {}
        self._again: deque[tuple[int, Message]] = deque()
        self._busy: set[str] = set()
        all_ids_in_turn = chain.from_iterable(repeat(range(FIRST_OWN_ID, LAST_OWN_ID + 1)))
        self._free_ids = filterfalse(self._in_flight.__contains__, all_ids_in_turn)
        self._resend_as_duplicate = False
        self._slow = 0.0
        self._pause: asyncio.TimerHandle | None = None
        self._waking = False
        outbox.on_message = self._wake

    @property
    def ledger(self) -> Ledger:
        """What became of each message."""
        return self._outbox.ledger

    @property
    def taken(self) -> int:
        """How many messages the broker has taken on this connection, or on the last one."""
        return self.ledger.acknowledged - self._taken_before

    @property
    def blocked(self) -> str | None:
        """Why no message has got through on this connection, where that has been so for ten seconds."""
        since, why = self._blocked or (inf, None)
        return why if self._clock() - since >= _BLOCKED_SECONDS else None

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is in flight."""
        return not self._in_flight and not self._again and not len(self._outbox)

    @property
    def waiting_seconds(self) -> float:
        """For how long acknowledgements have been due and none has come; 0 when none is due."""
        return self._clock() - self.progress_at if self._wire and self._in_flight else 0.0

    def open(self, wire: FrameWriter, limits: Limits, *, session_present: bool) -> None:
        """A connection is up: send again what is unacknowledged, then what waits."""
        self._wire, self._limits = wire, limits
        self._encoder.retain_available = limits.retain
        self._blocked, self._taken_before = None, self.ledger.acknowledged
        self._unanswered()
        self._resend_as_duplicate = session_present
        self.progress_at = self._clock()
        self.fill()

    def close(self) -> None:
        """The connection is gone; what is in flight stays so until it is sent again."""
        self._wire = None
        self._unanswered()

    def fill(self) -> None:
        """Write as many frames as window, order and the wire's buffer allow, in one go.

        At QoS 0 nothing stays in flight; the window then bounds what is written before the wire is looked at again.
        """
        if self._wire is None or self._pause is not None or not self._wire.writable:
            return
        if not self._in_flight:
            self.progress_at = self._clock()
        frames: list[bytes] = []
        while sending := self._once_more():
            packet_ids, messages = zip(*sending, strict=True)
            frames += self._frames(packet_ids, messages, dup=self._resend_as_duplicate)
        while len(frames) < self._limits.window and (fresh := self._new()):
            frames += self._frames(list(islice(self._free_ids, len(fresh))), fresh)
        if frames:
            self._wire.write(b"".join(frames))
        if not self._limits.qos and len(self._outbox):
            self._wake()

    def acknowledged(self, packet_ids: Iterable[int], code: int) -> int:
        """The broker answered all these packet ids alike (MQTT 5, 3.4); how many of them were in flight.

        Call `fill` after the last of a batch.
        """
        messages = self._settled(packet_ids)
        if not messages:
            return 0
        self.progress_at = self.last_acknowledgement = self._clock()
        if code < REFUSED_FROM:
            self._slow, self._blocked = 0.0, None
            self._outbox.acknowledged(*messages)
        elif outcome(Packet.PUBACK, code) is Outcome.WAIT:
            self._outbox.put_back(*messages)
            self._on_deferred(messages[0], code)
            self._nothing_taken(f"the broker defers every message: {name_of(code)}")
            self._slow_down()
        else:
            for message in messages:
                self._outbox.refused(message, code)
                self._on_refused(message, code)
            self._nothing_taken(f"the broker refuses every message: {name_of(code)}")
        return len(messages)

    def abandon(self, reason: str) -> None:
        """Give up what is in flight and what waits; each is counted as dropped for `reason`."""
        self._unanswered()
        for _, message in self._again:
            self._outbox.discard(message, reason)
        self._again.clear()
        self._busy.clear()
        self._outbox.drop_all(reason)

    def _settled(self, packet_ids: Iterable[int]) -> list[Message]:
        """Take from flight what went under these ids in this connection; its sources may send again."""
        messages = [message for message in map(self._in_flight.pop, packet_ids, repeat(None)) if message is not None]
        self._busy.difference_update(map(_source_of, messages))
        return messages

    def _unanswered(self) -> None:
        """What is in flight has to be sent again, before what already had to: that is younger."""
        self._again.extendleft(reversed(self._in_flight.items()))
        self._in_flight.clear()

    def _once_more(self) -> list[tuple[int, Message]]:
        """Messages of a former connection, with their own packet ids (MQTT 5, 4.4)."""
        room = min(self._limits.window - len(self._in_flight), len(self._again))
        return [self._again.popleft() for _ in range(room)]

    def _new(self) -> list[Message]:
        """New messages, up to the window, stopping where a machine's earlier one is still in flight."""
        room = self._limits.window - len(self._in_flight)
        # A write costs as much as fifty frames, so it waits until a quarter of the window can go: the rest is with the
        # broker, whose answers will make the room.
        if self._again or room <= 0 or room < self._limits.window // 4:
            return []
        return self._outbox.take(room, self._busy if self._limits.qos else None)

    def _frames(self, packet_ids: Sequence[int], messages: Sequence[Message], *, dup: bool = False) -> list[bytes]:
        """Their frames; from here on they are in flight, or done at QoS 0. What cannot be sent counts as dropped."""
        self._in_flight.update(zip(packet_ids, messages, strict=True))
        try:
            frames = self._encoded(packet_ids, messages, dup=dup)
        except _Unsendable:
            each = zip(packet_ids, messages, strict=True)
            frames = [frame for packet_id, message in each for frame in self._alone(packet_id, message, dup=dup)]
        if not self._limits.qos:
            self._outbox.acknowledged(*self._settled(packet_ids))
        return frames

    def _alone(self, packet_id: int, message: Message, *, dup: bool) -> list[bytes]:
        """The message's frame, if it can be sent."""
        try:
            return self._encoded([packet_id], [message], dup=dup)
        except _Unsendable as unsendable:
            self._give_up(packet_id, unsendable)
            return []

    def _encoded(self, packet_ids: Sequence[int], messages: Sequence[Message], *, dup: bool) -> list[bytes]:
        try:
            frames = self._encoder.frames(messages, packet_ids if self._limits.qos else None, dup=dup)
        except TopicError as error:
            raise _Unsendable(NO_TOPIC, str(error)) from None
        except TextTooLong as error:
            raise _Unsendable(TOO_LARGE, str(error)) from None
        if (longest := max(map(len, frames))) > (most := self._limits.frame_bytes or LONGEST_FRAME):
            raise _Unsendable(TOO_LARGE, f"{longest:,} bytes; the broker's Maximum Packet Size is {most:,}")
        return frames

    def _give_up(self, packet_id: int, unsendable: _Unsendable) -> None:
        for message in self._settled([packet_id]):
            self._outbox.discard(message, unsendable.reason)
            self._on_unsendable(message, unsendable.reason, str(unsendable))
        self._nothing_taken(f"no message can be sent: {unsendable}")

    def _nothing_taken(self, why: str) -> None:
        """A message did not get through: say so, as long as none has on this connection."""
        if not self.taken:
            self._blocked = self._blocked[0] if self._blocked else self._clock(), why

    def _wake(self) -> None:
        """Fill once this turn of the loop is over, so that a burst of messages leaves in one write."""
        if not self._waking and self._wire is not None:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._woken)

    def _woken(self) -> None:
        self._waking = False
        self.fill()

    def _slow_down(self) -> None:
        """Send nothing for a while, twice as long each time until something is accepted again."""
        if self._pause is not None:
            return
        self._slow = min(self._slow * 2 or _SLOW_FIRST_SECONDS, _SLOW_MOST_SECONDS)
        self._pause = asyncio.get_running_loop().call_later(self._slow, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self.fill()
