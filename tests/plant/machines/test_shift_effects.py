"""Jobs differ by the shift in which they start, and by who works at the machine in it."""

from __future__ import annotations

import statistics
from collections import defaultdict
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import orjson
import pytest

from messages import START
from plant.definition.calendar_config import CalendarSpec
from plant.definition.plant_config import PlantConfig, PlantConfigError, parse
from plant.shift_times import Shifts
from plant.truth.events import FinishedJob
from tests.support.factory.plants import share_error, standard_error
from tests.support.factory.truths import JOB, STATES, press_data, truth

CALENDAR: dict[str, Any] = {
    "time_zone": "UTC",
    "shifts": [
        {"name": "night", "start": "22:00", "end": "06:00"},
        {"name": "early", "start": "06:00", "end": "14:00"},
        {"start": "14:00", "end": "20:00"},
    ],
}
SHIFTS: dict[str, Any] = {"night": {"cycle_seconds": {"times": 1.2}, "results": {"scrap": {"times": 3}}}}
OPERATORS: dict[str, Any] = {"names": ["Ann", "Ben", "Cleo"], "spread": {"cycle_seconds": 0.15, "results": 0.5}}
FIELDS = ["timestamp", "machine_id", "operator", {"id": "finished.id"}, {"result": "finished.result"}]


def plant(**values: Any) -> PlantConfig:
    """Presses around the clock, except two hours in the evening; their jobs take a minute."""
    job = {**JOB, "cycle_seconds": [48, 72]}
    return parse(press_data(**{"job": job, **values}) | {"calendar": CALENDAR})


def hour(job: FinishedJob) -> int:
    """The hour of the day in which a job starts."""
    return datetime.fromtimestamp(job.started_ms / 1000, UTC).hour


def test_jobs_of_a_shift_have_its_cycles_and_results() -> None:
    """Those of the others are as usual; within 4 standard errors."""
    jobs = truth(plant(count=20, shifts=SHIFTS), 24).all_jobs
    jobs = [job for job in jobs if job.started_ms >= START * 1000]
    night = [job for job in jobs if hour(job) >= 22 or hour(job) < 6]
    others = [job for job in jobs if 6 <= hour(job) < 20]

    for its, cycle, scrap in ((night, 72.0, 0.3 / 1.2), (others, 60.0, 0.1)):
        cycles = [job.cycle_ms / 1000 for job in its]
        assert statistics.mean(cycles) == pytest.approx(cycle, abs=4 * standard_error(cycles) + 0.001)
        found = sum(job.result == "scrap" for job in its) / len(its)
        assert found == pytest.approx(scrap, abs=4 * share_error(scrap, len(its)))


def test_the_shift_that_is_on_is_the_one_that_has_begun_last() -> None:
    """Also across midnight; outside all shifts there is none."""
    overlap = {"name": "handover", "start": "05:30", "end": "06:30"}
    spec = CalendarSpec.model_validate({**CALENDAR, "shifts": [*CALENDAR["shifts"], overlap]})
    shifts, midnight = Shifts(spec), round(START * 1000)
    hours = {
        3.0: "night",
        5.49: "night",
        5.5: "handover",
        6.2: "early",
        14.0: "",
        19.999: "",
        22.0: "night",
        29.0: "night",
    }

    found = {each: shifts.at(midnight + round(each * 3_600_000)) for each in hours}
    assert {each: shift and (shift.began_ms, shift.name) for each, shift in found.items()} == {
        each: (midnight + round(begin * 3_600_000), name)
        for (each, name), begin in zip(hours.items(), (-2, -2, 5.5, 6, 14, 14, 22, 22), strict=True)
    }
    assert shifts.at(midnight + 21 * 3_600_000) is None
    assert [Shifts(spec).at(midnight + minute * 60_000) for minute in range(2000)] == [
        shifts.at(midnight + minute * 60_000) for minute in range(2000)
    ]


