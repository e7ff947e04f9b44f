"""Lots: jobs of one kind follow each other, and a changeover of the declared time comes between two kinds."""

from __future__ import annotations

import statistics
from collections import Counter
from itertools import groupby, pairwise
from typing import Any

import orjson
import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import parse
from plant.forecast.rate_forecast import forecast
from plant.truth.events import FinishedJob, TruthEvent
from tests.support.factory.plants import share_error, standard_error
from tests.support.factory.truths import JOB, STATES, Truth, press, press_data, truth

KINDS = {"a": 3, "b": 1, "c": 2}
LOTS: dict[str, Any] = {"size": [5, 15], "changeover_seconds": {"default": [60, 120], "a>b": 200}}
WITH_LOTS: dict[str, Any] = {"job": {**JOB, "kinds": KINDS}, "lots": LOTS}
CHANGES = 2 * (3 * 1 + 3 * 2 + 1 * 2) / 36
"""Share of the lots that are of another kind than the one before."""


@pytest.fixture(scope="module")
def made() -> Truth:
    """Sixteen machines over ten hours."""
    return truth(press(count=16, **WITH_LOTS), 10)


def lots_of(jobs: list[FinishedJob]) -> list[list[FinishedJob]]:
    """The whole lots of a machine: without the first and the last one."""
    return [list(group) for _, group in groupby(jobs, key=lambda job: job.lot)][1:-1]


def changeovers(made: Truth) -> list[tuple[str, float]]:
    """Pair of kinds and length of each whole changeover."""
    found = []
    for machine_id, stays in made.stays.items():
        its = [stay for stay in stays if stay.state == "changeover"]
        pairs = [(before, after) for before, after in pairwise(made.jobs[machine_id]) if before.kind != after.kind]
        found += [
            (f"{before.kind}>{after.kind}", (stay.to_ms - stay.from_ms) / 1000)
            for (before, after), stay in zip(pairs, its, strict=False)
        ]
    return found


def test_lots_have_sizes_of_the_declared_range_all_equally_likely(made: Truth) -> None:
    """Each size from 5 to 15 in an eleventh of the lots; the mean within 4 standard errors."""
    sizes = [len(lot) for jobs in made.jobs.values() for lot in lots_of(jobs)]
    counts = Counter(sizes)

    assert set(counts) == {*range(5, 16)}
    assert statistics.mean(sizes) == pytest.approx(10, abs=4 * standard_error(sizes))
    assert all(abs(each / len(sizes) - 1 / 11) < 4 * share_error(1 / 11, len(sizes)) for each in counts.values())


def test_a_lot_is_of_one_kind_and_kinds_have_their_shares_of_the_lots(made: Truth) -> None:
    """Also after a lot of the same kind, so that the shares are exact."""
    lots = [lot for jobs in made.jobs.values() for lot in lots_of(jobs)]
    kinds = Counter(lot[0].kind for lot in lots)

    assert all(len({job.kind for job in lot}) == 1 for lot in lots)
    for kind, weight in KINDS.items():
        assert kinds[kind] / len(lots) == pytest.approx(weight / 6, abs=4 * share_error(weight / 6, len(lots)))


def test_changeovers_take_the_time_of_their_pair_of_kinds(made: Truth) -> None:
    """200 s from a to b, otherwise 60 to 120 s, all equally likely; none between lots of one kind."""
    found = changeovers(made)
    others = [seconds for pair, seconds in found if pair != "a>b"]

    assert {seconds for pair, seconds in found if pair == "a>b"} == {200.0}
    assert 60 <= min(others) < 62
    assert 118 < max(others) <= 120
    assert statistics.mean(others) == pytest.approx(90, abs=4 * standard_error(others))
    whole = sum(stay.state == "changeover" for stays in made.stays.values() for stay in stays)
    assert whole - len(made.stays) <= len(found) <= whole


def test_changeovers_an_hour_follow_from_lots_and_time_to_produce(made: Truth) -> None:
    """A lot takes 10 jobs of 5 s of producing; what is no changeover has 70 % of it."""
    machines = [made.seconds(machine_id) for machine_id in made.stays]
    counts = [sum(stay.state == "changeover" for stay in stays) for stays in made.stays.values()]
    expected = [seconds["running"] / 50 * CHANGES for seconds in machines]

    assert sum(counts) == pytest.approx(sum(expected), rel=0.03)


