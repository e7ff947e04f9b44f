"""What plants really publish, by the daemon's own router, and topic filters as a broker applies them."""

from __future__ import annotations

import functools
from pathlib import Path

from edge.routing import TopicRouter
from edge.settings.types import TopicLayout
from messages import topic_template
from plant.definition.plant_config import load
from plant.telemetry import Message
from tests.support.factory.plants import ROOT, said

PLANTS = [ROOT / "message_structure.yaml", *sorted((ROOT / "scenarios").glob("*.yaml"))]
"""The default plant and all scenarios."""


def published(path: Path, layout: TopicLayout, prefix: str = "factory") -> set[str]:
    """The topics of everything that a plant says in five hours: by then each has spoken."""
    plant = load(path)
    topics = TopicRouter(lambda kind: topic_template(plant, kind), prefix, layout)
    return {topics.topic(message) for message in _speakers(path)}


@functools.cache
def _speakers(path: Path) -> list[Message]:
    """A message of each source of a plant."""
    return list({(each.kind, each.source, each.station): each for each in said(load(path), 18_000)}.values())


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a topic matches a filter (MQTT 5, 4.7); topics that begin with $ are not meant."""
    filters, levels = topic_filter.split("/"), topic.split("/")
    if filters[-1] == "#":
        filters, levels = filters[:-1], levels[: len(filters) - 1]
    return len(filters) == len(levels) and all(f in ("+", level) for f, level in zip(filters, levels, strict=True))