def test_an_operator_works_at_a_machine_for_a_shift() -> None:
    """Messages report one for each job; it changes with the shift alone, and each of them has a share of the shifts."""
    made = truth(plant(count=20, operators=OPERATORS, fields=FIELDS, report_seconds=40), 24)
    rows = [orjson.loads(message.payload) for message in made.messages]
    starts = {job.job_id: job.started_ms for job in made.all_jobs}
    shift_at, shifts = Shifts(CalendarSpec.model_validate(CALENDAR)).at, defaultdict(set)
    for row in (row for row in rows if row["id"] and starts[row["id"]] >= START * 1000):
        shifts[row["machine_id"], shift_at(starts[row["id"]])].add(row["operator"])
    names = [name for found in shifts.values() for name in found]

    assert all(len(found) == 1 for found in shifts.values())
    assert len(names) == 20 * 4
    assert set(names) == {"Ann", "Ben", "Cleo"}
    assert min(map(names.count, set(names))) > 15


def test_operators_differ_at_all_machines_alike() -> None:
    """By more than chance, in cycles and in scrap."""
    made = truth(plant(count=10, operators=OPERATORS, fields=FIELDS, report_seconds=40), 48)
    cycles = {job.job_id: job.cycle_ms / 1000 for job in made.all_jobs}
    by_operator: dict[tuple[str, bool], list[float]] = defaultdict(list)
    for row in (orjson.loads(message.payload) for message in made.messages):
        if row["id"] and row["operator"]:
            by_operator[row["operator"], row["machine_id"] > "PRESS-05"].append(cycles[row["id"]])
    means = {key: statistics.mean(its) for key, its in by_operator.items()}
    names = OPERATORS["names"]
    one, other = ([means[name, half] for name in names] for half in (False, True))

    assert one == pytest.approx(other, rel=0.03)
    assert max(one) - min(one) > 5


def test_shifts_and_operators_change_no_states() -> None:
    """Machines stop when they would have stopped."""
    usual, varied = (truth(plant(**values), 24) for values in ({}, {"shifts": SHIFTS, "operators": OPERATORS}))

    assert usual.stays == varied.stays


@pytest.mark.parametrize(
    ("values", "calendar", "said"),
    [
        (
            {"shifts": {"nigt": {}}},
            CALENDAR,
            "shifts.nigt: is not the name of a shift of the calendar; did",
        ),
        ({"shifts": {"night": {}}}, None, "shifts.night: is not the name of a shift of the calendar"),
        (
            {"shifts": {"night": {"results": {"scrp": {"times": 2}}}}},
            CALENDAR,
            "results.scrp: is not a result",
        ),
        ({"operators": {"names": ["Ann"]}}, None, "operators: needs a calendar, with whose shifts they change"),
        ({"operators": {"spread": {"results": 0.1}}}, CALENDAR, "operators.names: is missing"),
        ({"operators": {"names": []}}, CALENDAR, "operators.names: needs at least one entry"),
        ({"fields": ["operator"]}, CALENDAR, "fields[0].operator: is no source of a field"),
        ({"job": None, "shifts": {"night": {}}}, CALENDAR, "shifts: needs a job: the machines make nothing"),
    ],
)
def test_mistakes_have_their_place_and_rule(values: dict[str, Any], calendar: dict[str, Any] | None, said: str) -> None:
    """One each."""
    with pytest.raises(PlantConfigError) as refused:
        parse(press_data(**values) | ({"calendar": calendar} if calendar else {}))

    [mistake] = map(str, refused.value.mistakes)
    assert said in mistake


def test_a_type_of_the_library_takes_these_keys_too() -> None:
    """They are keys of every machine type."""
    entry = {"count": 1, "job": {"kinds": {"a": {"cycle_seconds": 5}, "b": 1}}, "lots": {"size": 3}, "states": STATES}
    made = truth(parse({"message_types": {"cnc_machine": entry}}), 0.5)
    lots = [len([*group]) for _, group in groupby(made.all_jobs, key=lambda job: job.lot)]

    assert set(lots[1:-1]) == {3}
