"""What plants really publish, by the daemon's own router, and topic filters as a broker applies them."""

from __future__ import annotations

import functools
from pathlib import Path

from edge.routing import TopicRouter
from edge.settings.types import TopicLayout
from messages import START, FactoryMessageGenerator, topic_template
from plant.definition.plant_config import load
from plant.telemetry import Message
from tests.support.examples import THOROUGH
from tests.support.exports.schemas import export_of
from tests.support.factory.plants import ROOT

PLANTS = [ROOT / "message_structure.yaml", *sorted((ROOT / "scenarios").glob("*.yaml"))]
"""The default plant and all scenarios."""


def published(path: Path, layout: TopicLayout, prefix: str = "factory") -> set[str]:
    """The topics of everything that a plant says until each has spoken, for whole hours: five at most."""
    plant = load(path)
    topics = TopicRouter(lambda kind: topic_template(plant, kind), prefix, layout)
    return {topics.topic(message) for message in _speakers(path)}


@functools.cache
def _speakers(path: Path) -> list[Message]:
    """A message of each source of a plant."""
    plant, found = load(path), dict[tuple[str, str, str | None], Message]()
    generator = FactoryMessageGenerator.of(plant, 1)
    router = TopicRouter(lambda kind: topic_template(plant, kind), "factory", TopicLayout.MACHINE)
    made = export_of(plant, TopicLayout.MACHINE)
    silent = {topic for kind in made.kinds for topic in made.topics.topics_of(kind)}
    for hour in range(1, 6):
        found |= {(each.kind, each.source, each.station): each for each in generator.advance(START + 3600 * hour)}
        silent -= {router.topic(each) for each in found.values()}
        if not silent and not THOROUGH:
            break
    return [*found.values()]


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a topic matches a filter (MQTT 5, 4.7); topics that begin with $ are not meant."""
    filters, levels = topic_filter.split("/"), topic.split("/")
    if filters[-1] == "#":
        filters, levels = filters[:-1], levels[: len(filters) - 1]
    return len(filters) == len(levels) and all(f in ("+", level) for f, level in zip(filters, levels, strict=True))
