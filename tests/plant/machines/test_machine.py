"""What a machine does: states in their shares, jobs that take their time, from the first instant on."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import pytest

from messages import START
from plant.definition.machine_types.field_sources import Field, FieldSource
from plant.definition.plant_config import PlantConfig
from plant.jobs.jobs import NO_JOB
from plant.machines.machine import Machine
from plant.machines.machine_type_runtime import MachineTypeRuntime
from plant.oee_accounting import OeeAccounts
from tests.support.examples import THOROUGH
from tests.support.factory.plants import (
    COUNTED,
    NO_LOSSES,
    by_machine,
    consecutive,
    default,
    job_id,
    only,
    result,
    rows,
    said,
    share_error,
    slow_jobs,
    standard_error,
)

MANY = 40_000 if THOROUGH else 8_000
"""Machines of which one row each tells a share of 60 % with a standard error of 0.245 points, or usually of 0.55."""

RESULTS = {"testing": "test_distribution"}
BUSY: dict[str, Any] = {"running": 20.0, "idle": 5.0, "maintenance": 8.0, "faulted": 2.0}
"""Stays of seconds, so that a job meets many stops."""


def spec(key: str) -> dict[str, Any]:
    """A type's values in the default plant."""
    values: dict[str, Any] = default()["message_types"][key]
    return values


def machine(config: PlantConfig, number: int = 1, seed: int = 1) -> Machine:
    """One machine of a plant of one type, on its own."""
    [(_, machine_type, _)] = config.machines()
    runtime = MachineTypeRuntime(machine_type, config, Counter(), OeeAccounts(number))
    return Machine(runtime, number, seed, round(START * 1000))


def lived(one: Machine, finished: int) -> list[tuple[int, int]]:
    """So many jobs from begin to end: producing time as measured from outside, and as the job has it, in ms."""
    found: list[tuple[int, int]] = []
    now_ms, producing_ms = one.next_ms, 0
    while len(found) <= finished:
        job = one.job
        one.step()
        if one.job is not job:
            found.append((producing_ms, job.cycle_ms))
            producing_ms = 0
        producing_ms += (one.next_ms - now_ms) * one.state.produces
        now_ms = one.next_ms
    return found[1:]


def stays(one: Machine, count: int) -> dict[str, list[int]]:
    """Lengths in ms of so many stays, by state."""
    since_ms, found = one.next_ms, defaultdict(list)
    for _ in range(count):
        state = one.state
        while one.state is state:
            at_ms = one.next_ms
            one.step()
        found[state.name].append(at_ms - since_ms)
        since_ms = at_ms
    return found


# States


@pytest.mark.parametrize("key", COUNTED)
def test_first_messages_have_the_shares_of_the_states(key: str) -> None:
    """There is no warm-up: the first messages of all machines have each state in its share."""
    config = only(key, MANY)
    [(_, its, _)] = config.machines()
    told = Counter(row["status"] for row in rows(said(config, config.period_seconds(its))))

    assert told.total() == MANY
    for state, share in spec(key)["status_distribution"].items():
        assert 4 * share_error(share, MANY) < 0.0225
        assert told[state] / MANY == pytest.approx(share, abs=4 * share_error(share, MANY))


@pytest.mark.parametrize("key", COUNTED)
def test_long_run_holds_the_shares_of_the_states(key: str) -> None:
    """Over nine hours of 250 machines each state has its share of the messages, within two points at most.

    That is by four standard errors, of the spread between the machines, which are independent.
    """
    told = by_machine(said(only(key, 1_000 if THOROUGH else 250, **slow_jobs(key)), 9 * 3600))
    for state, share in spec(key)["status_distribution"].items():
        shares = [sum(row["status"] == state for row in its) / len(its) for its in told.values()]
        assert 4 * standard_error(shares) <= 0.02
        assert statistics.mean(shares) == pytest.approx(share, abs=4 * standard_error(shares))


def test_a_stay_lasts_its_dwell_or_is_prolonged_by_the_next_draw() -> None:
    """Drawn with weight share / dwell, a state follows itself with that probability: mean stay dwell / (1 - p)."""
    found = stays(machine(only("cnc_machine", 1, dwell_seconds=BUSY, cycle_time_range=[1e6, 1e6], **NO_LOSSES)), 20_000)
    shares = spec("cnc_machine")["status_distribution"]
    weights = {state: shares[state] / dwell for state, dwell in BUSY.items()}

    for state, dwell in BUSY.items():
        again = weights[state] / sum(weights.values())
        bound = 4 * standard_error(found[state])
        assert statistics.mean(found[state]) == pytest.approx(1000 * dwell / (1 - again), abs=bound)


