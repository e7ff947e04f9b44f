"""The condition of a machine: its state, faults and alarms at a moment, and that looking at it changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import START, CommandRefused, FactoryMessageGenerator
from plant.definition.plant_config import load, parse
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


def test_it_is_what_commands_and_faults_have_made_of_the_machine() -> None:
    """At the very moment, and not as of its last message; alarms come with the next message that has their value."""
    plant = FactoryMessageGenerator.of(parse(PRESS), 1)
    plant.execute({"command": "set_state", "machine_id": "PRESS-02", "state": "running", "seconds": 3600})
    plant.advance(START + 60)
    plant.execute({"command": "inject", "machine_id": "PRESS-02", "fault": "overheating", "severity": 1})
    begun = plant.condition("PRESS-02")
    plant.advance(START + 66)
    warned = plant.condition("PRESS-02")
    plant.advance(START + 120.5)
    over = plant.condition("PRESS-02")

    assert (begun.state, dict(begun.faults), [*begun.alarms]) == ("running", {"overheating": 1.0}, [])
    assert (dict(warned.faults), [*warned.alarms]) == ({"overheating": 1.0}, ["temperature.high"])
    assert dict(over.faults) == {}
    assert [*plant.condition("PRESS-01").alarms] == [*plant.condition("PRESS-03").alarms] == []


def test_a_machine_of_another_part_has_none_here() -> None:
    """Nor has one that does not exist."""
    plant = FactoryMessageGenerator.of(parse(PRESS), 1, shard=(1, 3))

    assert plant.condition("PRESS-01").state in ("running", "idle")
    with pytest.raises(CommandRefused, match=r"PRESS-02.* is in another part"):
        plant.condition("PRESS-02")
    with pytest.raises(CommandRefused, match="no machine has the id"):
        plant.condition("PRESS-04")


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(1, 600_000), st.sampled_from(["CNC-01", "WELD-02", "TEST-06"])), max_size=20))
def test_looking_changes_no_message(looks: list[tuple[int, str]]) -> None:
    """Also where machines depend on each other, and whenever it is."""
    plant, twin = (FactoryMessageGenerator.of(LINE, 1) for _ in range(2))
    messages = []
    for after_ms, machine_id in sorted(looks):
        messages += plant.advance(START + after_ms / 1000)
        plant.condition(machine_id)

    assert messages + plant.advance(START + 600) == twin.advance(START + 600)
