"""The topics of commands and answers: whom a command is for, and that nothing the plant publishes is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from typing import Final, NamedTuple

from edge.routing import PublishedTopics, TopicError, TopicRouter, check_topic, command_filter, matches
from edge.settings.loader import Settings
from messages import topic_template
from plant.definition.commands_config import MACHINE, PUBLISHER, command_template
from plant.definition.machine_types.overrides import number_of
from plant.definition.plant_config import EVENTS, PlantConfig
from plant.interventions.commands import own_names
from plant.reports import fault_labels, oee_reports
from plant.telemetry import Message

PLANT: Final = "-"
"""The level of the machine in the topics of commands that are for the plant as a whole."""

_SOURCES: Final[Mapping[str, Callable[[str], str]]] = {
    oee_reports.KIND: oee_reports.report_source,
    fault_labels.KIND: fault_labels.label_source,
}
"""The kinds of which machines are no source themselves: how their source is made of a machine's id."""


def filter_of_commands(config: PlantConfig, settings: Settings) -> str:
    """Return the topic filter of a plant's commands."""
    return command_filter(command_template(config.commands), settings.mqtt_topic_prefix)


def address_of_commands(config: PlantConfig, settings: Settings) -> str:
    """Return the topic of a plant's commands with {publisher} and {machine_id} left open."""
    return command_template(config.commands).format_map(_KeptNames(prefix=settings.mqtt_topic_prefix))


def published_topics(config: PlantConfig, settings: Settings) -> PublishedTopics:
    """Return which topics a plant publishes to."""
    templates = {
        kind: topic_template(config, kind).replace(MACHINE, _SOURCES.get(kind, str)(MACHINE)) for kind in config.kinds
    }
    return PublishedTopics(templates, settings.mqtt_topic_prefix, settings.topic_layout)


def wrong_commands(config: PlantConfig, settings: Settings) -> Iterator[str]:
    """Yield the rules that the topic of commands breaks once the prefix is filled in."""
    topic_filter = filter_of_commands(config, settings)
    try:
        check_topic(topic_filter.replace("+", "x"))
    except TopicError as error:
        yield str(error)
        return
    for kind in published_topics(config, settings).overlapping(topic_filter):
        topic = next((each for each in _topics(config, settings, kind) if matches(topic_filter, each)), None)
        if topic is not None:
            yield f"must not match a topic that the plant publishes to, {topic} of {kind}"


def _topics(config: PlantConfig, settings: Settings, kind: str) -> Iterator[str]:
    """Yield the topic of each machine that has messages of a kind; invalid ones are reported as such elsewhere."""
    router = TopicRouter(partial(topic_template, config), settings.mqtt_topic_prefix, settings.topic_layout)
    source = _SOURCES.get(kind, str)
    of_machines = [
        (source(machine_type.id_of(number)), machine_type.station(number))
        for key, machine_type, count in config.machines()
        if kind in EVENTS or key == kind.partition(".")[0]
        for number in range(1, count + 1)
    ]
    for machine_id, station in [*of_machines, (kind, None)]:
        try:
            yield router.topic(Message(kind, machine_id, station, 0, 0, b""))
        except TopicError:
            return


class Duty(NamedTuple):
    """What this part of the plant does about a command.

    executes: it has the machine, or the command is for the plant as a whole.  answers: no other part does.
    """

    executes: bool
    answers: bool


class Address(NamedTuple):
    """Who sends a command, "" where the topic does not say, and what it is for: a machine, or PLANT."""

    publisher: str
    target: str


class CommandTopics:
    """The topics of commands and answers in one configuration of a plant.

    part: (k, n) where the processes that execute commands together are the k-th of n parts of the plant.
    """

    def __init__(self, config: PlantConfig, settings: Settings, part: tuple[int, int]) -> None:
        self.filter = filter_of_commands(config, settings)
        self._config, self._settings, self._part = config, settings, part
        levels = address_of_commands(config, settings).split("/")
        self._machine_at = levels.index(MACHINE)
        self._publisher_at = levels.index(PUBLISHER) if PUBLISHER in levels else None

    @cached_property
    def own_commands(self) -> frozenset[str]:
        """The names of the commands that types of the plant have beside the usual ones."""
        return own_names(self._config)

    def filter_of(self, target: str) -> str:
        """Return the filter of the commands for one machine, or for PLANT."""
        template = command_template(self._config.commands)
        return template.format(prefix=self._settings.mqtt_topic_prefix, publisher="+", machine_id=target)

    def address(self, topic: str) -> Address | None:
        """Return what the topic of a command says; None if it is no topic of commands."""
        if not matches(self.filter, topic):
            return None
        levels = topic.split("/")
        publisher = "" if self._publisher_at is None else levels[self._publisher_at]
        return Address(publisher, levels[self._machine_at])

    def duty(self, target: str) -> Duty:
        """Return what this part does about a command for a machine, or for PLANT.

        The first part answers for the plant as a whole, and for machines that do not exist.
        """
        part, parts = self._part
        if target == PLANT:
            return Duty(executes=True, answers=part == 1)
        for _, machine_type, count in self._config.machines():
            number = number_of(target, machine_type)
            if number is not None and number <= count:
                is_here = (number - part) % parts == 0
                return Duty(is_here, is_here)
        return Duty(executes=False, answers=part == 1)

    def checked_response(self, given: bytes) -> str:
        """Return a response topic that may be answered to; raises TopicError."""
        try:
            topic = check_topic(given.decode())
        except UnicodeDecodeError:
            raise TopicError("a topic must be UTF-8") from None
        if matches(self.filter, topic):
            raise TopicError("an answer must not go to a topic of commands")
        if self._published.has(topic):
            raise TopicError("an answer must not go to a topic of the plant's messages")
        return topic

    @cached_property
    def _published(self) -> PublishedTopics:
        return published_topics(self._config, self._settings)


class _KeptNames(dict[str, str]):
    """Fills a template in, except the names that it does not have."""

    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"
