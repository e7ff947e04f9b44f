"""From the outbox to the broker and back: the window, packet ids, acknowledgements, sending again.

This is the one owner of retries. What was sent and not acknowledged is sent again after a reconnect, in order, before
anything new (MQTT 5, 4.4). A machine has at most one message in flight, so whatever the broker refuses for the moment
(PUBACK 0x97) and gets later, no machine's rows overtake one another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge.outbox import Outbox
from edge.session import FIRST_OWN_ID, LAST_OWN_ID
from edge.topics import TopicError
from plant.telemetry import Message

REFUSED_FROM = 0x80
QUOTA_EXCEEDED = 0x97
TOO_LARGE, NO_TOPIC = "too_large", "no_topic"
_SLOW_FIRST_SECONDS, _SLOW_MOST_SECONDS = 0.25, 15.0


class Encodes(Protocol):
    """Makes the PUBLISH frame of a message; packet id None means QoS 0."""

    retain_available: bool

    def frame(self, message: Message, packet_id: int | None, *, dup: bool = False) -> bytes:
        """The frame as bytes."""


class Wire(Protocol):
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


@dataclass(slots=True)
class _Sent:
    """A message that was handed to the wire under a packet id, and in which connection."""

    message: Message
    connection: int


class Delivery:
    """Sends what the outbox holds as fast as the broker allows.

    clock: seconds, monotonic.  on_refused: told of each message the broker refuses for good, with the reason code.
    """

    def __init__(
        self,
        outbox: Outbox,
        encoder: Encodes,
        clock: Callable[[], float],
        on_refused: Callable[[Message, int], None] = lambda _message, _code: None,
    ) -> None:
        self.progress_at = clock()
        self.last_acknowledgement: float | None = None
        self._outbox, self._encoder, self._clock, self._on_refused = outbox, encoder, clock, on_refused
        self._wire: Wire | None = None
        self._limits = Limits(window=1)
        self._in_flight: dict[int, _Sent] = {}
        self._busy: set[str] = set()
        self._again: deque[int] = deque()
        self._next_id = FIRST_OWN_ID
        self._connection = 0
        self._resend_as_duplicate = False
        self._slow = 0.0
        self._pause: asyncio.TimerHandle | None = None
        self._waking = False
        outbox.on_message = self._wake

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is in flight."""
        return not self._in_flight and not len(self._outbox)

    @property
    def waiting_seconds(self) -> float:
        """For how long acknowledgements have been due and none has come; 0 when none is due."""
        outstanding = len(self._in_flight) - len(self._again)
        return self._clock() - self.progress_at if self._wire and outstanding else 0.0

    def open(self, wire: Wire, limits: Limits, *, session_present: bool) -> None:
        """A connection is up: send again what is unacknowledged, then what waits."""
        self._wire, self._limits = wire, limits
        self._encoder.retain_available = limits.retain
        self._connection += 1
        self._again = deque(self._in_flight)
        self._resend_as_duplicate = session_present
        self.progress_at = self._clock()
        self.fill()

    def close(self) -> None:
        """The connection is gone; what is in flight stays so until it is sent again."""
        self._wire = None
        self._again.clear()

    def fill(self) -> None:
        """Write as many frames as window, order and the wire's buffer allow, in one go."""
        if self._wire is None or self._pause is not None or not self._wire.writable:
            return
        if len(self._in_flight) == len(self._again):
            self.progress_at = self._clock()
        frames = [*self._resend(), *self._send_new()]
        if frames:
            self._wire.write(b"".join(frames))
        if not self._limits.qos and len(self._outbox):
            self._wake()

    def acknowledged(self, packet_id: int, code: int) -> None:
        """The broker answered for `packet_id` (MQTT 5, 3.4). Call `fill` after the last of a batch."""
        sent = self._in_flight.get(packet_id)
        if sent is None or sent.connection != self._connection:
            return
        del self._in_flight[packet_id]
        self._busy.discard(sent.message.source)
        self.progress_at = self.last_acknowledgement = self._clock()
        if code < REFUSED_FROM:
            self._slow = 0.0
            self._outbox.acknowledged(sent.message)
        elif code == QUOTA_EXCEEDED:
            self._outbox.put_back(sent.message)
            self._slow_down()
        else:
            self._outbox.refused(sent.message, code)
            self._on_refused(sent.message, code)

    def abandon(self, reason: str) -> None:
        """Give up what is in flight and what waits; each is counted as dropped for `reason`."""
        for sent in self._in_flight.values():
            self._outbox.discard(sent.message, reason)
        self._in_flight.clear()
        self._busy.clear()
        self._again.clear()
        self._outbox.drop_all(reason)

    def _resend(self) -> list[bytes]:
        """The frames of the former connection, under their own packet ids (MQTT 5, 4.4)."""
        frames: list[bytes] = []
        while self._again and len(self._in_flight) - len(self._again) < self._limits.window:
            packet_id = self._again.popleft()
            sent = self._in_flight[packet_id]
            sent.connection = self._connection
            frame = self._encode(sent.message, packet_id, dup=self._resend_as_duplicate)
            if frame is None or not self._limits.qos:
                del self._in_flight[packet_id]
                self._busy.discard(sent.message.source)
            if frame is not None:
                frames.append(frame)
        return frames

    def _send_new(self) -> list[bytes]:
        """Frames of new messages, up to the window, stopping where a machine's earlier one is still in flight.

        At QoS 0 nothing is ever in flight; the window then bounds what is written before the wire is looked at again.
        """
        frames: list[bytes] = []
        while not self._again and max(len(self._in_flight), len(frames)) < self._limits.window:
            message = self._outbox.peek()
            if message is None or message.source in self._busy:
                break
            self._outbox.take()
            packet_id = self._claim_id()
            frame = self._encode(message, packet_id)
            if frame is None:
                continue
            frames.append(frame)
            if self._limits.qos:
                self._in_flight[packet_id] = _Sent(message, self._connection)
                self._busy.add(message.source)
        return frames

    def _encode(self, message: Message, packet_id: int, *, dup: bool = False) -> bytes | None:
        """The frame, or None where this message cannot be sent: then it has been counted as dropped."""
        try:
            frame = self._encoder.frame(message, packet_id if self._limits.qos else None, dup=dup)
        except TopicError:
            self._outbox.discard(message, NO_TOPIC)
            return None
        if self._limits.frame_bytes is not None and len(frame) > self._limits.frame_bytes:
            self._outbox.discard(message, TOO_LARGE)
            return None
        if not self._limits.qos:
            self._outbox.acknowledged(message)
        return frame

    def _claim_id(self) -> int:
        """The next packet id that is not in flight."""
        while self._next_id in self._in_flight:
            self._step_id()
        claimed = self._next_id
        self._step_id()
        return claimed

    def _step_id(self) -> None:
        self._next_id = self._next_id + 1 if self._next_id < LAST_OWN_ID else FIRST_OWN_ID

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
