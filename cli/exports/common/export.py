"""What all exports are made from: the kinds of message, the topics they really go to, and where the broker is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat, takewhile
from typing import Final, NamedTuple

import orjson

from edge.routing import TopicRouter
from edge.settings.types import TopicLayout
from plant.catalogue.catalogue import MessageKind
from plant.telemetry import Message

APP: Final = "edgemqttsim"
NAMESPACE: Final = "azure-iot-operations"


class File(NamedTuple):
    """One file of an export: its name, below the directory that is written to, and its text."""

    name: str
    text: str


class Channels:
    """The topics of each kind, by the very function that routes messages. TopicError where no broker would take one."""

    def __init__(self, kinds: Sequence[MessageKind], prefix: str, layout: TopicLayout = TopicLayout.TYPE) -> None:
        templates = {kind.key: kind.topic for kind in kinds}
        topics = TopicRouter(templates.__getitem__, prefix, layout)
        self._by_source = {kind.key: _topics_by_source(topics, kind) for kind in kinds}

    def topics_of(self, kind: MessageKind) -> tuple[str, ...]:
        """Every topic to which a kind is published, sorted."""
        return tuple(sorted(set(self._by_source[kind.key].values())))

    def topic_of(self, kind: MessageKind, source: str) -> str:
        """The topic of one who says a kind: a machine by its id, business by the kind's key."""
        return self._by_source[kind.key][source]

    def filter_of(self, kind: MessageKind) -> str:
        """One topic filter that all topics of a kind match: `+` where their levels differ (MQTT 5, 4.7.1)."""
        levels = [topic.split("/") for topic in self.topics_of(kind)]
        columns = [set(column) for column in zip(*levels, strict=False)]
        if len(set(map(len, levels))) > 1:
            return "/".join([*(column.pop() for column in takewhile(_alike, columns)), "#"])
        return "/".join(column.pop() if _alike(column) else "+" for column in columns)

    def filters_of(self, kind: MessageKind) -> tuple[str, ...]:
        """What to subscribe to for a kind: one filter, or each topic where that would take in those of other kinds."""
        topics, wanted = self.topics_of(kind), self.filter_of(kind)
        others = {topic for found in self._by_source.values() for topic in found.values()}.difference(topics)
        return topics if any(matches(wanted, topic) for topic in others) else (wanted,)


def matches(wanted: str, topic: str) -> bool:
    """Whether a topic is one of those that a filter wants (MQTT 5, 4.7)."""
    levels, found = wanted.split("/"), topic.split("/")
    if levels[-1] == "#":
        levels, found = levels[:-1], found[: len(levels) - 1]
    return len(levels) == len(found) and all(level in ("+", its) for level, its in zip(levels, found, strict=True))


def _alike(column: set[str]) -> bool:
    return len(column) == 1


def _topics_by_source(topics: TopicRouter, kind: MessageKind) -> dict[str, str]:
    stations = [machine.station for machine in kind.machines] if kind.machines else repeat(None)
    pairs = zip(kind.sources, stations, strict=False)
    return {source: topics.topic(Message(kind.key, source, station, 0, 0, b"")) for source, station in pairs}


@dataclass(frozen=True, slots=True)
class Export:
    """All that an export is made of.

    prefix: the first levels of every topic.  namespace, app: of the pod.
    broker_host, broker_port, tls: where it connects to.  version: of this program.
    qos, message_expiry_seconds (0: never), cloud_events: how messages are sent; events_source is their `source`.
    schema_version: of the schemas that dataflows refer to.
    """

    kinds: tuple[MessageKind, ...]
    topics: Channels
    prefix: str = "factory"
    namespace: str = NAMESPACE
    app: str = APP
    broker_host: str = "aio-broker"
    broker_port: int = 18883
    version: str = "0.1.0"
    tls: bool = True
    qos: int = 1
    message_expiry_seconds: int = 3600
    cloud_events: bool = True
    events_source: str = "aio://edgemqttsim"
    schema_version: int = 1


Target = Callable[[Export], list[File]]
"""Makes the files of one target. The first sentence of its docstring is its help."""


def commented(text: str, mark: str = "#") -> str:
    """The lines of a text as a comment."""
    return "".join(f"{mark} {line}".rstrip() + "\n" for line in text.splitlines())


def json_file(name: str, content: object) -> File:
    """A file of JSON, two spaces a level."""
    return File(name, orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
