"""Faults that spread: to neighbours, and along the flow of pieces."""

from __future__ import annotations

from typing import Any, Final

import pytest

from plant.definition.plant_config import parse
from plant.truth.events import FaultEpisode
from tests.plant.faults.presses import run
from tests.support.exports import yamlread

_LINE: Final = """
message_types:
  press:
    count: 2
    report_seconds: 30
    states: {running: {share: 1, dwell_seconds: 600}}
    job: {cycle_seconds: 30}
    faults:
      shake:
        schedule: [{after_seconds: 600, machine: PRESS-01, severity: 2}]
        leads_to: {fault: jam, after_seconds: 60}
      jam: {}
  robot:
    count: 3
    report_seconds: 30
    states: {running: {share: 0.9, dwell_seconds: 600}, faulted: {share: 0.1, dwell_seconds: 60}}
    job: {cycle_seconds: 10}
    faults:
      jam: {until: faulted, leads_to: {state: faulted, after_seconds: 5}}
  packer:
    count: 1
    report_seconds: 30
    states: {running: {share: 1, dwell_seconds: 600}}
    job: {cycle_seconds: 5}
"""
FLOW: Final = {
    "processes": {"robot": "press", "packer": "robot"},
    "assembles": {},
    "buffers": {"press": 900, "robot": 900, "packer": 900},
}


def episodes(flow: bool, **changes: Any) -> list[FaultEpisode]:
    """The episodes of two hours. changes: in what the shaking press leads to."""
    data = yamlread.value(_LINE)
    press = data["message_types"]["press"]
    press["faults"]["shake"]["leads_to"] |= changes
    press["neighbours"] = {"PRESS-01": ["ROBOT-02", "PACKER-01"], "PRESS-02": ["ROBOT-03"]}
    if flow:
        data["flow"] = FLOW
    return run(parse(data), 2).episodes


def jams(found: list[FaultEpisode]) -> list[tuple[str, int, float, str]]:
    """Where a fault has come from the shaking press: machine, delay in seconds, severity, cause."""
    (shake,) = [each for each in found if each.fault == "shake"]
    spread = [each for each in found if each.fault == "jam"]
    return [(each.machine_id, (each.from_ms - shake.from_ms) // 1000, each.severity, each.why) for each in spread]


def test_a_fault_spreads_to_the_neighbours_that_can_have_it() -> None:
    """With its severity, after its time, and with its cause; a neighbour without such a fault is left out."""
    assert jams(episodes(flow=False, spreads_to="neighbours")) == [("ROBOT-02", 60, 2.0, "PRESS-01/shake")]


def test_a_fault_spreads_to_one_machine_of_the_next_stage() -> None:
    """The one is drawn, and the stage after the next is not reached."""
    ((machine, delay, severity, cause),) = jams(episodes(flow=True, spreads_to="downstream"))

    assert machine.startswith("ROBOT-")
    assert (delay, severity, cause) == (60, 2.0, "PRESS-01/shake")


def test_the_first_stage_has_nothing_upstream() -> None:
    """So nothing happens."""
    assert jams(episodes(flow=True, spreads_to="upstream")) == []


def test_a_severity_of_its_own_replaces_that_of_the_cause() -> None:
    """As declared."""
    assert jams(episodes(flow=False, spreads_to="neighbours", severity=0.5))[0][2] == 0.5


@pytest.mark.parametrize("spreads_to", ["downstream", "neighbours"])
def test_what_spreads_stops_the_other_machine(spreads_to: str) -> None:
    """The fault of the robot has its own consequences, which end it."""
    found = [each for each in episodes(flow=True, spreads_to=spreads_to) if each.fault == "jam"]

    assert [each.is_open for each in found] == [False]
