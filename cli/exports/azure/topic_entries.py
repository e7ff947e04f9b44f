"""The topics with their sources, and the topic filters by which a connector discovers them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cli.exports.common.export import Export
from cli.exports.common.names import resource_name, unique_name
from edge.routing import matches
from plant.catalogue.catalogue import MachineRef, MessageKind

Levels = Sequence[str]
_Group = Sequence[tuple[Levels, set[str]]]
"""Kinds discovered together: the levels of each, with `+` where they differ, and its topics."""


class TopicEntry(NamedTuple):
    """A topic: the kinds of message on it, and the machines that publish to it, each with its kind.

    has_one_machine: whether one machine is its only source.
    """

    topic: str
    kinds: tuple[MessageKind, ...]
    machines: tuple[tuple[MessageKind, MachineRef], ...]
    has_one_machine: bool


class DiscoveryEndpoint(NamedTuple):
    """An inbound endpoint of the MQTT connector, which discovers topics.

    topic_filter: with `+` where topics differ.  asset_level: the level, counted from 1, that names the asset.  topics:
    those of the plant that it discovers.
    """

    name: str
    topic_filter: str
    asset_level: int
    topics: frozenset[str]


def topic_entries(export: Export) -> list[TopicEntry]:
    """Return every topic once, in the order of the kinds."""
    found: dict[str, list[tuple[MessageKind, str]]] = defaultdict(list)
    for kind in export.kinds:
        for source in kind.sources:
            found[export.topics.topic_of(kind, source)].append((kind, source))
    pairs = ((kind, zip(kind.sources, kind.machines, strict=False)) for kind in export.kinds)
    machines = {(kind.key, source): machine for kind, found_here in pairs for source, machine in found_here}
    return [_topic_entry(topic, sources, machines) for topic, sources in found.items()]


def _topic_entry(
    topic: str, sources: Sequence[tuple[MessageKind, str]], machines: dict[tuple[str, str], MachineRef]
) -> TopicEntry:
    kinds = {kind.key: kind for kind, _ in sources}
    here = [(kind, machines[kind.key, source]) for kind, source in sources if (kind.key, source) in machines]
    return TopicEntry(topic, tuple(kinds.values()), tuple(here), has_one_machine=len(sources) == len(here) == 1)


def asset_name_of_topic(export: Export, entry: TopicEntry) -> str:
    """Return the asset name of a topic of several sources: by its kind, or the topic itself, the first unique one."""
    if len(entry.kinds) == 1 and len(export.topics.topics_of(entry.kinds[0])) == 1:
        return resource_name(export.prefix, entry.kinds[0].key)
    return unique_name(export.prefix, entry.kinds[0].key, entry.topic)


def asset_name_of_machine(export: Export, machine: MachineRef, *parts: str) -> str:
    """Return the asset name of a machine. parts: what distinguishes a further asset of the machine."""
    make = unique_name if parts else resource_name
    return make(export.prefix, machine.machine_id, *parts)


def discovery_endpoints(export: Export) -> list[DiscoveryEndpoint]:
    """Return endpoints for every topic: one for all of a depth, root and asset level, if it matches no others."""
    groups: dict[tuple[int, str, int], list[tuple[Levels, set[str]]]] = defaultdict(list)
    for topics in _of_one_depth(export):
        levels = _merged(topic.split("/") for topic in topics)
        asset_level = max((number for number, each in enumerate(levels, 1) if each == "+"), default=len(levels))
        groups[len(levels), levels[0], asset_level].append((levels, topics))
    all_topics = {topic for kind in export.kinds for topic in export.topics.topics_of(kind)}
    parts = [(key[2], part) for key, group in groups.items() for part in _parts(key[2], group, all_topics)]
    return [_discovery(number, asset_level, part) for number, (asset_level, part) in enumerate(parts, 1)]


def _parts(asset_level: int, group: _Group, all_topics: set[str]) -> list[_Group]:
    """Return the group, or each of its kinds if one filter would match topics of another group."""
    whole = _discovery(0, asset_level, group)
    too_wide = any(matches(whole.topic_filter, topic) for topic in all_topics - whole.topics)
    return [[each] for each in group] if too_wide else [group]


def _of_one_depth(export: Export) -> Iterator[set[str]]:
    """Yield the topics of each kind, grouped by their number of levels."""
    for kind in export.kinds:
        depths: dict[int, set[str]] = defaultdict(set)
        for topic in export.topics.topics_of(kind):
            depths[topic.count("/")].add(topic)
        yield from depths.values()


def _discovery(number: int, asset_level: int, group: _Group) -> DiscoveryEndpoint:
    levels = _merged(each for each, _ in group)
    levels[asset_level - 1] = "+"  # also with a single topic: the connector discovers only what a wildcard matches
    return DiscoveryEndpoint(
        f"mqtt-{number}", "/".join(levels), asset_level, frozenset().union(*(some for _, some in group))
    )


def _merged(filters: Iterable[Levels]) -> list[str]:
    return [same.pop() if len(same) == 1 else "+" for same in map(set, zip(*filters, strict=True))]


def mapping_prefix(export: Export) -> str:
    """Return the first level of the connector's own topics, different from those of the plant to prevent loops."""
    taken = {topic.split("/")[0] for kind in export.kinds for topic in export.topics.topics_of(kind)}
    prefix = "uns"
    while prefix in taken:
        prefix += "-assets"
    return prefix