def test_states_have_their_shares_of_the_time_without_changeovers(made: Truth) -> None:
    """The mean over the machines within 4 standard errors, each of which is below 0.015."""
    for state, declared in STATES.items():
        shares = []
        for machine_id in made.stays:
            seconds = made.seconds(machine_id)
            shares.append(seconds[state] / (sum(seconds.values()) - seconds["changeover"]))
        assert standard_error(shares) < 0.015
        assert statistics.mean(shares) == pytest.approx(declared["share"], abs=4 * standard_error(shares))


def test_a_stay_goes_on_after_a_changeover() -> None:
    """A changeover takes no time from the stay that it interrupts: it is as long as without."""
    fixed = {
        "running": {"share": 0.9, "dwell_seconds": 90, "distribution": "fixed", "produces": True},
        "idle": {"share": 0.1, "dwell_seconds": 10, "distribution": "fixed"},
    }
    [stays] = truth(press(count=1, states=fixed, **WITH_LOTS), 5).stays.values()
    lengths, running_ms = [], 0
    for stay in stays:
        running_ms += (stay.to_ms - stay.from_ms) if stay.state == "running" else 0
        if stay.state == "idle":
            lengths.append(running_ms)
            running_ms = 0

    assert {*lengths[1:]} == {90_000}
    assert any(stay.state == "changeover" for stay in stays)


def test_messages_report_lot_size_and_position() -> None:
    """A finished job is reported with its own: positions count from 1 to the size."""
    fields = ["timestamp", "machine_id", "finished.id", {"kind": "job.kind"}, {"lot": "job.lot"}]
    fields += [{"size": "job.lot_size"}, {"position": "job.lot_position"}]
    made = truth(press(count=1, fields=fields, report_seconds=2, **WITH_LOTS), 2)
    rows = [orjson.loads(message.payload) for message in made.messages]
    finished = [row for row in rows if row["finished.id"]]
    jobs = {job.job_id: job for job in made.all_jobs}
    lots = [list(group) for _, group in groupby(finished, key=lambda row: row["lot"])]

    assert len(lots) > 20
    assert all(row["lot"] == jobs[row["finished.id"]].lot for row in finished)
    assert lots[1][0]["lot"].startswith("LOT-PRESS-01-")
    assert all([row["position"] for row in lot] == [*range(1, lot[0]["size"] + 1)] for lot in lots[1:-1])
    assert len({lot[0]["lot"] for lot in lots}) == len(lots)


def test_a_machine_begins_anywhere_in_a_lot() -> None:
    """As one would meet it: larger lots more often, the rest of them uniform."""
    made = truth(press(count=400, **WITH_LOTS), 0.3)
    firsts = [
        next(len(list(group)) for _, group in groupby(jobs, key=lambda job: job.lot)) for jobs in made.jobs.values()
    ]
    sizes = range(5, 16)
    mean = sum(size * (size + 1) / 2 for size in sizes) / sum(sizes)

    assert statistics.mean(firsts) == pytest.approx(mean, abs=4 * standard_error(firsts))


def test_a_planned_stop_pauses_a_changeover() -> None:
    """Its parts before and after the stop take its time together."""
    shifts = [{"start": "00:00", "end": "00:20"}, {"start": "00:30", "end": "24:00"}]
    calendar = {"time_zone": "UTC", "shifts": shifts}
    lots = {"size": 3, "changeover_seconds": 300}
    made = truth(parse(press_data(count=30, **{**WITH_LOTS, "lots": lots}) | {"calendar": calendar}), 1)
    cut = [
        (before, after)
        for stays in made.stays.values()
        for before, stop, after in zip(stays, stays[1:], stays[2:], strict=False)
        if before.state == after.state == "changeover" and stop.state == "planned_stop"
    ]

    assert len(cut) > 5
    assert {before.to_ms - before.from_ms + after.to_ms - after.from_ms for before, after in cut} == {300_000}


