"""The bounded queue of messages between plant and broker, and the ledger that accounts for each of them.

The ledger always balances: generated = acknowledged + refused + dropped + queued + in flight. Every figure that is
shown anywhere comes from it. One thread uses both; there are no locks.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from math import inf
from operator import attrgetter
from typing import Final, Protocol

from edge.settings.types import QueuePolicy
from plant.telemetry import Message

TOO_LARGE: Final = "too_large"
NO_TOPIC: Final = "no_topic"
"""Reasons for dropping a message that cannot be sent at all."""
REFUSED: Final = "refused"

_RESTART_SECONDS: Final = 5.0
_DAY_SECONDS: Final = 86_400.0
_kind_of: Final = attrgetter("kind")


def describe_endurance(size: int, policy: QueuePolicy, per_second: float) -> tuple[str, bool]:
    """Describe how long a queue of this size lasts without a broker; return that line, and whether it is too short.

    per_second: messages that the plant emits.  A broker that is restarted, or moved to another node, is away for some
    seconds.
    """
    seconds = size / per_second if per_second else inf
    lasts = f"{float(f'{seconds:.3g}'):.10g}s" if seconds < _DAY_SECONDS else "more than a day"
    short = seconds < _RESTART_SECONDS and policy is not QueuePolicy.BLOCK
    advice = "; a longer outage of the broker loses messages: raise QUEUE_SIZE, or QUEUE_POLICY=block" if short else ""
    figures = f"size={size} rate={per_second:.4g}/s policy={policy}"
    return f"without a broker the queue is full after {lasts}: {figures}{advice}", short


class Ledger:
    """Counts of messages since the start of the process; each message is in exactly one of them, and in `generated`.

    generated: accepted from the plant.  acknowledged: by the broker (at QoS 0: written).
    refused: by PUBACK reason code (>= 0x80, MQTT 5, 3.4.2.1).  dropped: by reason, such as `oldest` or `shutdown`.
    queued, in_flight: waiting now, and sent but not yet acknowledged.
    acknowledged_by_machine: only where somebody asks for it, as it grows with the plant.
    """

    __slots__ = (
        "acknowledged",
        "acknowledged_by_kind",
        "acknowledged_by_machine",
        "dropped",
        "generated",
        "generated_by_kind",
        "in_flight",
        "queued",
        "refused",
    )

    def __init__(self) -> None:
        self.generated = 0
        self.acknowledged = 0
        self.queued = 0
        self.in_flight = 0
        self.refused: Counter[int] = Counter()
        self.dropped: Counter[str] = Counter()
        self.generated_by_kind: Counter[str] = Counter()
        self.acknowledged_by_kind: Counter[str] = Counter()
        self.acknowledged_by_machine: Counter[str] = Counter()

    @property
    def sent(self) -> int:
        """Messages that the broker has acknowledged."""
        return self.acknowledged

    @property
    def failed(self) -> int:
        """Messages that will never be delivered: refused and dropped."""
        return self.refused.total() + self.dropped.total()

    @property
    def pending(self) -> int:
        """Messages that are not done: queued and in flight."""
        return self.queued + self.in_flight

    def abandon(self, reason: str) -> None:
        """Count what is pending as dropped: whoever had it is gone."""
        if self.pending:
            self.dropped[reason] += self.pending
        self.queued = self.in_flight = 0

    def balances(self) -> bool:
        """Return whether every message is counted exactly once."""
        return self.generated == self.sent + self.failed + self.pending and min(self.queued, self.in_flight) >= 0

    def __repr__(self) -> str:
        return (
            f"<Ledger generated={self.generated} acknowledged={self.acknowledged} refused={self.refused.total()} "
            f"dropped={self.dropped.total()} queued={self.queued} in_flight={self.in_flight}>"
        )


class Store(Protocol):
    """What a queue keeps its messages in: a deque, or what is like one."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Message]: ...

    def extend(self, iterable: Iterable[Message], /) -> None:
        """Append messages."""

    def extendleft(self, iterable: Iterable[Message], /) -> None:
        """Put messages at the head, one after the other."""

    def popleft(self) -> Message:
        """Remove and return the oldest message."""

    def clear(self) -> None:
        """Remove all."""


