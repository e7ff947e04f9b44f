"""Transitions, stops between jobs and lost work together: the same bytes however time and machines are divided."""

from __future__ import annotations

from typing import Any, Final

import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse

PRESS: Final[dict[str, Any]] = {
    "count": 6,
    "report_seconds": 20,
    "states": {
        "running": {"share": 0.75, "dwell_seconds": 300, "produces": True},
        "warming_up": {"share": 0.1, "dwell_seconds": 100, "distribution": "fixed"},
        "idle": {"share": 0.05, "dwell_seconds": 60},
        "faulted": {"share": 0.1, "dwell_seconds": 90, "distribution": "lognormal"},
    },
    "transitions": {"faulted": {"idle": 0.3, "running": 0.7}},
    "only_between_jobs": ["warming_up"],
    "job": {"cycle_seconds": [15, 40], "results": {"good": 1, "torn": 0}, "on_stop": {"faulted": "torn"}},
}
WAYS: Final[dict[str, dict[str, Any]]] = {
    "alone": {},
    "restarts": {"job": {**PRESS["job"], "on_stop": {"faulted": "restarts", "idle": "torn"}}},
    "with signals": {
        "signals": {"parts": {"counter": "jobs"}, "heat": {"base": {"running": 80, "else": 20}, "noise": 1}}
    },
    "with changes": {
        "messages": {"jobs": {"report_seconds": 60}, "states": {"fields": ["timestamp", "status"], "on_change": True}}
    },
}
SHIFTS: Final = {"time_zone": "UTC", "shifts": [{"start": "00:00", "end": "00:20"}, {"start": "00:40", "end": "23:00"}]}


def plant(way: str, **more: Any) -> PlantConfig:
    """A plant of presses."""
    return parse({"message_types": {"press": PRESS | WAYS[way]}} | more)


def told(config: PlantConfig, ends: list[float], shard: tuple[int, int] = (1, 1)) -> list[tuple[int, str, bytes]]:
    """The messages up to each of the ends, in one order."""
    generator = FactoryMessageGenerator.of(config, 1, shard=shard)
    messages = [message for end in ends for message in generator.advance(START + end)]
    return sorted((each.time_ms, each.source, each.payload) for each in messages)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shifts", [False, True])
def test_messages_do_not_depend_on_how_time_and_machines_are_divided(way: str, shifts: bool) -> None:
    """In one step or in many, in one part or in two."""
    config = plant(way, **({"calendar": SHIFTS} if shifts else {}))
    whole = told(config, [4000.0])

    assert whole == told(config, [37.0 * step for step in range(1, 108)] + [4000.0])
    assert whole == sorted([*told(config, [4000.0], (1, 2)), *told(config, [4000.0], (2, 2))])
    assert b"torn" in b"".join(payload for _, _, payload in whole)
