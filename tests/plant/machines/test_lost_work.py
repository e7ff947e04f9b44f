"""What becomes of a job in work when the machine stops: it continues, starts again, or ends at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.oee_accounting import SPANS
from plant.truth.events import FinishedJob
from tests.plant.machines.test_stops_between_jobs import truth
from tests.plant.machines.test_transitions import mistakes

STATES: Final[dict[str, dict[str, Any]]] = {
    "running": {"share": 0.8, "dwell_seconds": 300, "produces": True},
    "idle": {"share": 0.1, "dwell_seconds": 60},
    "faulted": {"share": 0.1, "dwell_seconds": 90},
}
JOB: Final = {"cycle_seconds": 100, "results": {"good": 1, "torn": {"weight": 0, "issues": [2, 4]}}}


def plant(on_stop: Mapping[str, str], count: int = 50, **more: Any) -> PlantConfig:
    """A type whose jobs have that fate; a job that ends by itself is good."""
    press = {"count": count, "report_seconds": 60, "states": STATES, "job": {**JOB, "on_stop": on_stop}} | more
    return parse({"message_types": {"press": press}})


def test_a_job_ends_with_its_result_as_the_machine_stops() -> None:
    """At that moment, with the producing time until then; its ideal time is the part that was done."""
    machines, jobs = truth(plant({"faulted": "torn"}), 20_000)
    pairs = [pair for each in machines for pair in pairwise(each) if pair[1].state == "faulted"]
    stops = {(stop.machine_id, stop.from_ms) for _, stop in pairs}
    running = {(stop.machine_id, stop.from_ms) for before, stop in pairs if before.state == "running"}
    last = {(each[-1].machine_id, each[-1].to_ms) for each in machines}
    torn = [job for job in jobs if job.result == "torn"]

    assert len(running) > 500
    assert running <= {(job.machine_id, job.finished_ms) for job in torn} <= stops | last
    assert all(0 < job.cycle_ms < 100_000 and job.ideal_ms == job.cycle_ms for job in torn)
    assert {job.issues_found for job in torn} == {2, 3, 4}
    assert {job.cycle_ms for job in jobs if job.result == "good"} == {100_000}


def test_each_job_is_reported_once_although_two_may_end_in_a_period() -> None:
    """One that was finished, and the next one, which a stop has ended."""
    config = plant({"faulted": "torn"})
    _, jobs = truth(config, 10_000)
    reported = [json.loads(each.payload) for each in FactoryMessageGenerator.of(config, 1).advance(START + 10_000)]
    found = [(each["part_id"], each["quality"]) for each in reported if each["part_id"]]

    assert len({job for job, _ in found}) == len(found)
    assert {*found} >= {(job.job_id, job.result) for job in jobs if job.finished_ms < 1000 * (START + 9_900)}


def test_a_job_starts_again_and_takes_its_whole_time() -> None:
    """Its progress is lost, and so is the producing time: performance falls by that."""
    figures = {}
    for fate in ("continues", "restarts"):
        generator = FactoryMessageGenerator.of(plant({"faulted": fate}), 1)
        generator.advance(START + 20_000)
        figures[fate] = generator.oee_by_kind()[0]
    fields = ["machine_id", "status", {"job": "job.id"}, {"done": "job.progress"}]
    generator = FactoryMessageGenerator.of(plant({"faulted": "restarts"}, fields=fields), 1)
    rows = [json.loads(each.payload) for each in generator.advance(START + 20_000)]

    assert figures["continues"].performance == pytest.approx(1)
    assert figures["restarts"].performance is not None
    assert 0.7 < figures["restarts"].performance < 0.97
    assert figures["restarts"].producing_seconds == figures["continues"].producing_seconds
    assert {each["done"] for each in rows if each["status"] == "faulted"} == {0.0, 1.0}  # 1.0 of the last job


def test_work_that_is_lost_counts_in_no_hour() -> None:
    """Neither that of before the start, nor that of the hours before."""
    job = {"cycle_seconds": 5000, "on_stop": {"faulted": "restarts"}}
    states = {**STATES, "running": {**STATES["running"], "dwell_seconds": 3000}}
    generator = FactoryMessageGenerator.of(plant({}, 50, job=job, states=states), 1)
    for minutes in range(0, 720, 5):
        generator.advance(START + 60 * minutes)
        for span in SPANS:
            for each in generator.oee(span):
                assert 0 <= each.ideal_seconds <= each.producing_seconds, (minutes, span, each)


@pytest.mark.parametrize("fate", ["torn", "restarts"])
def test_states_do_not_depend_on_what_becomes_of_jobs(fate: str) -> None:
    """They are drawn as before."""
    machines, _ = truth(plant({"faulted": fate}, 5), 10_000)

    assert machines == truth(plant({}, 5), 10_000)[0]


def test_oee_is_that_of_the_truth() -> None:
    """The ideal time of all jobs, and of what is done of the last ones, is what the accounts have."""
    config = plant({"faulted": "torn", "idle": "restarts"}, 20)
    jobs: list[FinishedJob] = []
    generator = FactoryMessageGenerator.of(config, 1)
    generator.listen(lambda event: jobs.append(event) if isinstance(event, FinishedJob) else None)
    generator.advance(START + 20_000)
    figures = {each.machine_id: each for each in generator.oee()}
    progress = {each.machine_id: each.progress for each in generator.machines()}

    for machine_id, each in figures.items():
        ideal = sum(job.ideal_ms for job in jobs if job.machine_id == machine_id) / 1000
        assert each.ideal_seconds == pytest.approx(ideal + 100 * progress[machine_id], abs=100)  # less the first job
        assert each.results.get("torn", 0) == sum(job.result == "torn" for job in jobs if job.machine_id == machine_id)


def test_what_is_no_fate_is_refused() -> None:
    """An unknown state, the producing one, and results that are good or unknown."""
    on_stop = {"faultet": "torn", "running": "torn", "idle": "good", "faulted": "torm"}
    place = "message_types.press.job.on_stop."

    assert mistakes({"press": {"states": STATES, "job": {**JOB, "on_stop": on_stop}}}) == [
        place + "faultet: is not a state of this type; did you mean faulted?",
        place + "running: must be a state in which jobs do not advance",
        place + "idle: must be a result that does not count as good, got " + '"good"',
        place + 'faulted: must be continues, restarts or a result that is not good, got "torm"; did you mean torn?',
    ]
