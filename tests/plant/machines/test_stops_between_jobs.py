"""Stops between jobs wait for the job in work, and each state still has its share of the time."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import orjson
import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.truth.events import FinishedJob, StateInterval, TruthEvent
from tests.plant.machines.test_transitions import MANY, mistakes, shares_are_right
from tests.support.examples import cases

STATES: Final[dict[str, dict[str, Any]]] = {
    "printing": {"share": 0.75, "dwell_seconds": 600, "produces": True},
    "warming_up": {"share": 0.1, "dwell_seconds": 120, "distribution": "fixed"},
    "idle": {"share": 0.1, "dwell_seconds": 90},
    "cleaning": {"share": 0.05, "dwell_seconds": [30, 90]},
}
STAYS: Final[dict[str, dict[str, Any]]] = {
    "exponential": {},
    "weibull": {"distribution": "weibull", "shape": 2},
    "fixed": {"distribution": "fixed"},
    "lognormal": {"distribution": "lognormal"},
    "uniform": {"dwell_seconds": [300, 900]},
}
CYCLES: Final = {"short": 40, "long": 200, "of any length": [50, 400]}
CASES: Final = (
    ("exponential", "short"),
    ("exponential", "of any length"),
    ("fixed", "long"),
    ("weibull", "of any length"),
    ("lognormal", "long"),
    ("uniform", "long"),
)


def plant(printing: Mapping[str, Any], cycle: Any, count: int, **more: Any) -> PlantConfig:
    """A printer that warms up, and is cleaned, only between two prints."""
    states = {**STATES, "printing": {**STATES["printing"], **printing}}
    entry = {"count": count, "report_seconds": 600, "states": states, "only_between_jobs": ["warming_up", "cleaning"]}
    return parse({"message_types": {"printer": entry | {"job": {"cycle_seconds": cycle}} | more}})


def truth(config: PlantConfig, seconds: float) -> tuple[list[list[StateInterval]], list[FinishedJob]]:
    """The stays by machine, and the jobs."""
    stays: dict[str, list[StateInterval]] = {}
    jobs: list[FinishedJob] = []

    def listen(event: TruthEvent) -> None:
        if isinstance(event, FinishedJob):
            jobs.append(event)
        elif isinstance(event, StateInterval):
            stays.setdefault(event.machine_id, []).append(event)

    generator = FactoryMessageGenerator.of(config, 1)
    generator.listen(listen)
    generator.advance(START + seconds)
    generator.oee()
    return [*stays.values()], jobs


@pytest.mark.parametrize(("stays", "cycle"), cases(CASES, 3))
def test_each_state_has_its_share_from_the_first_message_on(stays: str, cycle: str) -> None:
    """Whether prints are short or long against the stays, and however these are distributed."""
    shares_are_right(plant(STAYS[stays], CYCLES[cycle], MANY), 2)


@pytest.mark.parametrize(("stays", "cycle"), CASES)
def test_such_a_state_is_entered_only_as_a_job_ends(stays: str, cycle: str) -> None:
    """Never in the middle of one; other states are."""
    machines, jobs = truth(plant(STAYS[stays], CYCLES[cycle], 40), 10_000)
    ends = {(job.machine_id, job.finished_ms) for job in jobs}
    entered = [(one, after) for each in machines for one, after in pairwise(each) if one.state == "printing"]
    stops = [after for _, after in entered if after.state in {"warming_up", "cleaning"}]

    assert len(stops) > 120
    assert {(stop.machine_id, stop.from_ms) for stop in stops} <= ends
    assert not {(after.machine_id, after.from_ms) for _, after in entered if after.state == "idle"} <= ends
    assert not [
        1 for each in machines for one, after in pairwise(each) if (one.state, after.state) == ("idle", "warming_up")
    ]


def test_transitions_and_losses_go_with_it() -> None:
    """A clean-up after each warm-up, and prints that take longer than they should."""
    more = {
        "transitions": {"warming_up": {"cleaning": 0.3, "printing": 0.7}},
        "micro_stops_per_hour": 30,
        "slow_cycle_share": 0.2,
    }
    shares_are_right(plant(STAYS["weibull"], 200, MANY, **more), 2)


def test_a_machine_that_warms_up_has_not_begun_its_job() -> None:
    """From the first message on."""
    generator = FactoryMessageGenerator.of(
        plant({}, 200, 500, fields=["status", {"progress": "job.progress"}, {"id": "finished.id"}]), 1
    )
    told = [orjson.loads(message.payload) for message in generator.advance(START + 3600)]
    warm = [each for each in told if each["status"] == "warming_up" and each["id"] is None]

    assert len(warm) > 100
    assert {each["progress"] for each in warm} == {0.0}


def test_it_does_not_break_where_pieces_flow() -> None:
    """A machine that waits for material stops first when it has it."""
    config = parse({
        "message_types": {
            "printer": {
                "count": 4, "report_seconds": 60, "states": STATES, "job": {"cycle_seconds": 100},
                "only_between_jobs": ["warming_up"],
            },
            "packer": {
                "count": 2, "report_seconds": 60, "states": STATES, "job": {"cycle_seconds": 60},
                "only_between_jobs": ["cleaning", "warming_up"],
            },
        },
        "flow": {"processes": {"packer": "printer"}, "buffers": {"printer": 3}},
    })  # fmt: skip
    machines, jobs = truth(config, 30_000)
    ends = {(job.machine_id, job.finished_ms) for job in jobs}
    states = {stay.state for each in machines for stay in each}

    assert {"starved", "warming_up", "cleaning"} <= states
    assert {
        (after.machine_id, after.from_ms)
        for each in machines
        for one, after in pairwise(each)
        if one.state == "printing" and after.state == "warming_up"
    } <= ends


def test_too_few_jobs_for_the_stops_are_refused() -> None:
    """And states that do not go with it."""
    entry: dict[str, Any] = {"states": STATES, "only_between_jobs": ["warming_up", "cleanin", "printing"]}
    long = {"states": STATES, "only_between_jobs": ["warming_up", "cleaning"], "job": {"cycle_seconds": 4000}}
    row = {**long, "job": {"cycle_seconds": 40}, "transitions": {"idle": {"warming_up": 1}}}
    place = "message_types.printer."

    assert mistakes({"printer": {**entry, "job": {"cycle_seconds": 5}}}) == [
        place + "only_between_jobs[1]: is not a state of this type; did you mean cleaning?",
        place + "only_between_jobs[2]: must be a state in which jobs do not advance",
    ]
    [few] = mistakes({"printer": long})
    assert few.startswith(place + "only_between_jobs: makes 4.444 stops a job")
    assert mistakes({"printer": row}) == [
        place
        + "transitions.idle.warming_up: must be 0: that state is entered only between jobs, so from the producing state"
    ]
    assert mistakes({"printer": {"states": STATES, "only_between_jobs": ["idle"]}}) == [
        place + "only_between_jobs: needs a job"
    ]
