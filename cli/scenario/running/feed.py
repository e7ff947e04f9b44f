"""The messages of a run, each shown to the judges once, with its plant time.

Without a broker a message is shown as it is emitted. With one it is shown when a subscriber receives it, and what was
emitted tells its plant time: they are the same bytes on the same topic.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Final, NamedTuple, Protocol

from cli.scenario.judging.message_judges import MessageJudge, Seen
from edge.routing import TopicError
from plant.telemetry import Message

_MOST_EXPECTED: Final = 1_000_000
_MOST_TOPICS: Final = 100_000
_MOST_OUTSTANDING: Final = 500
"""Messages that the subscriber is behind the plant where the plant can wait; brokers queue about 1,000 for a client."""
_IDLE_POLLS: Final = 40
"""After so many without a message, what is outstanding is not waited for any more: it may have been lost."""


class Received(NamedTuple):
    """A message as a subscriber receives it."""

    topic: str
    payload: bytes


class Subscription(Protocol):
    """A subscriber to all messages of the run."""

    def take(self) -> Sequence[Received]:
        """Return what has arrived since the last call."""


def matches(levels: Sequence[str], topic: str) -> bool:
    """Return whether a topic filter, split at `/`, matches a topic (MQTT 5, 4.7.1)."""
    found = topic.split("/")
    for index, level in enumerate(levels):
        if level == "#":
            return True
        if index >= len(found) or level not in ("+", found[index]):
            return False
    return len(levels) == len(found)


class Audience:
    """The judges of messages, by topic.

    on_decided: called when a judge has decided; returns False where nothing more is to be shown.
    """

    def __init__(self, judges: Sequence[MessageJudge], on_decided: Callable[[], bool]) -> None:
        self._judges, self._on_decided = judges, on_decided
        self._by_topic: dict[str, list[MessageJudge]] = {}
        self.is_over = False
        self.count = 0

    def show(self, topic: str, message: Message) -> None:
        """Show a message to the judges of its topic."""
        self.count += 1
        listening = [judge for judge in self._listening(topic) if judge.verdict is None]
        if not listening:
            return
        seen = Seen(topic, message)
        for judge in listening:
            judge.see(seen)
        if any(judge.verdict is not None for judge in listening):
            self.is_over = not self._on_decided()

    def _listening(self, topic: str) -> list[MessageJudge]:
        found = self._by_topic.get(topic)
        if found is None:
            if len(self._by_topic) >= _MOST_TOPICS:
                self._by_topic.clear()
            found = self._by_topic[topic] = [judge for judge in self._judges if matches(judge.levels, topic)]
        return found


class DirectFeed:
    """Shows messages as they are emitted. topic: returns the topic of a message; raises TopicError."""

    def __init__(self, audience: Audience, topic: Callable[[Message], str]) -> None:
        self._audience, self._topic = audience, topic

    @property
    def complete_ms(self) -> float:
        """Up to which plant time every message has been shown: all that were emitted."""
        return inf

    def emitted(self, messages: Sequence[Message]) -> None:
        """Take messages that the plant has emitted."""
        for message in messages:
            if self._audience.is_over:
                return
            try:
                self._audience.show(self._topic(message), message)
            except TopicError:
                continue

    @property
    def room(self) -> float:
        """How many messages may be emitted now: any number."""
        return inf

    def poll(self) -> None:
        """Do nothing: all has been shown."""


class BrokerFeed:
    """Shows messages as a subscriber receives them, each once, also where the broker sends it twice."""

    def __init__(self, audience: Audience, topic: Callable[[Message], str], subscription: Subscription) -> None:
        self._audience, self._topic, self._subscription = audience, topic, subscription
        self._expected: defaultdict[Received, deque[Message]] = defaultdict(deque)
        self._in_order: deque[tuple[int, Received]] = deque()
        self._outstanding = self._idle_polls = 0

    @property
    def room(self) -> float:
        """How many messages may be emitted now, so that the subscriber is not too far behind."""
        return max(0, _MOST_OUTSTANDING - self._outstanding)

    @property
    def complete_ms(self) -> float:
        """Up to which plant time every message has been received."""
        while self._in_order and self._in_order[0][1] not in self._expected:
            self._in_order.popleft()
        return self._in_order[0][0] - 1 if self._in_order else inf

    def emitted(self, messages: Sequence[Message]) -> None:
        """Take messages that the plant has emitted, and that are to be received."""
        for message in messages:
            try:
                wanted = Received(self._topic(message), message.payload)
            except TopicError:
                continue
            self._expected[wanted].append(message)
            self._in_order.append((message.time_ms, wanted))
            self._outstanding += 1
        while len(self._in_order) > _MOST_EXPECTED:
            self._expected.pop(self._in_order.popleft()[1], None)

    def poll(self) -> None:
        """Show what has been received."""
        taken = self._subscription.take()
        self._idle_polls = 0 if taken else self._idle_polls + 1
        if self._idle_polls >= _IDLE_POLLS:
            self._outstanding = 0
        for received in taken:
            waiting = self._expected.get(received)
            if not waiting or self._audience.is_over:
                continue
            message = waiting.popleft()
            self._outstanding = max(0, self._outstanding - 1)
            if not waiting:
                del self._expected[received]
            self._audience.show(received.topic, message)


Feed = DirectFeed | BrokerFeed
