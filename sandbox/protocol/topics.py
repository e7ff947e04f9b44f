"""Topic filters, and the index of subscriptions.

For demos and tests, not for production.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from mqtt5 import TopicFilter

CACHED_TOPICS = 10_000
SubscriberT = TypeVar("SubscriberT")


def matches(pattern: Sequence[str], topic: Sequence[str]) -> bool:
    """Return whether a filter matches a topic, both split at `/` (MQTT 5, 4.7.1; `$` topics: 4.7.2)."""
    if topic[0].startswith("$") and pattern[0] in {"+", "#"}:
        return False
    # `#` is tested first, as it also matches the level above it: a/# matches a.
    for index, level in enumerate(pattern):
        if level == "#":
            return True
        if index >= len(topic) or level not in {"+", topic[index]}:
            return False
    return len(pattern) == len(topic)


def is_shared(pattern: str) -> bool:
    """Return whether a filter is a shared subscription (MQTT 5, 4.8.2)."""
    return pattern.startswith("$share/")


@dataclass(frozen=True, slots=True)
class Subscription:
    """One filter of one subscriber.  qos: the QoS granted.  identifier: its Subscription Identifier, or None."""

    levels: tuple[str, ...]
    qos: int
    no_local: bool
    retain_as_published: bool
    identifier: int | None

    @classmethod
    def of(cls, wanted: TopicFilter, identifier: int | None, maximum_qos: int) -> Subscription:
        """Return the subscription for a filter in SUBSCRIBE."""
        return cls(
            levels=tuple(wanted.pattern.split("/")),
            qos=min(int(wanted.max_qos), maximum_qos),
            no_local=wanted.no_local,
            retain_as_published=wanted.retain_as_published,
            identifier=identifier,
        )


class Match(NamedTuple, Generic[SubscriberT]):
    """A subscriber and those of its subscriptions that match a topic."""

    subscriber: SubscriberT
    subscriptions: tuple[Subscription, ...]


class Index(Generic[SubscriberT]):
    """All subscriptions. The matches of a topic are cached until a subscription changes."""

    def __init__(self) -> None:
        self._of: dict[SubscriberT, dict[str, Subscription]] = {}
        self._cache: dict[str, list[Match[SubscriberT]]] = {}

    def add(self, subscriber: SubscriberT, pattern: str, subscription: Subscription) -> bool:
        """Add or replace a filter; return whether the subscriber had it before."""
        self._cache.clear()
        mine = self._of.setdefault(subscriber, {})
        existed = pattern in mine
        mine[pattern] = subscription
        return existed

    def remove(self, subscriber: SubscriberT, pattern: str) -> bool:
        """Remove one filter; return whether there was one."""
        self._cache.clear()
        return self._of.get(subscriber, {}).pop(pattern, None) is not None

    def remove_all(self, subscriber: SubscriberT) -> None:
        """Remove all of a subscriber's filters."""
        self._cache.clear()
        self._of.pop(subscriber, None)

    def match(self, topic: str) -> list[Match[SubscriberT]]:
        """Return the subscribers to this topic, in the order of their first subscription."""
        found = self._cache.get(topic)
        if found is None:
            # Topics with a level that always changes would fill the memory.
            if len(self._cache) >= CACHED_TOPICS:
                self._cache.clear()
            found = self._cache[topic] = list(self._search(topic.split("/")))
        return found

    def _search(self, topic: list[str]) -> Iterator[Match[SubscriberT]]:
        for subscriber, mine in self._of.items():
            taken = tuple(one for one in mine.values() if matches(one.levels, topic))
            if taken:
                yield Match(subscriber, taken)
