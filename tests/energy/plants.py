"""The energy plant, whole or in part, and what it sends."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, Final, NamedTuple

import orjson

from edge.routing import TopicRouter
from messages import FactoryMessageGenerator, topic_template
from plant.definition.plant_config import PlantConfig, parse
from tests.support.exports import yamlread
from tests.support.processes.daemon import ROOT

SCENARIO: Final = ROOT / "scenarios" / "energy.yaml"
MONDAY: Final = datetime(2026, 3, 2, 8, tzinfo=UTC).timestamp()
"""Midnight between Sunday and Monday in Los Angeles."""

Row = dict[str, Any]


class Sent(NamedTuple):
    """A message: its topic, its time in seconds since the start, and its payload."""

    topic: str
    seconds: float
    row: Row

    @property
    def leaf(self) -> str:
        """The last level of the topic."""
        return self.topic.rpartition("/")[2]


def data() -> dict[str, Any]:
    """The scenario as plain data."""
    found: dict[str, Any] = copy.deepcopy(_data())
    return found


@cache
def _data() -> dict[str, Any]:
    found: dict[str, Any] = yamlread.value(SCENARIO.read_text(encoding="utf-8"))
    return found


def plant(*kinds: str, chance: float = 0.0, **entry: Any) -> PlantConfig:
    """The scenario with these types only, or all. chance: of faults a day.  entry: more keys of each type."""
    found = data()
    found["global"]["fault_chance_per_day"] = chance
    types = found["message_types"]
    found["message_types"] = {kind: {**types[kind], **entry} for kind in kinds or types}
    found["sites"] = {name: site for name, site in found["sites"].items() if _is_used(name, found["message_types"])}
    return parse(found)


def _is_used(site: str, types: Mapping[str, Any]) -> bool:
    return any(entry.get("site") == site for entry in types.values())


def sent(
    config: PlantConfig, seconds: float, *, start: float = MONDAY, step: float = 3600.0, seed: int = 1
) -> Iterator[Sent]:
    """Yield the messages of a time."""
    generator = FactoryMessageGenerator.of(config, seed, start=start)
    router = TopicRouter(partial(topic_template, config), "factory")
    done = 0.0
    while done < seconds:
        done = min(done + step, seconds)
        for message in generator.advance(start + done):
            yield Sent(router.topic(message), message.time_ms / 1000 - start, orjson.loads(message.payload))


def by_leaf(messages: Iterator[Sent]) -> dict[str, list[Row]]:
    """The payloads by the last level of their topics."""
    found = defaultdict(list)
    for message in messages:
        found[message.leaf].append(message.row)
    return found
