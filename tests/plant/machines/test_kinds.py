"""Kinds of jobs with cycles and results of their own, for the type and for single machines."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import Any

import orjson
import pytest

from plant.definition.plant_config import parse
from tests.support.factory.plants import share_error, standard_error
from tests.support.factory.truths import JOB, STATES, Truth, press, press_data, truth

KINDS: dict[str, Any] = {
    "panel": {"weight": 2, "cycle_seconds": [10, 12], "results": {"scrap": {"times": 2}}},
    "frame": 1,
    "bolt": {"cycle_seconds": 3},
}
OWN: dict[str, Any] = {"job": {**JOB, "kinds": KINDS}}
WEIGHTS = {"panel": 0.5, "frame": 0.25, "bolt": 0.25}
CYCLES = {"panel": (10.0, 12.0), "frame": (4.0, 6.0), "bolt": (3.0, 3.0)}
SCRAP = {"panel": 0.2 / 1.1, "frame": 0.1, "bolt": 0.1}


@pytest.fixture(scope="module")
def made() -> Truth:
    """Forty machines over three hours."""
    return truth(press(count=40, **OWN), 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_its_own_cycle_and_results(kind: str, made: Truth) -> None:
    """Within 4 standard errors; otherwise it has those of all jobs. Weights are shares of the jobs."""
    jobs = [job for its in made.jobs.values() for job in its[1:]]
    its = [job for job in jobs if job.kind == kind]
    shortest, longest = CYCLES[kind]
    cycles = [job.cycle_ms / 1000 for job in its]
    scrapped = sum(job.result == "scrap" for job in its) / len(its)

    assert len(its) / len(jobs) == pytest.approx(WEIGHTS[kind], abs=4 * share_error(WEIGHTS[kind], len(jobs)))
    assert shortest <= min(cycles)
    assert max(cycles) <= longest + 0.001
    assert statistics.mean(cycles) == pytest.approx((shortest + longest) / 2, abs=4 * standard_error(cycles) + 0.001)
    assert scrapped == pytest.approx(SCRAP[kind], abs=4 * share_error(SCRAP[kind], len(its)))
    assert {job.ideal_ms for job in its} == {shortest * 1000}


def test_messages_show_what_each_kind_takes_and_how_it_turns_out() -> None:
    """As a consumer would regress them: by the kind of each reported job."""
    fields = ["timestamp", "machine_id", {"kind": "job.kind"}, {"result": "finished.result"}]
    config = press(count=20, report_seconds=3, fields=[*fields, {"cycle": "finished.cycle_seconds"}], **OWN)
    rows = [orjson.loads(message.payload) for message in truth(config, 1).messages]
    finished = [row for row in rows if row["result"]]
    means = {kind: statistics.mean(row["cycle"] for row in finished if row["kind"] == kind) for kind in KINDS}
    scrap = {kind: Counter(row["result"] for row in finished if row["kind"] == kind) for kind in KINDS}

    assert means == pytest.approx({"panel": 11, "frame": 5, "bolt": 3}, rel=0.02)
    for kind, results in scrap.items():
        assert results["scrap"] / results.total() == pytest.approx(
            SCRAP[kind], abs=4 * share_error(0.2, results.total())
        )


def test_machines_begin_with_the_job_that_one_would_meet() -> None:
    """A kind with longer cycles is more often the one in progress: in proportion to weight and mean."""
    firsts = Counter(its[0].kind for its in truth(press(count=1000, **OWN), 0.05).jobs.values())
    time = {kind: WEIGHTS[kind] * sum(CYCLES[kind]) for kind in KINDS}

    for kind, each in time.items():
        share = each / sum(time.values())
        assert firsts[kind] / firsts.total() == pytest.approx(share, abs=4 * share_error(share, firsts.total()))


def test_performance_is_measured_by_the_ideal_cycle_of_each_kind(made: Truth) -> None:
    """Ideal time is that of the finished jobs, each by its kind, and of what is done of the current one."""
    for figures in made.plant.oee():
        jobs = made.jobs[figures.machine_id]
        ideal = sum(job.ideal_ms for job in jobs) / 1000

        assert figures.ideal_seconds == pytest.approx(ideal, abs=21)
        assert 0.8 < (figures.performance or 0) < 0.98
        assert figures.ideal_cycles == {"panel": 10.0, "frame": 4.0, "bolt": 3.0}


def test_a_single_machine_may_have_other_weights_and_keeps_the_cycles_of_kinds() -> None:
    """Kinds that it does not name are not made there."""
    overrides = {"PRESS-02": {"job": {"kinds": {"panel": 1, "bolt": 3}}}}
    made = truth(press(count=2, overrides=overrides, **OWN), 3)
    jobs = made.jobs["PRESS-02"][1:]
    kinds = Counter(job.kind for job in jobs)

    assert set(kinds) == {"panel", "bolt"}
    assert kinds["bolt"] / len(jobs) == pytest.approx(0.75, abs=4 * share_error(0.75, len(jobs)))
    assert {job.cycle_ms for job in jobs if job.kind == "bolt"} == {3000}
    assert {job.kind for job in made.jobs["PRESS-01"]} == {*KINDS}


def test_a_type_takes_over_kinds_and_lots_from_another() -> None:
    """And overrides what it names."""
    lots = {"size": 4, "changeover_seconds": 10}
    data = press_data(count=1, lots=lots, start_up={"results": {"scrap": {"times": 2}}}, spread={"shares": 0.2}, **OWN)
    data["message_types"]["press_b"] = {"extends": "press", "lots": {"size": 2}}
    [first, second] = [each for _, each, _ in parse(data).machines()]

    assert second.job is not None
    assert first.job is not None
    assert second.job.kind_types == first.job.kind_types
    assert second.lots is not None
    assert second.lots.size == (2, 2)
    assert (second.start_up, second.spread) == (first.start_up, first.spread)


def test_kinds_with_weights_alone_draw_as_before() -> None:
    """A list, weights, and mappings of weights give the same bytes."""
    forms: list[Any] = [["a", "b"], {"a": 1, "b": 1}, {"a": {"weight": 1}, "b": {}}]
    made = [[each.payload for each in truth(press(job={**JOB, "kinds": kinds}), 0.5).messages] for kinds in forms]

    assert made[0] == made[1] == made[2]


def test_each_kind_may_have_its_cycle_and_then_the_type_needs_none() -> None:
    """Otherwise it is missing."""
    kinds = {"a": {"cycle_seconds": 2}, "b": {"cycle_seconds": 3}}
    made = truth(press(job={"kinds": kinds}, states=STATES), 0.2)

    assert {job.cycle_ms for job in made.all_jobs} == {2000, 3000}
