"""Stops of jobs and between jobs, where jobs come in lots and machines differ."""

from __future__ import annotations

import math
from itertools import groupby, pairwise
from typing import Any

import orjson
import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import parse
from plant.truth.events import StateInterval
from tests.support.factory.truths import JOB, STATES, Truth, press, truth

LOTS: dict[str, Any] = {"size": [2, 4], "changeover_seconds": [30, 40]}
LONG: dict[str, Any] = {**JOB, "cycle_seconds": [40, 60], "results": {"good": 1, "torn": 0}}


def in_order(found: Truth) -> list[list[StateInterval]]:
    """The stays of each machine, without the last one."""
    return [stays[:-1] for stays in found.stays.values()]


def test_a_stop_between_jobs_comes_after_the_changeover() -> None:
    """The same job ends both: then the machine is changed over, has its stop, and produces on."""
    found = truth(press(count=20, job=LONG, lots=LOTS, only_between_jobs=["idle"]), 5)
    ends = {(job.machine_id, job.finished_ms) for job in found.all_jobs}
    idle = [pair for stays in in_order(found) for pair in pairwise(stays) if pair[1].state == "idle"]
    changed = [before for before, _ in idle if before.state == "changeover"]

    assert len(changed) > 50
    assert {before.state for before, _ in idle} == {"running", "changeover"}
    assert ends >= {(before.machine_id, before.from_ms) for before in changed}
    assert ends >= {(stay.machine_id, stay.from_ms) for before, stay in idle if before.state == "running"}


def test_a_stop_between_jobs_has_its_share_of_the_time_without_changeovers() -> None:
    """Also where kinds have their own cycles: the mean of all jobs counts."""
    kinds = {"a": {"weight": 1, "cycle_seconds": 20}, "b": {"weight": 3, "cycle_seconds": [80, 120]}}
    found = truth(press(count=100, job={**LONG, "kinds": kinds}, lots=LOTS, only_between_jobs=["idle"]), 10)
    of_each = [found.seconds(machine_id) for machine_id in found.stays]
    shares = [each.get("idle", 0.0) / (math.fsum(each.values()) - each.get("changeover", 0.0)) for each in of_each]

    assert math.fsum(shares) / len(shares) == pytest.approx(STATES["idle"]["share"], rel=0.03)


def test_a_changeover_is_made_in_the_stop_that_has_ended_the_last_job_of_a_lot() -> None:
    """No other state interrupts the stop; the next job is of the next lot."""
    found = truth(press(count=20, job={**LONG, "on_stop": {"faulted": "torn"}}, lots=LOTS), 5)
    torn = [job for job in found.all_jobs if job.result == "torn"]
    states = {(stay.machine_id, stay.from_ms): stay.state for each in in_order(found) for stay in each}
    stops = [states.get((job.machine_id, job.finished_ms), "faulted") for job in torn]

    assert len(stops) > 100
    assert {*stops} == {"faulted"}
    assert all(stay.to_ms > stay.from_ms for each in in_order(found) for stay in each)
    for jobs in found.jobs.values():
        assert all(len([*lot]) <= 4 for _, lot in groupby(jobs, key=lambda job: job.lot))


def test_machines_that_differ_keep_declared_transitions_and_their_own_shares() -> None:
    """A fault is followed by a rest of its own, however long the stays of a machine are."""
    found = truth(press(count=30, job=LONG, spread={"shares": 0.5}, transitions={"faulted": {"idle": 1}}), 10)
    after = {(one.state, other.state) for stays in in_order(found) for one, other in pairwise(stays)}
    idle = [found.seconds(machine_id)["idle"] / 36_000 for machine_id in found.stays]

    assert ("faulted", "running") not in after
    assert ("faulted", "idle") in after
    assert min(idle) < 0.15
    assert max(idle) > 0.25


def test_changeovers_and_waits_in_a_line_add_no_message_for_the_job_before_them() -> None:
    """Each finished job has one additional message, also where a machine with wear has several classes of messages."""
    fields = ["timestamp", "machine_id", {"id": "finished.id"}]
    saw = {
        "count": 1,
        "report_seconds": 5,
        "states": {"running": {"share": 1, "dwell_seconds": 60, "produces": True}},
        "job": {"kinds": ["a", "b"], "cycle_seconds": [0.5, 0.9]},
        "lots": {"size": 3, "changeover_seconds": [1, 3]},
        "wear": {"tool": {"life_hours": 1, "resets": "running", "effects": {"cycle_seconds": {"times": 1.1}}}},
        "messages": {"main": {"fields": fields}, "state": {"fields": ["timestamp", "machine_id", "status"]}},
    }
    types = {"saw": saw, "drill": {"job": {"cycle_seconds": [0.4, 2]}}}
    plant = FactoryMessageGenerator.of(
        parse({"message_types": types, "flow": {"processes": {"drill": "saw"}, "buffers": {"saw": 1, "drill": 9999}}}),
        1,
    )
    additional = [
        orjson.loads(each.payload)["id"]
        for each in plant.advance(START + 600)
        if each.trigger == "job" and each.kind.startswith("saw")
    ]

    assert len(additional) > 300
    assert None not in additional
    assert len(set(additional)) == len(additional)
