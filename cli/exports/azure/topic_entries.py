"""Where a connector finds what: each topic with who speaks there, and the filters by which topics are discovered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cli.exports.common.export import Export, matches
from cli.exports.common.names import resource_name, unique_name
from plant.catalogue.catalogue import MachineRef, MessageKind

Levels = Sequence[str]
_Group = Sequence[tuple[Levels, set[str]]]
"""What is to be found together: for each kind its topics, and their levels with `+` where they differ."""


class TopicEntry(NamedTuple):
    """A topic: the kinds of message on it, and the machines that publish to it, each with its kind (none for events).

    alone: its only source is one machine.
    """

    topic: str
    kinds: tuple[MessageKind, ...]
    machines: tuple[tuple[MessageKind, MachineRef], ...]
    alone: bool


class Discovery(NamedTuple):
    """What an endpoint of the MQTT connector looks for.

    name: the endpoint's.  topic_filter: `+` stands where topics differ.  asset_level: the level, counted from 1, that
    names the asset.  topics: those of the plant that it finds.
    """

    name: str
    topic_filter: str
    asset_level: int
    topics: frozenset[str]


def places(export: Export) -> list[TopicEntry]:
    """Every topic that is published to, once, in the order of the kinds."""
    found: dict[str, list[tuple[MessageKind, str]]] = defaultdict(list)
    for kind in export.kinds:
        for source in kind.sources:
            found[export.topics.topic_of(kind, source)].append((kind, source))
    machines = {(kind.key, each.machine_id): each for kind in export.kinds for each in kind.machines}
    return [_place(topic, speakers, machines) for topic, speakers in found.items()]


def _place(
    topic: str, speakers: Sequence[tuple[MessageKind, str]], machines: dict[tuple[str, str], MachineRef]
) -> TopicEntry:
    kinds = {kind.key: kind for kind, _ in speakers}
    here = [(kind, machines[kind.key, source]) for kind, source in speakers if (kind.key, source) in machines]
    return TopicEntry(topic, tuple(kinds.values()), tuple(here), alone=len(speakers) == len(here) == 1)


def place_name(export: Export, place: TopicEntry) -> str:
    """The name of the asset that stands for a topic: that of its machine, else of its kind, else made of the topic."""
    if place.alone:
        return machine_name(export, place.machines[0][1])
    if len(place.kinds) == 1 and len(export.topics.topics_of(place.kinds[0])) == 1:
        return resource_name(export.prefix, place.kinds[0].key)
    return unique_name(export.prefix, place.kinds[0].key, place.topic)


def machine_name(export: Export, machine: MachineRef) -> str:
    """The name of the asset that stands for a machine."""
    return resource_name(export.prefix, machine.machine_id)


def discoveries(export: Export) -> list[Discovery]:
    """Endpoints that find every topic: one for all of the same depth, root and asset level, if it finds no others."""
    groups: dict[tuple[int, str, int], list[tuple[Levels, set[str]]]] = defaultdict(list)
    for topics in _of_one_depth(export):
        levels = _merged(topic.split("/") for topic in topics)
        asset_level = max((number for number, each in enumerate(levels, 1) if each == "+"), default=len(levels))
        groups[len(levels), levels[0], asset_level].append((levels, topics))
    all_topics = {topic for kind in export.kinds for topic in export.topics.topics_of(kind)}
    parts = [(key[2], part) for key, group in groups.items() for part in _parts(key[2], group, all_topics)]
    return [_discovery(number, asset_level, part) for number, (asset_level, part) in enumerate(parts, 1)]


def _parts(asset_level: int, group: _Group, all_topics: set[str]) -> list[_Group]:
    """The group, or its kinds one by one where a filter for them all would find topics of another group too."""
    whole = _discovery(0, asset_level, group)
    too_wide = any(matches(whole.topic_filter, topic) for topic in all_topics - whole.topics)
    return [[each] for each in group] if too_wide else [group]


def _of_one_depth(export: Export) -> Iterator[set[str]]:
    """The topics of each kind, those of another number of levels apart."""
    for kind in export.kinds:
        depths: dict[int, set[str]] = defaultdict(set)
        for topic in export.topics.topics_of(kind):
            depths[topic.count("/")].add(topic)
        yield from depths.values()


def _discovery(number: int, asset_level: int, group: _Group) -> Discovery:
    levels = _merged(each for each, _ in group)
    levels[asset_level - 1] = "+"  # where one topic is all there is: only what a wildcard matches is discovered
    return Discovery(f"mqtt-{number}", "/".join(levels), asset_level, frozenset().union(*(some for _, some in group)))


def _merged(filters: Iterable[Levels]) -> list[str]:
    return [same.pop() if len(same) == 1 else "+" for same in map(set, zip(*filters, strict=True))]


def mapping_prefix(export: Export) -> str:
    """The first level of what the connector publishes: none that the plant publishes to, so nothing goes round."""
    taken = {topic.split("/")[0] for kind in export.kinds for topic in export.topics.topics_of(kind)}
    prefix = "uns"
    while prefix in taken:
        prefix += "-assets"
    return prefix