def test_a_reload_keeps_the_lot_and_the_changeover_of_a_machine() -> None:
    """Also one that changes shares, for which states are drawn again, and sizes, which the next lot has."""
    plant = FactoryMessageGenerator.of(press(count=20, **WITH_LOTS), 1)
    found: list[TruthEvent] = []
    plant.listen(found.append)
    plant.advance(START + 1800)
    before = {view.machine_id for view in plant.machines() if view.status == "changeover"}
    states = {**STATES, "idle": {"share": 0.5, "dwell_seconds": 60}}
    plant.reload(press(count=20, states=states, **{**WITH_LOTS, "lots": {**LOTS, "size": 30}}))
    after = {view.machine_id for view in plant.machines() if view.status == "changeover"}
    plant.advance(START + 7200)
    jobs = [each for each in found if isinstance(each, FinishedJob)]
    sizes = Counter(job.lot for job in jobs if job.started_ms < (START + 1800) * 1000 - 600_000)
    across = {job.lot for job in jobs if job.started_ms < (START + 1800) * 1000} & {
        job.lot for job in jobs if job.started_ms > (START + 1800) * 1000
    }

    assert before
    assert before == after
    assert max(sizes.values()) <= 15
    assert len(across) > 10
    assert all(5 <= Counter(job.lot for job in jobs)[lot] <= 15 for lot in across)


def test_a_machine_of_a_line_makes_lots_and_repairs_between_them() -> None:
    """Pieces still flow: each is consumed once; a repair is in no lot, and has the kind of its piece."""
    data = press_data(count=2, **{**WITH_LOTS, "lots": {**LOTS, "changeover_seconds": 20}})
    results = {"good": 0.8, "rework": {"weight": 0.2, "good": False}}
    data["message_types"]["press"]["job"] = {**JOB, "kinds": KINDS, "results": results}
    data["message_types"]["oven"] = {"count": 2, "report_seconds": 60, "states": STATES, "job": {"cycle_seconds": 4}}
    data["message_types"]["customer_order"] = {"orders_per_hour": 3600, "product_types": ["unit"]}
    data["message_types"]["dispatch"] = {"dispatches_per_hour": 7200, "destinations": ["x"], "carriers": ["y"]}
    data["flow"] = {"processes": {"oven": "press"}, "buffers": {"press": 3}, "repairs": {"rework": "same"}}
    made = truth(parse(data), 2)
    jobs = [job for machine_id, jobs in made.jobs.items() if machine_id.startswith("PRESS") for job in jobs]
    kinds = {job.job_id: job.kind for job in jobs}
    repairs = [job for job in jobs if job.consumed_ids]
    taken = [each for job in made.all_jobs for each in job.consumed_ids or ()]
    lots = [lot for its in made.jobs.values() for lot in lots_of([job for job in its if job.lot])]

    assert len(repairs) > 100
    assert {job.lot for job in repairs} == {None}
    assert all(kinds.get(piece, job.kind) == job.kind for job in repairs for piece in job.consumed_ids or ())
    assert len(taken) == len(set(taken))
    assert {len(lot) for lot in lots} <= {*range(5, 16)}
    assert any(stay.state == "changeover" for stay in made.stays["PRESS-01"])


def test_the_forecast_has_jobs_and_changes_with_changeovers() -> None:
    """What `check` says of the messages of each job, and of each change, is what comes: within 3 %."""
    kinds = {"a": {"weight": 3, "cycle_seconds": 8}, "b": 1, "c": 2}
    messages = {"jobs": {"fields": ["machine_id", "finished.id"]}, "states": {"fields": ["status"], "on_change": True}}
    config = press(count=40, **{**WITH_LOTS, "job": {**JOB, "kinds": kinds}}, messages=messages)
    found = {each.key: each.extra_per_second for each in forecast(config).types}
    counts = Counter(message.kind for message in truth(config, 5).messages if message.trigger)

    assert found["press.jobs"] == pytest.approx(counts["press.jobs"] / 18_000, rel=0.03)
    assert found["press.states"] == pytest.approx(counts["press.states"] / 18_000, rel=0.03)


def test_without_lots_there_is_no_changeover_and_no_lot() -> None:
    """What is not declared is not there."""
    made = truth(press(count=3), 2)

    assert {job.lot for job in made.all_jobs} == {None}
    assert {stay.state for stays in made.stays.values() for stay in stays} == {*STATES}