def test_a_state_without_share_is_never_entered() -> None:
    """Share 0 means never, not seldom."""
    shares = {"running": 1.0, "idle": 1.0, "maintenance": 0.0, "faulted": 0.0}
    told = rows(said(only("cnc_machine", 50, status_distribution=shares, dwell_seconds=BUSY), 600))

    assert {row["status"] for row in told} == {"running", "idle"}


def test_a_machine_that_never_produces_finishes_nothing() -> None:
    """A stop pauses the job, here permanently."""
    shares = {"running": 0.0, "idle": 1.0}
    told = rows(said(only("cnc_machine", 20, status_distribution=shares), 3600))

    assert {job_id(row) for row in told} == {None}


# Jobs


@pytest.mark.parametrize("key", COUNTED)
def test_results_come_in_their_shares(key: str) -> None:
    """Of 6,000 finished jobs each result has its share, within four standard errors."""
    quick = {"print_seconds": 20.0} if key == "printer_3d" else {}
    seconds = {"cnc_machine": 650, "printer_3d": 1_150, "welding": 450, "painting": 320, "testing": 1_600}[key]
    results = Counter(filter(None, map(result, rows(said(only(key, 200, **quick), seconds)))))

    assert results.total() >= 6_000
    for name, share in spec(key)[RESULTS.get(key, "quality_distribution")].items():
        error = share_error(share, results.total())
        assert results[name] / results.total() == pytest.approx(share, abs=4 * error)


@pytest.mark.parametrize("key", COUNTED)
def test_jobs_finish_in_the_first_minute_as_often_as_ever_after(key: str) -> None:
    """2,000 machines start part way through jobs: reported ones are producing share / mean cycle a second."""
    config = only(key, 2_000, **({"print_seconds": 20.0} if key == "printer_3d" else {}))
    [(_, its, _)] = config.machines()
    rate = its.shares[its.producing_state] / statistics.mean(config.job_seconds(its)) / its.losses.lengthening
    finished, until_ms = Counter[str](), {}
    for message, row in zip(messages := said(config, 60), rows(messages), strict=True):
        finished[message.source] += job_id(row) is not None
        until_ms[message.source] = message.time_ms - 1000 * START
    surplus = [finished[source] - rate * ms / 1000 for source, ms in until_ms.items()]

    assert 4 * standard_error(surplus) < 0.1 * statistics.mean(finished.values())
    assert abs(statistics.mean(surplus)) < 4 * standard_error(surplus)


def test_a_job_takes_exactly_its_cycle_of_producing_time() -> None:
    """However often it was stopped: measured from outside, to the millisecond."""
    jobs = lived(machine(only("cnc_machine", 1, dwell_seconds=BUSY)), 2_000)

    assert [producing for producing, _ in jobs] == [cycle for _, cycle in jobs]


def test_cycles_are_drawn_evenly_from_their_range() -> None:
    """From 10 to 15 s, mean 12.5 s within four standard errors."""
    drawn = [cycle for _, cycle in lived(machine(only("cnc_machine", 1, **NO_LOSSES)), 5_000)]

    assert min(drawn) >= 10_000
    assert max(drawn) <= 15_000
    assert statistics.mean(drawn) == pytest.approx(12_500, abs=4 * standard_error(drawn))


def test_cycle_time_is_the_producing_time_in_messages() -> None:
    """Messages every 50 ms count the running time between two finished parts, to one or two messages a stop."""
    told = rows(said(only("cnc_machine", 1, report_seconds=0.05, dwell_seconds=BUSY), 900))
    ends = [index for index, row in enumerate(told) if row["part_id"]]
    for begin, end in pairwise(ends):
        running = [row["status"] == "running" for row in told[begin : end + 1]]
        stops = sum(a != b for a, b in pairwise(running))
        assert told[end]["cycle_time"] == pytest.approx(0.05 * sum(running[1:]), abs=0.11 + 0.05 * stops)
    assert len(ends) > 30


def test_a_job_that_finished_before_a_stop_is_reported_in_the_stop() -> None:
    """The message has the current state and the finished part."""
    told = rows(said(only("welding", 100, dwell_seconds={"running": 10.0, "idle": 5.0}), 300))

    assert any(row["assembly_id"] and row["status"] != "running" for row in told)


@pytest.mark.parametrize("key", COUNTED)
def test_each_job_is_reported_once_and_none_is_left_out(key: str) -> None:
    """Ids are unique in the type, and each machine's numbers are consecutive."""
    told = by_machine(said(only(key, 50, **({"print_seconds": 20.0} if key == "printer_3d" else {})), 900))
    reported = {source: [identity for row in its if (identity := job_id(row))] for source, its in told.items()}
    every = [identity for its in reported.values() for identity in its]

    assert len(every) == len(set(every)) > 500
    assert all(consecutive(its) for its in reported.values())


