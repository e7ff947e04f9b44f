"""Presses with faults: the plants of these tests, and what they do."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.telemetry import Message
from plant.truth.events import FaultEpisode, FinishedJob, StateInterval, TruthEvent
from tests.support.exports import yamlread

START_MS: Final = round(START * 1000)
HOUR_MS: Final = 3_600_000

_PRESS: Final = """
count: 1
report_seconds: 5
states:
  running: {share: 0.9, dwell_seconds: 600, produces: true}
  maintenance: {share: 0.05, dwell_seconds: 300}
  faulted: {share: 0.05, dwell_seconds: 200}
job: {kinds: [panel, frame], cycle_seconds: 20, results: {good: 0.9, scrap: 0.1}}
signals:
  vibration: {base: 2, noise: 0.05, limits: [0, 500], decimals: 3}
  temperature: {base: 50, limits: [-500, 500], decimals: 3}
  power: {formula: "10 * vibration", limits: [0, 9000]}
  energy: {integral_of: power, per_seconds: 3600, decimals: 3}
"""


def press(**changes: Any) -> PlantConfig:
    """Presses with other keys."""
    return parse({"message_types": {"press": {**yamlread.value(_PRESS), **changes}}})


QUIET: Final[dict[str, Any]] = {"report_seconds": 3600, "job": {"cycle_seconds": 36_000}}
"""Keys of presses with few messages and jobs, for long runs."""


def always(**changes: Any) -> dict[str, Any]:
    """Keys of a fault that is there from the second minute on, of severity 1."""
    return {"schedule": [{"after_seconds": 60}], **changes}


@dataclass
class Seen:
    """What a plant has emitted, and what has happened in it."""

    messages: list[Message] = field(default_factory=list)
    truth: list[TruthEvent] = field(default_factory=list)

    @property
    def episodes(self) -> list[FaultEpisode]:
        """The episodes of faults."""
        return [each for each in self.truth if isinstance(each, FaultEpisode)]

    @property
    def stays(self) -> list[StateInterval]:
        """The stays of machines."""
        return [each for each in self.truth if isinstance(each, StateInterval)]

    @property
    def jobs(self) -> list[FinishedJob]:
        """The finished jobs."""
        return [each for each in self.truth if isinstance(each, FinishedJob)]

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The messages as objects, each with its time in milliseconds."""
        return ((each.time_ms, orjson.loads(each.payload)) for each in self.messages)

    def column(self, signal: str) -> dict[str, list[tuple[int, Any]]]:
        """The values of a signal by machine, each with its time."""
        found = defaultdict(list)
        for time_ms, row in self.rows():
            found[row["machine_id"]].append((time_ms, row[signal]))
        return found


def run(config: PlantConfig, hours: float, *, seed: int = 7, step_seconds: float = 600.0) -> Seen:
    """Run a plant, and close its ground truth."""
    plant, seen = FactoryMessageGenerator.of(config, seed, start=START), Seen()
    plant.listen(seen.truth.append)
    while plant.now < START + hours * 3600:
        seen.messages += plant.advance(min(plant.now + step_seconds, START + hours * 3600))
    plant.close_truth()
    return seen


def without(data: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """An entry without some keys."""
    return {key: copy.deepcopy(each) for key, each in data.items() if key not in keys}
