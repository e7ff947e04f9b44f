"""Topic filters: what they match, what they cover, and subscriptions with them.

For demos and tests, not for production.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mqtt5 import TopicFilter

from sandbox.protocol.rules import is_filter

SHARE = "$share/"


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


def covers(outer: Sequence[str], inner: Sequence[str]) -> bool:
    """Return whether one filter matches every topic that another filter matches, both split at `/`."""
    # Only `#` covers `#`; with any other level of the outer filter there, longer topics are left out.
    deep = inner.index("#") if "#" in inner else None
    return matches(outer, inner) and (deep is None or "#" in outer[: deep + 1])


def is_shared(pattern: str) -> bool:
    """Return whether a filter is a shared subscription (MQTT 5, 4.8.2)."""
    return pattern.startswith(SHARE)


def split_share(pattern: str) -> tuple[str | None, str]:
    """Return the group of a shared subscription, or None, and the filter itself (MQTT 5, 4.8.2)."""
    if not is_shared(pattern):
        return None, pattern
    group, _, own = pattern.removeprefix(SHARE).partition("/")
    return group, own


def is_subscribable(pattern: str) -> bool:
    """Return whether a client may ask for a filter: shared ones have a group's name and a filter (MQTT 5, 4.8.2)."""
    group, own = split_share(pattern)
    named = group is None or (group and not set(group) & set("+#\0"))
    return bool(named) and is_filter(own)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One filter of one subscriber.  qos: the QoS granted.  identifier: its Subscription Identifier, or None.

    levels: of the filter, without `$share` and the group.
    """

    levels: tuple[str, ...]
    qos: int
    no_local: bool
    retain_as_published: bool
    identifier: int | None

    @classmethod
    def of(cls, wanted: TopicFilter, identifier: int | None, maximum_qos: int) -> Subscription:
        """Return the subscription for a filter in SUBSCRIBE."""
        return cls(
            levels=tuple(split_share(wanted.pattern)[1].split("/")),
            qos=min(int(wanted.max_qos), maximum_qos),
            no_local=wanted.no_local,
            retain_as_published=wanted.retain_as_published,
            identifier=identifier,
        )
