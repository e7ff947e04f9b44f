"""Facts about machines that wait between jobs, so that they make as many as the load of the calendar asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import cycle, pairwise
from typing import Any

import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.forecast.rate_forecast import forecast
from plant.forecast.throughput import jobs_per_hour
from plant.truth.events import FinishedJob, StateInterval
from tests.support.examples import cases
from tests.support.factory.truths import JOB, STATES, Truth, press_data, truth

ALWAYS = {"running": STATES["running"]}
HOUR = 3600.0
DAY = 24 * HOUR
MONDAY = START + 4 * DAY
"""2026-01-05T00:00Z."""
LOTS = {"size": [5, 10], "changeover_seconds": {"default": [200, 400]}}
PLANTS: dict[str, dict[str, Any]] = {
    "always producing": {"states": ALWAYS},
    "with stops": {},
    "with lots": {"lots": LOTS},
    "with warm-ups": {
        "states": STATES | {"warm_up": {"share": 0.1, "dwell_seconds": 100}},
        "only_between_jobs": ["warm_up"],
    },
    "scrapping": {"job": JOB | {"cycle_seconds": [40, 60], "on_stop": {"faulted": "scrap"}}},
    "differing": {"spread": {"shares": 0.3, "cycle_seconds": 0.1}},
    "starting up": {"start_up": {"after_stop_seconds": 60, "jobs": 3, "cycle_seconds": {"times": 2}}},
}


def plant(factor: float = 0.5, calendar: dict[str, Any] | None = None, **values: Any) -> PlantConfig:
    """A plant of presses under that load."""
    whole_day = {"shifts": [{"start": "00:00", "end": "24:00", "factor": factor}]}
    given = {"time_zone": "UTC", "factors": "load", **(whole_day if calendar is None else calendar)}
    return parse(press_data(**{"job": JOB | {"cycle_seconds": [40, 60]}, **values}) | {"calendar": given})


def told(config: PlantConfig, until: float, start: float = START) -> Truth:
    """What happened in a plant up to a time."""
    found = Truth(FactoryMessageGenerator.of(config, 1, start=start))
    found.plant.listen(found.note)
    found.plant.advance_silently(until)
    found.plant.close_truth()
    return found


def lengths(stays: Iterable[StateInterval], state: str) -> list[int]:
    """The lengths of the stays in a state, in milliseconds."""
    return [each.to_ms - each.from_ms for each in stays if each.state == state]


@pytest.mark.parametrize("factor", [0.9, 0.5, 1 / 3, 0.07])
def test_a_machine_waits_after_each_job_in_proportion_to_its_cycle(factor: float) -> None:
    """One that always produces waits cycle * (1 / factor - 1), to the millisecond, and then begins the next job."""
    made = truth(plant(factor, states=ALWAYS), 2)

    for machine_id, stays in made.stays.items():
        jobs = made.jobs[machine_id]
        expected = [round(job.cycle_ms * (1 / factor - 1)) for job in jobs]
        assert [each.state for each in stays] == [("running", "waiting")[place % 2] for place in range(len(stays))]
        waited = lengths(stays[:-1], "waiting")
        assert waited == expected[: len(waited)]
        assert [each.from_ms for each in stays if each.state == "waiting"] == [job.finished_ms for job in jobs]


LOADED = dict(zip(PLANTS, cycle([0.3, 0.8, 0.5])))
"""The load of each."""


@pytest.mark.parametrize("name", cases([*PLANTS], 3))
def test_a_shift_makes_its_factor_of_the_jobs(name: str) -> None:
    """Within 2 per cent of so many times the jobs at full load, whatever else stops or delays the machines."""
    factor = LOADED[name]
    full, less = (told(plant(each, count=50, **PLANTS[name]), START + 16 * HOUR) for each in (1.0, factor))

    assert len(less.all_jobs) / len(full.all_jobs) == pytest.approx(factor, rel=0.02)


def test_each_shift_of_a_day_has_its_own_factor() -> None:
    """And so has each day: a Saturday makes the weekend's share of a Friday, a holiday nothing."""
    shifts = [
        {"start": "06:00", "end": "14:00"},
        {"start": "14:00", "end": "22:00", "factor": 0.5},
        {"start": "22:00", "end": "02:00", "factor": 0.25},
    ]
    days = {"weekend_factor": 0.3, "holidays": ["2026-01-07"]}
    made = told(plant(calendar={"shifts": shifts, **days}, count=8, states=ALWAYS), MONDAY + 7 * DAY, MONDAY)
    hours = Counter(int((job.finished_ms / 1000 - MONDAY) // HOUR) for job in made.all_jobs)
    counts = [[sum(hours[24 * day + hour] for hour in range(*its)) for its in ((6, 14), (14, 22))] for day in range(7)]
    full = counts[0][0]
    shares = (1, 1, 0, 1, 1, 0.3, 0.3)

    for (early, late), share in zip(counts, shares, strict=True):
        assert early == pytest.approx(share * full, rel=0.02, abs=1)
        assert late == pytest.approx(share * full / 2, rel=0.02, abs=1)
    weekday, saturday = (sum(hours[hour] for hour in range(*its)) for its in ((96 + 6, 120 + 2), (120 + 6, 144 + 2)))
    assert saturday / weekday == pytest.approx(0.3, rel=0.02)


@pytest.mark.parametrize("ends", ["06:00", "04:00"])
def test_waiting_ends_sooner_as_a_shift_with_more_load_begins(ends: str) -> None:
    """A full shift begins at once, however little was asked for before: it makes as many jobs as it has cycles.

    Also where a planned stop lies between them.
    """
    shifts = [{"start": "00:00", "end": ends, "factor": 0.01}, {"start": "06:00", "end": "24:00"}]
    job = JOB | {"cycle_seconds": 60}
    config = plant(calendar={"shifts": shifts}, states=ALWAYS, job=job)
    made = told(config, MONDAY + DAY, MONDAY)

    for jobs in made.jobs.values():
        full = [job for job in jobs if job.finished_ms / 1000 > MONDAY + 6 * HOUR]
        assert len(full) == pytest.approx(18 * 60, abs=1)


@pytest.mark.parametrize("factor", [1e-6, 1e-9, 1e-300])
def test_a_machine_waits_for_a_year_at_most(factor: float) -> None:
    """However little is asked for in all shifts."""
    shifts = [{"start": start, "end": end, "factor": factor} for start, end in (("00:00", "12:00"), ("12:00", "24:00"))]
    job = JOB | {"cycle_seconds": 1000}
    made = told(plant(calendar={"shifts": shifts}, count=1, states=ALWAYS, job=job), MONDAY + 400 * DAY, MONDAY)

    for stays in made.stays.values():
        assert 366 * 86_400_000 in lengths(stays, "waiting")


def test_less_load_is_no_loss() -> None:
    """Planned time is that without waiting: availability, performance and quality are those at full load."""
    full, less = (told(plant(factor, count=40), START + 24 * HOUR).plant.oee() for factor in (1.0, 0.4))

    assert sum(each.stopped_seconds["waiting"] for each in less) == pytest.approx(0.6 * 40 * 24 * HOUR, rel=0.02)
    for each in less:
        waiting = each.stopped_seconds["waiting"]
        assert each.planned_seconds + waiting == pytest.approx(24 * HOUR)
    for name in ("availability", "performance", "quality"):
        of_full, of_less = (sum(getattr(each, name) for each in its) / 40 for its in (full, less))
        assert of_less == pytest.approx(of_full, rel=0.03)


def test_a_planned_stop_pauses_the_waiting() -> None:
    """The rest of it follows after the stop."""
    calendar = {
        "shifts": [{"start": "00:00", "end": "24:00", "factor": 0.1}],
        "breaks": [{"start": "00:30", "end": "00:40"}],
    }
    made = truth(plant(calendar=calendar, count=40, states=ALWAYS), 1)
    cut = [
        (job, before, after)
        for machine_id, stays in made.stays.items()
        for before, stop, after in zip(stays, stays[1:], stays[2:], strict=False)
        for job in made.jobs[machine_id]
        if stop.state == "planned_stop" and before.state == "waiting" and job.finished_ms == before.from_ms
    ]

    assert len(cut) > 20
    for job, before, after in cut:
        assert after.state == "waiting"
        waited_ms = before.to_ms - before.from_ms + after.to_ms - after.from_ms
        assert waited_ms == 9 * job.cycle_ms


def first_waiting(config: PlantConfig) -> tuple[FactoryMessageGenerator, Truth]:
    """A plant whose only machine has just begun to wait."""
    found = Truth(FactoryMessageGenerator.of(config, 1))
    found.plant.listen(found.note)
    while next(found.plant.machines()).status != "waiting":
        found.plant.advance(found.plant.now + 0.5)
    return found.plant, found


ONE: dict[str, Any] = {
    "count": 1,
    "states": ALWAYS | {"idle": {"share": 0, "dwell_seconds": 60}},
    "job": {"cycle_seconds": 5},
}


def test_a_command_stops_a_machine_that_waits() -> None:
    """It is stopped, and when it is started again, it waits for the rest."""
    running, found = first_waiting(plant(0.1, **ONE))
    running.execute({"command": "stop", "machine_id": "PRESS-01"})
    running.advance(running.now + 100)
    running.execute({"command": "start", "machine_id": "PRESS-01"})
    running.advance(running.now + 60)
    states = [(stay.state, stay.to_ms - stay.from_ms) for stay in found.stays["PRESS-01"]]
    place = [state for state, _ in states].index("stopped")
    (first, waited), (second, stopped), (third, rest) = states[place - 1 : place + 2]

    assert (first, second, third) == ("waiting", "stopped", "waiting")
    assert (waited + rest, stopped) == (45_000, 100_000)


def test_a_command_sets_the_state_of_a_machine_that_waits() -> None:
    """It waits no longer: the state that is set comes in place of the stay that waiting has interrupted."""
    running, found = first_waiting(plant(0.1, **ONE))
    running.execute({"command": "set_state", "machine_id": "PRESS-01", "state": "idle", "seconds": 7})
    running.advance(running.now + 8)
    running.close_truth()

    assert [stay.state for stay in found.stays["PRESS-01"]][-3:] == ["waiting", "idle", "running"]
    assert lengths(found.stays["PRESS-01"], "idle") == [7000]


@pytest.mark.parametrize("factors", [{"factors": "load"}, {"factors": "stops"}], ids=["same", "another"])
def test_a_reload_keeps_the_waiting(factors: dict[str, str]) -> None:
    """Also one after which machines no longer wait; what has begun is ended."""
    running, found = first_waiting(plant(0.1, **ONE))
    running.reload(parse(press_data(**ONE) | {"calendar": {"time_zone": "UTC", **factors}}))
    running.advance(running.now + 120)
    running.close_truth()

    assert lengths(found.stays["PRESS-01"], "waiting") == [45_000]


def test_a_changeover_comes_after_the_waiting() -> None:
    """And what it takes is waited for as well."""
    made = truth(plant(0.5, count=20, states=ALWAYS, lots=LOTS), 12)
    pairs = [(a, b) for its in made.stays.values() for a, b in pairwise(its) if b.state == "changeover"]

    assert len(pairs) > 100
    assert {before.state for before, _ in pairs} == {"waiting"}
    all_stays = [stay for its in made.stays.values() for stay in its]
    running, changing, waiting = (sum(lengths(all_stays, state)) for state in ("running", "changeover", "waiting"))
    assert waiting == pytest.approx(running + changing, rel=0.02)


def test_a_job_that_a_stop_has_ended_is_followed_by_the_stop() -> None:
    """Not by waiting: the machine makes nothing as it is."""
    made = truth(plant(0.5, count=30, **PLANTS["scrapping"]), 4)
    ended = {(job.machine_id, job.finished_ms) for job in made.all_jobs if job.result == "scrap"}
    stays = [stay for its in made.stays.values() for stay in its]
    begins = {state: {(each.machine_id, each.from_ms) for each in stays if each.state == state} for state in STATES}
    waits = {(each.machine_id, each.from_ms) for each in stays if each.state == "waiting"}

    assert len(ended & begins["faulted"]) > 50
    assert ended & begins["faulted"] & waits == set()


def test_waiting_is_no_stop_after_which_jobs_differ() -> None:
    """Less load changes how many jobs there are, and not how long one takes."""
    start_up = {"after_stop_seconds": 60, "jobs": 3, "cycle_seconds": {"times": 3}}
    made = told(plant(0.2, states=ALWAYS, start_up=start_up), START + 4 * HOUR)
    waited = [ms for its in made.stays.values() for ms in lengths(its[:-1], "waiting")]

    assert min(waited) > 60_000
    assert max(job.cycle_ms for job in made.all_jobs) <= 60_000


@pytest.mark.parametrize("values", [{}, {"lots": LOTS}], ids=["plain", "lots"])
def test_the_forecast_is_that_of_the_mean_load(values: dict[str, Any]) -> None:
    """Of jobs, of their messages and of changes of the state, over a week of its working time."""
    shifts = [{"start": "00:00", "end": "12:00"}, {"start": "12:00", "end": "24:00", "factor": 0.4}]
    messages: dict[str, Any] = {
        "job": {"fields": ["machine_id", "finished.id", "finished.result"], "report_seconds": 600},
        "state": {"fields": ["machine_id", "status"], "on_change": True},
    }
    job = JOB | {"cycle_seconds": [80, 120]}
    values = {"count": 10, "report_seconds": None, "messages": messages, "job": job, **values}
    config = plant(calendar={"shifts": shifts, "weekend_factor": 0.5}, **values)
    running = FactoryMessageGenerator.of(config, 1, start=MONDAY)
    found: Counter[str] = Counter()
    jobs = Truth(running)
    running.listen(jobs.note)
    found.update(each.kind for each in running.advance(MONDAY + 7 * DAY))
    per_second = {each.key: each.per_second for each in forecast(config).types}
    expected = jobs_per_hour(config, config.message_types.machines["press"], 10)

    assert len(jobs.all_jobs) / (7 * 24) == pytest.approx(expected, rel=0.02)
    for kind, rate in per_second.items():
        assert found[kind] / (7 * DAY) == pytest.approx(rate, rel=0.03), kind


def test_machines_without_jobs_never_wait() -> None:
    """They have nothing to wait for."""
    made = told(plant(0.5, job=None), START + 4 * HOUR)

    assert "waiting" not in {stay.state for its in made.stays.values() for stay in its}
    assert not any(isinstance(each, FinishedJob) for each in made.all_jobs)
