"""Which topic a message goes to: the type's template, the user's prefix, one layout for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from edge.settings.loader import TopicLayout
from plant.telemetry import Message

MOST_BYTES = 65_535
"""A topic name's longest form in bytes of UTF-8 (MQTT 5, 1.5.4)."""

TRIGGER: Final = "trigger"
"""The user property that says what made a source report outside its regular period; regular rows have none."""

_OF_ONE = ("{machine_id", "{station_id")


class TopicError(ValueError):
    """A topic that no broker would take; the text names the topic and the rule."""


def check_topic(topic: str) -> str:
    """Give back `topic` if it may be published to (MQTT 5, 4.7), else raise TopicError."""
    rules = (
        (not topic or "" in topic.split("/"), "must have no empty level"),
        ("+" in topic or "#" in topic, "must hold no wildcard (+ or #)"),
        ("\0" in topic, "must not hold the character NUL"),
        (topic.startswith("$"), "must not start with $ (the broker's own)"),
        (len(topic.encode()) > MOST_BYTES, f"must be at most {MOST_BYTES} bytes"),
    )
    for broken, rule in rules:
        if broken:
            raise TopicError(f"topic {topic[:80]!r} {rule}")
    return topic


class TopicRouter:
    """The router: each source's topic is made once and remembered.

    template: gives a kind's topic template, with the placeholders {prefix} {type} {machine_id} {station_id}.
    """

    def __init__(self, template: Callable[[str], str], prefix: str, layout: TopicLayout = TopicLayout.TYPE) -> None:
        self._template = template
        self._prefix = prefix
        self._layout = layout
        self._known: dict[str, str] = {}
        self._common: dict[str, str] = {}

    def topic(self, message: Message) -> str:
        """The topic of `message`; raises TopicError where the filled-in template is none."""
        try:
            return self._known[message.source]
        except KeyError:
            topic = self._known[message.source] = self._common.get(message.kind) or self._make(message)
            return topic

    def forget(self) -> None:
        """Make every topic anew: the structure has changed."""
        self._known.clear()
        self._common.clear()

    def _make(self, message: Message) -> str:
        template = self._template(message.kind)
        topic = check_topic(self._fill(template, message))
        if self._layout is TopicLayout.TYPE and not any(name in template for name in _OF_ONE):
            self._common[message.kind] = topic
        return topic

    def _fill(self, template: str, message: Message) -> str:
        topic = template.format(
            prefix=self._prefix, type=message.kind, machine_id=message.source, station_id=message.station or "none"
        )
        if self._layout is TopicLayout.MACHINE and message.station is not None:
            return topic if message.source in topic.split("/") else f"{topic}/{message.source}"
        return topic
