"""A job that a command ends is reported at once, as any job that a stop scraps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import parse
from plant.truth.events import FinishedJob, TruthEvent

PRESS: dict[str, Any] = {
    "states": {
        "running": {"share": 0.8, "dwell_seconds": 3000, "produces": True},
        "jam": {"share": 0.2, "dwell_seconds": 100},
    },
    "job": {"cycle_seconds": 40, "results": {"good": 1, "torn": 0}, "on_stop": {"jam": "torn"}},
    "report_seconds": 10,
}
CLASSES = {
    "main": {
        "fields": ["timestamp", "machine_id", "status", {"part_id": "finished.id"}, {"quality": "finished.result"}]
    }
}
BREAK = {"time_zone": "UTC", "shifts": [{"start": "00:00", "end": "02:00"}, {"start": "03:00", "end": "23:00"}]}
PLANTS: dict[str, dict[str, Any]] = {
    "one class": {"message_types": {"press": PRESS}},
    "several classes": {"message_types": {"press": PRESS | {"messages": CLASSES}}},
    "a calendar": {"message_types": {"press": PRESS}, "calendar": BREAK},
    "a calendar, and several classes": {"message_types": {"press": PRESS | {"messages": CLASSES}}, "calendar": BREAK},
}


@pytest.mark.parametrize("stopped", [False, True], ids=["producing", "stopped"])
@pytest.mark.parametrize("name", PLANTS)
def test_a_job_that_a_command_ends_is_reported_as_it_ends(name: str, *, stopped: bool) -> None:
    """By a state that is set, at once or as the machine is started; the next messages report none."""
    plant = FactoryMessageGenerator.of(parse(PLANTS[name]), 1)
    ended: list[FinishedJob] = []

    def note(event: TruthEvent) -> None:
        if isinstance(event, FinishedJob) and event.result == "torn":
            ended.append(event)

    plant.listen(note)
    told = plant.advance(START + 65)
    for at, command in (
        (70, {"command": "stop"}),
        (75, {"command": "set_state", "state": "jam"}),
        (80.5, {"command": "start"}),
    ):
        if stopped or command["command"] == "set_state":
            told += plant.advance(START + at)
            plant.execute(command | {"machine_id": "PRESS-01"})
    told += plant.advance(START + 120)
    rows = [(each, json.loads(each.payload)) for each in told]
    reported = [(each.time_ms, each.trigger, row["part_id"]) for each, row in rows if row["quality"] == "torn"]

    assert [each.finished_ms for each in ended] == [round((START + (80.5 if stopped else 75)) * 1000)]
    assert reported == [(each.finished_ms, "job", each.job_id) for each in ended]