class MessageQueue:
    """A bounded first-in, first-out queue of messages between plant and publisher, which keeps the ledger.

    A message is offered, taken (now in flight), and then acknowledged, refused, discarded or put back.
    size: the most messages that it has.
    on_room: called when the queue was full and no longer is.
    on_overflow: called for each message dropped because the queue was full, with which one it was: `oldest`, `newest`.
    on_acknowledged: called with messages that the broker has acknowledged.
    on_failed: called with messages that will never be delivered, and why: dropped for a reason, or `refused`.
    store: where it keeps them; a deque unless messages are to be taken in another order than theirs.
    """

    def __init__(
        self,
        size: int,
        policy: QueuePolicy = QueuePolicy.DROP_OLDEST,
        ledger: Ledger | None = None,
        *,
        on_room: Callable[[], None] = lambda: None,
        on_overflow: Callable[[str], None] = lambda _what: None,
        on_acknowledged: Callable[[Sequence[Message]], None] = lambda _messages: None,
        on_failed: Callable[[Sequence[Message], str], None] = lambda _messages, _why: None,
        store: Store | None = None,
    ) -> None:
        self.size = size
        self.policy = policy
        self.ledger = ledger or Ledger()
        self._on_message: Callable[[], None] | None = None
        self._on_room, self._on_overflow, self._on_acknowledged = on_room, on_overflow, on_acknowledged
        self._on_failed = on_failed
        self._queue: Store = deque() if store is None else store
        # Chosen once: a full queue stays full for a while, and each message then gets here.
        self._when_full = {
            QueuePolicy.DROP_OLDEST: self._drop_oldest,
            QueuePolicy.DROP_NEWEST: self._drop_newest,
            QueuePolicy.BLOCK: self._block,
        }[policy]

    def __len__(self) -> int:
        return len(self._queue)

    def __repr__(self) -> str:
        return f"<MessageQueue {len(self)} of {self.size}, {self.policy}>"

    def connect_consumer(self, on_message: Callable[[], None]) -> None:
        """Register the one consumer: `on_message` is called when the queue was empty and no longer is."""
        if self._on_message is not None:
            raise ValueError("the queue has a consumer")
        self._on_message = on_message

    @property
    def room(self) -> int:
        """How many messages the queue accepts before its policy applies."""
        return max(0, self.size - len(self._queue))

    def offer(self, *messages: Message) -> int:
        """Queue new messages; return how many were accepted. With `block` the rest is neither queued nor counted."""
        room = self.room
        self._append(messages[:room])
        for place in range(room, len(messages)):
            if not self._when_full(messages[place]):
                return place
        return len(messages)

    def take(self, most: int, busy: set[str] | None = None) -> list[Message]:
        """Return the oldest messages, up to `most`; from now on they are in flight.

        busy: sources with a message in flight. The result ends before the first message of such a source, and the
        sources of the returned messages are added to it.
        """
        queue = self._queue
        count = min(most, len(queue)) if busy is None else count_not_busy(queue, most, busy)
        taken = [queue.popleft() for _ in range(count)]
        self.count_taken(count)
        return taken

    def count_taken(self, count: int) -> None:
        """Count messages that were removed from the store as in flight."""
        self.ledger.queued -= count
        self.ledger.in_flight += count
        self._notify_room(len(self._queue) + count)

    def put_back(self, *messages: Message) -> None:
        """Move messages in flight to the head of the queue again, in the order in which they were taken.

        The queue may then exceed its size by the window: a message that was once sent is not dropped for that.
        """
        was_empty = not self._queue
        self._queue.extendleft(reversed(messages))
        self.count_put_back(len(messages))
        if was_empty and messages and self._on_message:
            self._on_message()

    def count_put_back(self, count: int) -> None:
        """Count messages in flight that were put back into the store as queued."""
        self.ledger.in_flight -= count
        self.ledger.queued += count

    def acknowledged(self, *messages: Message) -> None:
        """Count these messages in flight as acknowledged."""
        ledger, count = self.ledger, len(messages)
        ledger.in_flight -= count
        ledger.acknowledged += count
        ledger.acknowledged_by_kind.update(map(_kind_of, messages))
        self._on_acknowledged(messages)

    def refused(self, message: Message, code: int) -> None:
        """Count this message in flight as refused, with a PUBACK reason code."""
        self.ledger.in_flight -= 1
        self.ledger.refused[code] += 1
        self._on_failed((message,), REFUSED)

    def discard(self, message: Message, reason: str) -> None:
        """Count this message in flight as dropped."""
        self.ledger.in_flight -= 1
        self.ledger.dropped[reason] += 1
        self._on_failed((message,), reason)

    def take_over(self, messages: Sequence[Message]) -> None:
        """Queue the last messages, whether there is room or not."""
        self._append(messages)

    def drop_all(self, reason: str) -> int:
        """Drop everything queued; return how many messages that was."""
        count = len(self._queue)
        if count:
            self._on_failed(tuple(self._queue), reason)
            self._queue.clear()
            self.ledger.queued = 0
            self.ledger.dropped[reason] += count
            self._notify_room(count)
        return count

    def _append(self, messages: Sequence[Message]) -> None:
        was_empty = not self._queue
        self._count(messages)
        self.ledger.queued += len(messages)
        self._queue.extend(messages)
        # Only the first wakes the consumer: it continues by itself until the queue is empty.
        if was_empty and messages and self._on_message:
            self._on_message()

    def _count(self, messages: Sequence[Message]) -> None:
        self.ledger.generated += len(messages)
        self.ledger.generated_by_kind.update(map(_kind_of, messages))

    def _notify_room(self, length_before: int) -> None:
        if length_before >= self.size > len(self._queue):
            self._on_room()

    def _drop_oldest(self, message: Message) -> bool:
        # One for one: a queue that is longer than its size, by messages put back, is not shortened to it.
        self._append((message,))
        oldest = self._queue.popleft()
        self.ledger.queued -= 1
        self._overflow(oldest, "oldest")
        return True

    def _drop_newest(self, message: Message) -> bool:
        self._count((message,))
        self._overflow(message, "newest")
        return True

    def _overflow(self, message: Message, what: str) -> None:
        self.ledger.dropped[what] += 1
        self._on_overflow(what)
        self._on_failed((message,), what)

    def _block(self, message: Message) -> bool:  # noqa: ARG002 - one signature for all policies
        return False


def count_not_busy(messages: Iterable[Message], most: int, busy: set[str]) -> int:
    """Return how many of the first can be taken, up to `most`; their sources are busy then."""
    count = 0
    for message in islice(messages, most):
        if message.source in busy:
            break
        busy.add(message.source)
        count += 1
    return count
