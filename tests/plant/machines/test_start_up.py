"""The first jobs after a stop differ, the first one fully and the following ones less and less."""

from __future__ import annotations

import statistics
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from itertools import groupby, pairwise
from typing import Any

import pytest

from plant.definition.plant_config import parse
from plant.truth.events import FinishedJob, StateInterval
from tests.support.factory.plants import share_error, standard_error
from tests.support.factory.truths import JOB, Truth, press, press_data, truth

START_UP: dict[str, Any] = {
    "after_stop_seconds": 100,
    "jobs": 4,
    "cycle_seconds": {"times": 1.4},
    "results": {"scrap": {"times": 5}},
}
STATES: dict[str, Any] = {
    "running": {"share": 0.6, "dwell_seconds": 200, "produces": True},
    "idle": {"share": 0.1, "dwell_seconds": 30, "distribution": "fixed"},
    "faulted": {"share": 0.3, "dwell_seconds": 120, "distribution": "fixed"},
}
VALUES: dict[str, Any] = {"states": STATES, "start_up": START_UP}
PARTS = {1: 1.0, 2: 0.75, 3: 0.5, 4: 0.25, 5: 0.0}
"""How far the first jobs after a stop differ."""


def stops(stays: list[StateInterval], least_ms: int) -> list[int]:
    """Return the ends of the times without producing that have at least a length."""
    ends = []
    for produces, group in groupby(stays, key=lambda stay: stay.state == "running"):
        together = list(group)
        if not produces and together[-1].to_ms - together[0].from_ms >= least_ms:
            ends.append(together[-1].to_ms)
    return ends


def after_stops(
    jobs: list[FinishedJob], stays: list[StateInterval], least_ms: int
) -> Iterator[tuple[int, FinishedJob]]:
    """Yield which job after the last long stop each one is, by jobs and stays alone; 0 before the first stop."""
    ends, position = deque(stops(stays, least_ms)), 0
    for job in jobs:
        passed = 0
        while ends and ends[0] <= job.started_ms:
            passed = ends.popleft()
        position = 1 if passed else position and position + 1
        yield position, job


def by_position(made: Truth, least_ms: int = 100_000) -> Mapping[int, list[FinishedJob]]:
    """The jobs by their position after a stop of at least that length."""
    found = defaultdict(list)
    for machine_id, jobs in made.jobs.items():
        for position, job in after_stops(jobs, made.stays[machine_id], least_ms):
            found[position].append(job)
    return found


@pytest.fixture(scope="module")
def positions() -> Mapping[int, list[FinishedJob]]:
    """Of twelve machines over four hours."""
    return by_position(truth(press(count=12, **VALUES), 4))


@pytest.mark.parametrize(("position", "part"), PARTS.items())
def test_the_first_jobs_after_a_long_stop_take_longer_and_are_scrap_more_often(
    position: int, part: float, positions: Mapping[int, list[FinishedJob]]
) -> None:
    """Cycles of 4 to 6 s times 1.4, weights of scrap times 5, in full for the first and falling to none."""
    jobs = positions[position]
    cycles = [job.cycle_ms / 1000 for job in jobs]
    weight = 0.1 * (1 + 4 * part)
    scrap = weight / (0.9 + weight)

    assert len(jobs) > 150
    assert statistics.mean(cycles) == pytest.approx(5 * (1 + 0.4 * part), abs=4 * standard_error(cycles) + 0.001)
    found = sum(job.result == "scrap" for job in jobs) / len(jobs)
    assert found == pytest.approx(scrap, abs=4 * share_error(scrap, len(jobs)))


def test_shorter_stops_change_nothing() -> None:
    """Stops of 30 s are none where stops count from 100 s on."""
    fixed = {"share": 0.1, "dwell_seconds": 30, "distribution": "fixed"}
    states = {"running": {"share": 0.9, "dwell_seconds": 170, "produces": True}, "idle": fixed}
    made = truth(press(count=20, states=states, start_up=START_UP), 2)

    assert sum(stay.state == "idle" for stays in made.stays.values() for stay in stays) > 150
    assert max(job.cycle_ms for job in made.all_jobs) <= 6000


def test_a_changeover_and_a_planned_stop_are_stops_too() -> None:
    """The first job of a lot of another kind, and the first one after a shift begins that starts then."""
    lots = {"size": 12, "changeover_seconds": 120}
    shifts = [{"start": "00:00", "end": "00:30"}, {"start": "01:00", "end": "24:00"}]
    always = {"running": STATES["running"]}
    data = press_data(count=20, states=always, start_up=START_UP, lots=lots) | {
        "calendar": {"time_zone": "UTC", "shifts": shifts}
    }
    made = truth(parse(data), 3)
    firsts = [
        job
        for jobs in made.jobs.values()
        for before, job in pairwise(jobs)
        if before.kind != job.kind and before.lot != job.lot
    ]
    planned = [
        next(job for job in jobs if job.started_ms >= stay.to_ms)
        for machine_id, jobs in made.jobs.items()
        for stay in made.stays[machine_id]
        if stay.state == "planned_stop"
    ]

    assert min(job.cycle_ms for job in firsts) >= 5600
    assert len(planned) == 20
    assert min(job.cycle_ms for job in planned) >= 5600


def test_no_job_is_shorter_than_the_ideal_cycle() -> None:
    """Whatever makes jobs shorter, performance is at most 1."""
    faster = {**START_UP, "cycle_seconds": {"times": 0.5}}
    made = truth(press(count=10, states=STATES, start_up=faster, job=JOB), 2)

    assert min(job.cycle_ms for job in made.all_jobs) == 4000
    assert all((each.performance or 0) <= 1 for each in made.plant.oee())
