"""What the embedded broker of a demo has seen, for the page: facts with their times, and which topics are alarms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from edge.mqtt.commands.plant_topics import filter_of_commands
from edge.redaction import printable, redact
from edge.routing import PublishedTopics, matches
from edge.settings.loader import Settings
from edge.timestamps import rfc3339
from messages import topic_template
from plant.definition.plant_config import PlantConfig
from sandbox.demo import Demo

_LONGEST_CLIENT_ID = 60


class DemoWire:
    """Shows what has happened at the broker of a demo."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo

    def follow(self, settings: Settings, config: PlantConfig) -> None:
        """Take the topics of a configuration for those of alarms and of commands from now on."""
        alarms = PublishedTopics(_of_alarms(config), settings.mqtt_topic_prefix, settings.topic_layout)
        commands = filter_of_commands(config, settings)
        self._demo.lessons.watch(alarms.has, lambda topic: settings.mqtt_commands and matches(commands, topic))

    def following(
        self, settings: Settings, apply: Callable[[PlantConfig], Awaitable[int]]
    ) -> Callable[[PlantConfig], Awaitable[int]]:
        """Return what applies a configuration and follows it."""

        async def applied(config: PlantConfig) -> int:
            at = await apply(config)
            self.follow(settings, config)
            return at

        return applied

    def __call__(self) -> Mapping[str, object]:
        """Return the facts as plain data."""
        return {
            "visible": True,
            "why_not": None,
            "addresses": self._demo.addresses,
            "facts": {
                name: {
                    "count": fact.count,
                    "last": None if fact.last is None else rfc3339(int(fact.last * 1000)),
                    "by": printable(redact(fact.by), _LONGEST_CLIENT_ID),
                }
                for name, fact in self._demo.lessons.facts.items()
            },
        }


def _of_alarms(config: PlantConfig) -> dict[str, str]:
    """Return the topics of messages about alarms, by kind, but not those that other messages have too."""
    kinds = {each.kind for _, known, _ in config.declared() for each in known.alarm_messages}
    others = {topic_template(config, kind) for kind in config.kinds if kind not in kinds}
    topics = {kind: topic_template(config, kind) for kind in kinds}
    return {kind: topic for kind, topic in topics.items() if topic not in others}
