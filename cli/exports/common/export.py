"""The input of every export: the kinds of message, their topics, the broker, and how messages are published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import repeat, takewhile
from typing import Final, NamedTuple

import orjson

from cli.options.access import AclOptions
from cli.options.export import NAMESPACE
from edge.routing import TopicRouter, matches
from edge.settings.types import MqttVersion, TopicLayout
from plant.catalogue.catalogue import MessageKind
from plant.telemetry import Message

APP: Final = "edgemqttsim"
STATUS_ADDRESS: Final = "{prefix}/status/{machine_id}"
"""The topic on which a machine with a connection of its own reports whether it is online."""


class File(NamedTuple):
    """A file of an export: its path below the output directory, and its text."""

    name: str
    text: str


class TopicIndex:
    """The topics of each kind, from the router of the simulator. Raise TopicError if one is invalid."""

    def __init__(self, kinds: Sequence[MessageKind], prefix: str, layout: TopicLayout = TopicLayout.TYPE) -> None:
        templates = {kind.key: kind.topic for kind in kinds}
        topics = TopicRouter(templates.__getitem__, prefix, layout)
        self._by_source = {kind.key: _topics_by_source(topics, kind) for kind in kinds}

    def topics_of(self, kind: MessageKind) -> tuple[str, ...]:
        """Return every topic that a kind is published to, sorted."""
        return tuple(sorted(set(self._by_source[kind.key].values())))

    def topic_of(self, kind: MessageKind, source: str) -> str:
        """Return the topic of a source of a kind: a machine by its id, any other source by the kind's key."""
        return self._by_source[kind.key][source]

    def filter_of(self, kind: MessageKind) -> str:
        """Return one topic filter for all topics of a kind, with `+` at levels that differ (MQTT 5, 4.7.1)."""
        levels = [topic.split("/") for topic in self.topics_of(kind)]
        columns = [set(column) for column in zip(*levels, strict=False)]
        if len(set(map(len, levels))) > 1:
            return "/".join([*(column.pop() for column in takewhile(_is_uniform, columns)), "#"])
        return "/".join(column.pop() if _is_uniform(column) else "+" for column in columns)

    def filters_of(self, kind: MessageKind) -> tuple[str, ...]:
        """Return the topic filters of a kind: one, or each topic if one filter would match topics of other kinds."""
        topics, topic_filter = self.topics_of(kind), self.filter_of(kind)
        others = {topic for found in self._by_source.values() for topic in found.values()}.difference(topics)
        return topics if any(matches(topic_filter, topic) for topic in others) else (topic_filter,)


def _is_uniform(column: set[str]) -> bool:
    return len(column) == 1


def _topics_by_source(topics: TopicRouter, kind: MessageKind) -> dict[str, str]:
    stations = [machine.station for machine in kind.machines] if kind.machines else repeat(None)
    pairs = zip(kind.sources, stations, strict=False)
    return {source: topics.topic(Message(kind.key, source, station, 0, 0, b"")) for source, station in pairs}


@dataclass(frozen=True, slots=True)
class Export:
    """The input of an export.

    prefix: the first levels of every topic.  namespace, app: of the pod.  broker_host, broker_port, tls: of the broker.
    version: of the simulator.  mqtt: the version of MQTT.
    qos, message_expiry_seconds (0: never), cloud_events: how messages are published;
    events_source: their CloudEvents `source`.  schema_version: of the schemas that dataflows refer to.
    commands: the topic of commands over MQTT, with {publisher} and {machine_id}; None where they are off.
    command_address: the same, whether they are on or off; it may have {prefix}.
    status_address: the topic of a machine's status, over {prefix} {type} {machine_id} {station_id}.
    has_statuses: whether machines publish there, as each has a connection of its own.
    acl: what access rules are wanted.
    """

    kinds: tuple[MessageKind, ...]
    topics: TopicIndex
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
    commands: str | None = None
    mqtt: MqttVersion = MqttVersion.V5
    command_address: str = "{prefix}/commands/{publisher}/{machine_id}"
    status_address: str = STATUS_ADDRESS
    has_statuses: bool = False
    acl: AclOptions = field(default_factory=AclOptions)

    @property
    def has_properties(self) -> bool:
        """Whether messages have MQTT properties, which are new in MQTT 5."""
        return self.mqtt is MqttVersion.V5

    @property
    def command_filter(self) -> str | None:
        """The filter of all topics of commands; None where they are off."""
        return self.commands and self.commands.format(publisher="+", machine_id="+")

    @property
    def status_filter(self) -> str:
        """The filter of the topics on which machines announce that they are online or offline."""
        filled = self.status_address.format(prefix=self.prefix, type="+", machine_id="+", station_id="+")
        return "/".join("+" if "+" in level else level for level in filled.split("/"))

    @property
    def answer_filter(self) -> str:
        """The filter of the topics to which answers to commands are allowed."""
        return f"{self.prefix}/replies/#"


Target = Callable[[Export], list[File]]
"""Generates the files of one target. The first line of its docstring is its help."""


def commented(text: str, mark: str = "#") -> str:
    """Return a text as comment lines."""
    return "".join(f"{mark} {line}".rstrip() + "\n" for line in text.splitlines())


def json_file(name: str, content: object) -> File:
    """Return a JSON file, indented by two spaces."""
    return File(name, orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
