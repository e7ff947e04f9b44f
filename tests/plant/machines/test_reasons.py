"""Reasons of stays and of results: drawn by their weights, and the same in messages and in the ground truth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from messages import START, FactoryMessageGenerator
from tests.plant.machines.test_transitions import mistakes
from tests.support.factory.plants import share_error
from tests.support.factory.truths import JOB, STATES, Truth, press, truth

REASONS: dict[str, Any] = {
    "faulted": {"E101 jam": 3, "E202 drive overload": 1},
    "scrap": {"scratch": 0.7, "size": 0.3},
}
FIELDS: list[Any] = [
    "timestamp", "machine_id", "status", {"why": "state.reason"}, {"code": "state.reason_code"}, {"id": "finished.id"},
    {"result": "finished.result"}, {"of": "finished.reason"}, {"of_code": "finished.reason_code"},
]  # fmt: skip
JOBS: dict[str, Any] = {**JOB, "cycle_seconds": [8, 12]}
CODES = {"jam": "E101", "drive overload": "E202", None: None}


@pytest.fixture(scope="module")
def made() -> Truth:
    """Fifteen presses over ten hours."""
    return truth(press(count=15, job=JOBS, reasons=REASONS, fields=FIELDS), 10)


def rows(found: Truth) -> Iterator[tuple[int, dict[str, Any]]]:
    """The messages, each with its time."""
    return ((each.time_ms, orjson.loads(each.payload)) for each in found.messages)


def test_reasons_come_by_their_weights(made: Truth) -> None:
    """Those of a state by stays, those of a result by jobs, within four standard errors; what has none has none."""
    stays = Counter(stay.reason for each in made.stays.values() for stay in each if stay.state == "faulted")
    jobs = Counter(job.reason for job in made.all_jobs if job.result == "scrap")
    others = {stay.reason for each in made.stays.values() for stay in each if stay.state != "faulted"}

    assert stays["E101 jam"] / stays.total() == pytest.approx(0.75, abs=4 * share_error(0.75, stays.total()))
    assert jobs["scratch"] / jobs.total() == pytest.approx(0.7, abs=4 * share_error(0.7, jobs.total()))
    assert len(stays) == len(jobs) == 2
    assert others | {job.reason for job in made.all_jobs if job.result == "good"} == {None}


def test_messages_report_the_reason_that_was(made: Truth) -> None:
    """The code is the first word, the text the rest; a single word is both."""
    reasons = {job.job_id: job.reason for job in made.all_jobs}
    stays = {machine_id: [*each] for machine_id, each in made.stays.items()}
    seen = Counter[str | None]()
    for time_ms, row in rows(made):
        its = stays[row["machine_id"]]
        while its[0].to_ms <= time_ms and len(its) > 1:
            its.pop(0)
        told = None if row["why"] is None else f"{row['code']} {row['why']}"
        seen[told] += 1
        assert CODES[row["why"]] == row["code"]
        assert told == its[0].reason or time_ms == its[0].from_ms
        assert row["of"] == row["of_code"] == (reasons[row["id"]] if row["id"] else None)

    assert seen.keys() == {None, "E101 jam", "E202 drive overload"}


def test_machines_that_make_nothing_report_why_they_stop() -> None:
    """Reasons of stays need no jobs."""
    fields = ["timestamp", "machine_id", "status", {"why": "state.reason"}, {"code": "state.reason_code"}]
    found = truth(press(job=None, reasons={"faulted": {"E101 jam": 1}}, fields=fields), 10)

    told = {(row["status"], row["why"], row["code"]) for _, row in rows(found)}
    assert ("faulted", "jam", "E101") in told
    assert {why for state, why, _ in told if state != "faulted"} == {None}


def test_reasons_change_nothing_else(made: Truth) -> None:
    """They are drawn for themselves."""
    without = truth(press(count=15, job=JOBS), 10)

    assert [job._replace(reason=None) for job in made.all_jobs] == without.all_jobs
    assert [stay._replace(reason=None) for each in made.stays.values() for stay in each] == [
        stay for each in without.stays.values() for stay in each
    ]


def test_a_stay_keeps_its_reason_over_a_stop_from_outside() -> None:
    """It goes on after it; the next stay in the same state has a reason of its own."""
    many = {"faulted": {f"E{number} {number}": 1 for number in range(1000)}}
    plant = FactoryMessageGenerator.of(press(count=1, reasons=many, fields=FIELDS), 1)
    told: list[Any] = []

    def ask(at: float, command: str, **more: object) -> None:
        told.extend(row["why"] for row in map(json.loads, (each.payload for each in plant.advance(START + at))))
        plant.execute({"command": command, "machine_id": "PRESS-01", **more})

    ask(60, "set_state", state="faulted", seconds=1000)
    ask(150, "stop")
    ask(250, "start")
    ask(600, "set_state", state="idle", seconds=500)
    first = {*told}
    ask(700, "set_state", state="faulted", seconds=500)
    ask(900, "stop")

    assert len(first - {None}) == 1
    assert len({*told} - {None}) == 2


def test_reasons_do_not_depend_on_how_time_is_cut(made: Truth) -> None:
    """Second by second, or at once."""
    config = press(count=3, reasons=REASONS, fields=FIELDS)
    steps, whole = (FactoryMessageGenerator.of(config, 5) for _ in range(2))
    in_steps = [each for second in range(0, 3600, 7) for each in steps.advance(START + second)]

    assert in_steps == whole.advance(steps.now)


def test_what_has_no_such_name_is_refused() -> None:
    """Names are those of states and results; weights are not all 0; fields exist where there are reasons."""
    place = "message_types.press."
    of_press = {"states": STATES, "job": JOB}

    assert mistakes({"press": {**of_press, "reasons": {"faultet": {"E1": 1}, "scrap": {"E2": 1}}}}) == [
        place + "reasons.faultet: is neither a state nor a result of this type; did you mean faulted?"
    ]
    assert mistakes({"press": {**of_press, "reasons": {"scrap": {"E2": 0}}}}) == [
        place + "reasons.scrap: needs at least one entry greater than 0"
    ]
    assert "is no source of a field" in mistakes({"press": {**of_press, "fields": ["machine_id", "state.reason"]}})[0]
