"""Plants for tests: the default one, reduced or changed, and their messages as a consumer sees them."""

from __future__ import annotations

import copy
import functools
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.telemetry import Message
from tests.support.exports import yamlread

ROOT = Path(__file__).parents[3]
COUNTED = {
    "cnc_machine": "cnc",
    "printer_3d": "printer_3d",
    "welding": "welding",
    "painting": "painting",
    "testing": "testing",
}
"""Machine types with their names in machine_counts."""

NO_LOSSES: dict[str, Any] = {"micro_stops_per_hour": 0, "slow_cycle_share": 0}
"""Values with which a type's jobs take their cycle and no more."""

Row = dict[str, Any]


@functools.cache
def _read(path: Path) -> Any:
    return yamlread.value(path.read_text(encoding="utf-8"))


def default() -> dict[str, Any]:
    """The default plant as plain data, to be changed at will."""
    data: dict[str, Any] = copy.deepcopy(_read(ROOT / "message_structure.yaml"))
    return data


def original() -> PlantConfig:
    """The original's plant, whose welding and painting machines report more seldom than they finish jobs."""
    return parse(_read(ROOT / "tests" / "data" / "original.yaml"))


def config(counts: Mapping[str, int] | None = None, /, **changes: Mapping[str, Any]) -> PlantConfig:
    """The default plant with other machine counts, by type, and other values of some types."""
    data = default()
    data["global"]["machine_counts"].update({COUNTED[key]: count for key, count in (counts or {}).items()})
    for key, values in changes.items():
        spec = data["message_types"][key]
        if "report_seconds" in values:
            spec.pop("frequency_weight", None)
        spec.update(values)
    return parse(data)


def only(key: str, count: int, **values: Any) -> PlantConfig:
    """Return a plant of one machine type and nothing else."""
    none = dict.fromkeys(COUNTED, 0)
    events = {"customer_order": {"enabled": False}, "dispatch": {"enabled": False}}
    return config(none | {key: count}, **events, **{key: values})


def slow_jobs(key: str) -> dict[str, Any]:
    """Values with which a type reports every 5 minutes and still fits each job: states for little work."""
    jobs: dict[str, dict[str, Any]] = {
        "printer_3d": {"print_seconds": 1500.0},
        "testing": {"test_seconds_range": [1000.0, 2000.0]},
    }
    return {"report_seconds": 300.0} | NO_LOSSES | jobs.get(key, {"cycle_time_range": [1000.0, 2000.0]})


def said(plant: PlantConfig, seconds: float, seed: int | str = 1, start: float = START) -> list[Message]:
    """Return the messages of a plant in its first seconds."""
    return FactoryMessageGenerator.of(plant, seed, start=start).advance(start + seconds)


def rows(messages: Iterable[Message]) -> list[Row]:
    """The payloads as objects."""
    return [orjson.loads(message.payload) for message in messages]


def by_machine(messages: Iterable[Message]) -> dict[str, list[Row]]:
    """Return the messages of each machine in order."""
    found = defaultdict(list)
    for message in messages:
        found[message.source].append(orjson.loads(message.payload))
    return found


def standard_error(values: Sequence[float]) -> float:
    """Of the mean of independent values."""
    return statistics.stdev(values) / math.sqrt(len(values))


def share_error(share: float, draws: int) -> float:
    """Standard error of the share of independent draws that come out one way."""
    return math.sqrt(share * (1 - share) / draws)


def job_id(row: Row) -> str | None:
    """The finished job's id, whatever the type calls it."""
    found: str | None = next(row[key] for key in ("part_id", "assembly_id", "target_id") if key in row)
    return found


def result(row: Row) -> str | None:
    """The finished job's result."""
    found: str | None = row["test_result"] if "test_result" in row else row["quality"]
    return found


def consecutive(identities: Sequence[str]) -> bool:
    """Whether a machine's finished jobs, or the orders, are counted without a gap: by the last ten digits."""
    numbers = [int(identity[-10:]) for identity in identities]
    return all(b == a + 1 for a, b in pairwise(numbers))