def test_a_later_run_of_the_same_machines_uses_no_number_again() -> None:
    """Ten hours of the fastest jobs there may be, stopped and started again at once."""
    fastest = only("painting", 2, report_seconds=0.1, cycle_time_range=[0.1, 0.1])
    runs = [said(fastest, 600, start=START + begin) for begin in (0, 601, 1202)]
    ids = [identity for run in runs for row in rows(run) if (identity := job_id(row))]

    assert len(ids) == len(set(ids)) > 5_000


def test_ids_of_all_types_differ() -> None:
    """Two types that call their jobs the same have different numbers."""
    alike = [
        only(key, 3, part_types=["HullPanel"], **slow)
        for key, slow in (("cnc_machine", {}), ("printer_3d", {"print_seconds": 10.0}))
    ]
    numbers = [identity.split("-")[1] for its in alike for row in rows(said(its, 600)) if (identity := job_id(row))]

    assert len(numbers) == len(set(numbers)) > 100


@pytest.mark.parametrize(
    ("kind", "head"),
    [("HullPanel", "HP-"), ("gear", "GE-"), ("GPSUnit", "GPSU-"), ("\u00dcberkopf", "\u00dc-"), ("9", "9-")],
)
def test_part_ids_begin_with_the_capitals_of_their_type(kind: str, head: str) -> None:
    """Or, where it has none, with its first two letters in capitals."""
    one = machine(only("cnc_machine", 1, part_types=[kind]), number=7)

    assert one.snapshot(0).job_id == f"{head}17{round(START * 10) % 10**10:010d}"


def test_a_tested_spaceship_goes_by_a_shorter_name() -> None:
    """`Spaceship-` for FullSpaceship; any other target by its own."""
    told = rows(said(only("testing", 20), 120))
    heads = {(row["target_type"], row["target_id"].split("-")[0]) for row in told if row["target_id"]}

    assert heads == {("FullSpaceship", "Spaceship"), ("SubAssembly",) * 2, ("CriticalComponent",) * 2}


def test_only_a_failed_test_has_issues() -> None:
    """1 to 5 of them, each number as likely as the others; 0 in every other message."""
    issues: dict[str | None, Counter[int]] = defaultdict(Counter)
    for row in rows(said(only("testing", 500), 600)):
        issues[row["test_result"]][row["issues_found"]] += 1

    assert set(issues.pop("fail")) == {1, 2, 3, 4, 5}
    assert {number for counts in issues.values() for number in counts} == {0}


def test_a_print_keeps_its_progress_while_it_is_stopped() -> None:
    """Job and progress stay as they were, and continue from there."""
    told = by_machine(said(only("printer_3d", 20, dwell_seconds={"running": 60.0, "idle": 60.0}), 1200))
    pairs = [(a, b) for its in told.values() for a, b in pairwise(its)]
    idle = [(a, b) for a, b in pairs if a["status"] == b["status"] == "idle" and not a["part_id"]]

    assert len(idle) > 100
    assert all(a["progress"] == b["progress"] and a["current_part_id"] == b["current_part_id"] for a, b in idle)


def test_a_print_gains_its_increment_in_each_message_of_running() -> None:
    """5 % more each time: a print takes 20 periods of running."""
    always = {"status_distribution": {"running": 1.0}}
    told = rows(said(only("printer_3d", 1, **always), 600))
    pairs = [(a, b) for a, b in pairwise(told) if not (a["part_id"] or b["part_id"])]

    assert len(pairs) > 50
    assert {round(b["progress"] - a["progress"], 2) for a, b in pairs} == {0.05}


def test_a_declaration_may_call_its_fields_anything() -> None:
    """Also what would be a placeholder in a template."""
    config = only("testing", 1)
    declared = config.machines()[0][1]
    main = dataclasses.replace(declared.main, fields=[Field('%b "100 %"', FieldSource.STATUS)])
    odd = dataclasses.replace(declared, messages=[main])
    runtime = MachineTypeRuntime(odd, config, Counter(), OeeAccounts(1))

    one = Machine(runtime, 1, 1, 0)

    assert json.loads(b"{" + runtime.encode_body(one, 0)) == {'%b "100 %"': one.state.name}


# Views


def test_a_machine_snapshot_agrees_with_messages() -> None:
    """Status, job and progress of a machine as of its last message."""
    one = machine(only("printer_3d", 1))
    view = one.snapshot(round(START * 1000))

    assert (view.machine_id, view.kind, view.jobs_finished) == ("3DP-01", "printer_3d", 0)
    assert 0 <= view.progress < 1
    assert one.finished is NO_JOB
