"""All subscriptions, and who gets the messages of a topic.

For demos and tests, not for production.

Filters are kept as a tree of their levels, so that a topic costs its own depth and not the number of subscriptions:
with ten thousand clients that listen to a filter of their own each, a list would be searched for minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Generic, NamedTuple, TypeVar

from sandbox.protocol.topics import Subscription, split_share

CACHED_TOPICS = 20_000
SubscriberT = TypeVar("SubscriberT")


class Match(NamedTuple, Generic[SubscriberT]):
    """A subscriber and those of its subscriptions that match a topic."""

    subscriber: SubscriberT
    subscriptions: tuple[Subscription, ...]


class Group(Generic[SubscriberT]):
    """The members of one shared subscription (MQTT 5, 4.8.2): each message goes to one of them.

    served: the client id of the one that was sent the last message, or nothing before that.
    """

    __slots__ = ("members", "served")

    def __init__(self) -> None:
        self.members: dict[SubscriberT, Subscription] = {}
        self.served = ""

    def next(self, willing: Callable[[SubscriberT], bool]) -> Match[SubscriberT] | None:
        """Return the member whose turn it is among the willing ones, or None; it goes to the end of the row."""
        for member, subscription in self.members.items():
            if willing(member):
                del self.members[member]
                self.members[member] = subscription
                return Match(member, (subscription,))
        return None


class Found(NamedTuple, Generic[SubscriberT]):
    """Who gets a topic's messages: all of `direct`, and of each group one member."""

    direct: list[Match[SubscriberT]]
    groups: list[Group[SubscriberT]]


class _Node(Generic[SubscriberT]):
    """A level of filters.  direct: who subscribed to the filter that ends here, with the place in order of all."""

    __slots__ = ("children", "direct", "groups")

    def __init__(self) -> None:
        self.children: dict[str, _Node[SubscriberT]] = {}
        self.direct: dict[SubscriberT, tuple[int, Subscription]] = {}
        self.groups: dict[str, Group[SubscriberT]] = {}

    @property
    def empty(self) -> bool:
        """Whether nothing ends here or below."""
        return not (self.children or self.direct or self.groups)


class Index(Generic[SubscriberT]):
    """All subscriptions. Who gets a topic's messages is cached until a subscription changes."""

    def __init__(self) -> None:
        self._root: _Node[SubscriberT] = _Node()
        self._of: dict[SubscriberT, set[str]] = {}
        self._order = count()
        self._cache: dict[str, Found[SubscriberT]] = {}

    def add(self, subscriber: SubscriberT, pattern: str, subscription: Subscription) -> bool:
        """Add or replace a filter; return whether the subscriber had it before."""
        self._cache.clear()
        node = self._root
        for level in subscription.levels:
            node = node.children.setdefault(level, _Node())
        mine = self._of.setdefault(subscriber, set())
        existed = pattern in mine
        mine.add(pattern)
        group, _ = split_share(pattern)
        if group is not None:
            node.groups.setdefault(group, Group()).members[subscriber] = subscription
        else:
            place = node.direct[subscriber][0] if existed else next(self._order)
            node.direct[subscriber] = place, subscription
        return existed

    def remove(self, subscriber: SubscriberT, pattern: str) -> bool:
        """Remove one filter; return whether there was one."""
        mine = self._of.get(subscriber)
        if mine is None or pattern not in mine:
            return False
        mine.remove(pattern)
        if not mine:
            del self._of[subscriber]
        self._cache.clear()
        self._cut_back(subscriber, pattern)
        return True

    def remove_all(self, subscriber: SubscriberT) -> None:
        """Remove all of a subscriber's filters."""
        for pattern in tuple(self._of.get(subscriber, ())):
            self.remove(subscriber, pattern)

    def match(self, topic: str) -> Found[SubscriberT]:
        """Return the subscribers to this topic, in the order of their first subscription."""
        found = self._cache.get(topic)
        if found is None:
            # Topics with a level that always changes would fill the memory.
            if len(self._cache) >= CACHED_TOPICS:
                self._cache.clear()
            found = self._cache[topic] = self._search(topic.split("/"))
        return found

    def _cut_back(self, subscriber: SubscriberT, pattern: str) -> None:
        """Take a subscriber from the node of a filter, and remove the nodes that are empty then."""
        group, own = split_share(pattern)
        path: list[tuple[_Node[SubscriberT], str]] = []
        node = self._root
        for level in own.split("/"):
            path.append((node, level))
            node = node.children[level]
        if group is None:
            del node.direct[subscriber]
        else:
            members = node.groups[group].members
            del members[subscriber]
            if not members:
                del node.groups[group]
        for parent, level in reversed(path):
            if not parent.children[level].empty:
                break
            del parent.children[level]

    def _search(self, topic: list[str]) -> Found[SubscriberT]:
        taken: dict[SubscriberT, list[tuple[int, Subscription]]] = {}
        groups: list[Group[SubscriberT]] = []
        for node in self._nodes(topic):
            groups += node.groups.values()
            for subscriber, placed in node.direct.items():
                taken.setdefault(subscriber, []).append(placed)
        for placed_ones in taken.values():
            placed_ones.sort(key=_place)
        ordered = sorted(taken.items(), key=lambda each: each[1][0][0])
        return Found([Match(who, tuple(one for _, one in placed)) for who, placed in ordered], groups)

    def _nodes(self, topic: list[str]) -> list[_Node[SubscriberT]]:
        """Return the nodes whose filters match a topic (MQTT 5, 4.7.1; `$` topics: 4.7.2)."""
        found: list[_Node[SubscriberT]] = []
        reached = [self._root]
        for depth, level in enumerate(topic):
            wild = depth > 0 or not level.startswith("$")
            deeper: list[_Node[SubscriberT]] = []
            for node in reached:
                children = node.children
                if wild and "#" in children:
                    found.append(children["#"])
                deeper += (children[each] for each in ((level, "+") if wild else (level,)) if each in children)
            reached = deeper
        # `#` also matches the level above it: a/# matches a.
        return found + reached + [node.children["#"] for node in reached if "#" in node.children]


def _place(placed: tuple[int, Subscription]) -> int:
    return placed[0]
