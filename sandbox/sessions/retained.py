"""Retained messages, found by filter.

For demos and tests, not for production.

Topics are kept as a tree of their levels: a client that asks for one topic must not cost a look at all of them, as ten
thousand clients have a retained status each and subscribe one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from sandbox.sessions.messages import Message

PURGED_FROM = 1_000


class _Node:
    """A level of topics.  kept: the message of the topic that ends here, with its place in order of publication."""

    __slots__ = ("children", "kept")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.kept: tuple[int, Message] | None = None


class Retained:
    """The last retained message of each topic (MQTT 5, 3.3.1.3)."""

    def __init__(self) -> None:
        self._root = _Node()
        self._topics: dict[str, Message] = {}
        self._order = count()
        self._purged_at = PURGED_FROM

    def __len__(self) -> int:
        return len(self._topics)

    def __contains__(self, topic: str) -> bool:
        return topic in self._topics

    def put(self, message: Message, now: float) -> None:
        """Retain the topic's message; an empty payload removes it (MQTT 5, 3.3.1.3)."""
        topic = message.packet.topic
        if not message.packet.payload:
            self._remove(topic)
            return
        node = self._root
        for level in topic.split("/"):
            node = node.children.setdefault(level, _Node())
        node.kept = next(self._order), message
        self._topics[topic] = message
        self._purge(now)

    def clear(self) -> None:
        """Forget all of them."""
        self._root = _Node()
        self._topics.clear()

    def matching(self, levels: Sequence[str], now: float) -> list[Message]:
        """Return the messages that a filter matches and that have not expired, in order of publication."""
        kept = [node.kept for node in self._nodes(levels) if node.kept is not None]
        kept.sort(key=lambda each: each[0])
        return [message for _, message in kept if not message.expired(now)]

    def _nodes(self, levels: Sequence[str]) -> list[_Node]:
        """Return the nodes of the topics that a filter matches (MQTT 5, 4.7.1; `$` topics: 4.7.2)."""
        reached = [self._root]
        for depth, level in enumerate(levels):
            if level == "#":
                return _below(reached, system=depth > 0)
            if level == "+":
                reached = [each for node in reached for each in _children(node, system=depth > 0)]
            else:
                reached = [node.children[level] for node in reached if level in node.children]
        return reached

    def _remove(self, topic: str) -> None:
        if self._topics.pop(topic, None) is None:
            return
        path: list[tuple[_Node, str]] = []
        node = self._root
        for level in topic.split("/"):
            path.append((node, level))
            node = node.children[level]
        node.kept = None
        for parent, level in reversed(path):
            child = parent.children[level]
            if child.children or child.kept is not None:
                break
            del parent.children[level]

    def _purge(self, now: float) -> None:
        """Remove what has expired, each time that the number of topics has doubled, so that it is bounded."""
        if len(self._topics) < self._purged_at:
            return
        for topic in [topic for topic, message in self._topics.items() if message.expired(now)]:
            self._remove(topic)
        self._purged_at = max(PURGED_FROM, 2 * len(self._topics))


def _children(node: _Node, *, system: bool) -> list[_Node]:
    """Return the nodes of the next level, at the top without `$` topics unless `system`."""
    return [child for level, child in node.children.items() if system or not level.startswith("$")]


def _below(nodes: list[_Node], *, system: bool) -> list[_Node]:
    """Return nodes with all nodes below them."""
    found: list[_Node] = []
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += _children(node, system=system or bool(node is not nodes[0]))
    return found
