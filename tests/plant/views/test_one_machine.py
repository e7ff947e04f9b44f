"""One machine at a moment: its state, faults and alarms, and that looking at it changes nothing."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import load, parse
from plant.telemetry import Message
from tests.support.examples import examples
from tests.support.factory.plants import ROOT

PRESS: dict[str, Any] = {
    "message_types": {
        "press": {
            "count": 3,
            "report_seconds": 5,
            "states": {"running": {"share": 0.9, "produces": True}, "idle": {"share": 0.1}},
            "job": {"cycle_seconds": [10, 12], "results": {"good": 0.9, "scrap": 0.1}},
            "signals": {"temperature": {"base": {"running": 55, "else": 24}, "limits": [0, 200]}},
            "faults": {"overheating": {"duration_seconds": 60, "effects": {"temperature": {"plus": 30}}}},
            "alarms": {"temperature": {"high": 70, "clear_below": 65}},
        }
    }
}
LINE = load(ROOT / "scenarios" / "spaceship-faults.yaml")


def seen(plant: FactoryMessageGenerator, machine_id: str) -> tuple[str, list[str], list[str]]:
    """Its state, its faults and its alarms."""
    view = plant.views().view(machine_id)
    assert view is not None
    return view.state, [each.name for each in view.causes], [*view.alarms]


def test_it_is_what_commands_and_faults_have_made_of_the_machine() -> None:
    """At the very moment, and not as of its last message; alarms come with the next message that has their value."""
    plant = FactoryMessageGenerator.of(parse(PRESS), 1)
    plant.execute({"command": "set_state", "machine_id": "PRESS-02", "state": "running", "seconds": 3600})
    plant.advance(START + 60)
    plant.execute({"command": "inject", "machine_id": "PRESS-02", "fault": "overheating", "severity": 1})
    begun = seen(plant, "PRESS-02")
    plant.advance(START + 66)
    warned = seen(plant, "PRESS-02")
    plant.advance(START + 120.5)
    over = seen(plant, "PRESS-02")

    assert begun == ("running", ["overheating"], [])
    assert warned == ("running", ["overheating"], ["temperature.high"])
    assert over[:2] == ("running", [])
    assert seen(plant, "PRESS-01")[1:] == seen(plant, "PRESS-03")[1:] == ([], [])


def test_a_machine_of_another_part_has_none_here() -> None:
    """Nor has one that does not exist."""
    plant = FactoryMessageGenerator.of(parse(PRESS), 1, shard=(1, 3))

    assert plant.views().view("PRESS-01") is not None
    assert plant.views().view("PRESS-02") is None
    assert plant.views().view("PRESS-04") is None


@cache
def ten_minutes() -> list[Message]:
    """The messages of the line at which nobody looks."""
    return FactoryMessageGenerator.of(LINE, 1).advance(START + 600)


@settings(max_examples=examples(15, 4))
@given(st.lists(st.tuples(st.integers(1, 600_000), st.sampled_from(["CNC-01", "WELD-02", "TEST-06"])), max_size=20))
def test_looking_changes_no_message(looks: list[tuple[int, str]]) -> None:
    """Also where machines depend on each other, and whenever it is."""
    plant, messages = FactoryMessageGenerator.of(LINE, 1), list[Message]()
    for after_ms, machine_id in sorted(looks):
        messages += plant.advance(START + after_ms / 1000)
        plant.views().view(machine_id)

    assert messages + plant.advance(START + 600) == ten_minutes()
