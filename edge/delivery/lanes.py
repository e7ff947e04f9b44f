"""A queue in which each machine has a lane: what one machine has not sent yet holds up no other.

The lanes share one bound, one policy and one ledger. The oldest message is that of all lanes together.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from edge.delivery.queue import Ledger, MessageQueue, count_not_busy
from plant.telemetry import Message

LaneOf = Callable[[Message], str]
"""Returns the name of the lane of a message."""

_LEAST_REBUILT: Final = 1000


class Lanes:
    """The messages of a queue by lane, and in the order in which they came; each lane is taken by itself."""

    def __init__(self, lane_of: LaneOf) -> None:
        self._lane_of = lane_of
        self._consumers: dict[str, Callable[[], None]] = {}
        self._lanes: defaultdict[str, deque[Message]] = defaultdict(deque)
        self._length = 0
        # A lane for each message, in the order in which they came. What is taken out of its turn is only counted as
        # gone, the first ones of its lane; else the middle of the order would be searched for each.
        self._order: deque[str] = deque()
        self._gone: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Message]:
        return (message for lane in self._lanes.values() for message in lane)

    def lane(self, name: str) -> deque[Message]:
        """Return the messages of a lane; not to be changed."""
        return self._lanes[name]

    def connect(self, name: str, on_message: Callable[[], None]) -> None:
        """Register the consumer of a lane: called when the lane was empty and no longer is."""
        self._consumers[name] = on_message

    def disconnect(self, name: str) -> None:
        """Forget the consumer of a lane."""
        self._consumers.pop(name, None)

    def extend(self, messages: Iterable[Message]) -> None:
        """Append messages, each to its lane."""
        first: list[str] = []
        for message in messages:
            name = self._lane_of(message)
            lane = self._lanes[name]
            if not lane:
                first.append(name)
            lane.append(message)
            self._order.append(name)
            self._length += 1
        for name in first:
            if on_message := self._consumers.get(name):
                on_message()

    def extendleft(self, messages: Iterable[Message]) -> None:
        """Put messages at the head of their lanes, one after the other."""
        for message in messages:
            self._put_back(self._lane_of(message), message)

    def put_back(self, name: str, messages: Sequence[Message]) -> None:
        """Put messages at the head of a lane, in their order, wherever such messages now belong."""
        for message in reversed(messages):
            self._put_back(name, message)

    def popleft(self) -> Message:
        """Remove and return the oldest message of all lanes; IndexError where there is none."""
        while self._gone[name := self._order.popleft()]:
            self._gone[name] -= 1
        self._length -= 1
        return self._lanes[name].popleft()

    def take(self, name: str, count: int) -> list[Message]:
        """Remove and return the oldest messages of a lane; there are as many."""
        lane = self._lanes[name]
        taken = [lane.popleft() for _ in range(count)]
        self._gone[name] += count
        self._length -= count
        self._forget_gone()
        return taken

    def clear(self) -> None:
        """Remove all."""
        self._lanes.clear()
        self._order.clear()
        self._gone.clear()
        self._length = 0

    def _put_back(self, name: str, message: Message) -> None:
        self._lanes[name].appendleft(message)
        self._length += 1
        if self._gone[name]:
            self._gone[name] -= 1  # it has its old place in the order again
        else:
            self._order.appendleft(name)

    def _forget_gone(self) -> None:
        """Drop the places of what is gone: those at the head, or all where they are more than half."""
        order, gone = self._order, self._gone
        while order and gone[order[0]]:
            gone[order.popleft()] -= 1
        if len(order) > 2 * self._length + _LEAST_REBUILT:
            kept = deque[str]()
            for name in order:
                if gone[name]:
                    gone[name] -= 1
                else:
                    kept.append(name)
            self._order = kept


class Lane:
    """One lane of a queue, as a publisher takes messages from it."""

    __slots__ = ("_lanes", "_queue", "acknowledged", "discard", "name", "refused")

    def __init__(self, queue: MessageQueue, lanes: Lanes, name: str) -> None:
        self._queue, self._lanes, self.name = queue, lanes, name
        self.acknowledged, self.refused, self.discard = queue.acknowledged, queue.refused, queue.discard

    @property
    def ledger(self) -> Ledger:
        """The ledger of the queue."""
        return self._queue.ledger

    def __len__(self) -> int:
        return len(self._lanes.lane(self.name))

    def connect_consumer(self, on_message: Callable[[], None]) -> None:
        """Register the one consumer: `on_message` is called when the lane was empty and no longer is."""
        self._lanes.connect(self.name, on_message)

    def take(self, most: int, busy: set[str] | None = None) -> list[Message]:
        """Return the oldest messages of the lane, up to `most`, as MessageQueue does."""
        lane = self._lanes.lane(self.name)
        count = min(most, len(lane)) if busy is None else count_not_busy(lane, most, busy)
        if not count:
            return []
        taken = self._lanes.take(self.name, count)
        self._queue.count_taken(count)
        return taken

    def put_back(self, *messages: Message) -> None:
        """Move messages in flight to the head of the lane again, as MessageQueue does.

        To this lane also where the machine is being removed, whose further messages would be the plant's.
        """
        self._lanes.put_back(self.name, messages)
        self._queue.count_put_back(len(messages))

    def drop_all(self, reason: str) -> int:
        """Drop everything queued in the lane; return how many messages that was."""
        dropped = self.take(len(self))
        for message in dropped:
            self._queue.discard(message, reason)
        return len(dropped)
