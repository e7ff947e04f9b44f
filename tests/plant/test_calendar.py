"""Facts about the calendar: planned stops to the millisecond, and what they do to a plant."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from math import ceil
from operator import attrgetter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import FactoryMessageGenerator
from plant.calendar import Calendar
from plant.definition.calendar_config import CalendarSpec
from plant.definition.document.weekly_windows import DAYS
from plant.definition.plant_config import Global, PlantConfig, PlantConfigError, load, parse
from plant.machines.states import NEVER
from plant.shift_times import WallClock
from plant.telemetry import Message
from plant.time_zones import zone_info
from plant.truth.events import FinishedJob, StateInterval, TruthEvent
from tests.support.examples import examples
from tests.support.exports import yamlread

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "calendar.md").read_text("utf-8")
ORIGINAL = ROOT / "tests" / "data" / "original.yaml"
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
BRIEFLY = settings(max_examples=examples(10), deadline=None)
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu", "UTC")
WEEKDAYS = "[mon, tue, wed, thu, fri]"
WORKWEEK = f"""
time_zone: Europe/Berlin
shifts:
  - {{start: "06:00", end: "14:00", days: {WEEKDAYS}}}
  - {{start: "14:00", end: "22:00", days: {WEEKDAYS}}}
breaks: [{{start: "09:00", end: "09:15"}}]
"""


def calendar(text: str, kind: str = "cnc_machine") -> Calendar:
    """The calendar that YAML describes, for a machine type."""
    return Calendar(CalendarSpec.model_validate(yamlread.value(text)), kind)


def utc(text: str) -> int:
    """A moment in milliseconds since 1970."""
    return round(datetime.fromisoformat(f"{text}+00:00").timestamp() * 1000)


def spans(found: Calendar, from_ms: int, to_ms: int) -> Iterator[tuple[int, int, bool]]:
    """Return the intervals of a time, each with whether it is a planned stop."""
    while from_ms < to_ms:
        until_ms = min(found.next_change(from_ms), to_ms)
        yield from_ms, until_ms, found.planned_stop(from_ms)
        from_ms = until_ms


def worked_hours(found: Calendar, from_ms: int, to_ms: int) -> float:
    """Time meant for work, in hours."""
    return sum(end - begin for begin, end, stopped in spans(found, from_ms, to_ms) if not stopped) / HOUR_MS


def hours_of_day(text: str, day: str, kind: str = "cnc_machine") -> float:
    """Hours meant for work between two midnights on the wall."""
    found = calendar(text, kind)
    return worked_hours(found, *WallClock(yamlread.value(text)["time_zone"]).day(date.fromisoformat(day)))


def changes(text: str, from_ms: int, to_ms: int) -> list[str]:
    """Each change in a time, as UTC with what begins."""
    pieces = list(spans(calendar(text), from_ms, to_ms))[1:]
    return [
        f"{datetime.fromtimestamp(begin / 1000, UTC):%d %H:%M} {'stop' if stopped else 'work'}"
        for begin, _, stopped in pieces
    ]


def told(tmp_path: Path, text: str) -> list[str]:
    """The mistakes in a calendar under the original plant, by their line in the calendar."""
    original, file = ORIGINAL.read_text("utf-8"), tmp_path / "plant.yaml"
    file.write_text(f"{original}\ncalendar:{text}", "utf-8")
    with pytest.raises(PlantConfigError) as caught:
        load(file)
    lines = original.count("\n") + 2
    return [f"{(each.line or 0) - lines}: {each.path}: {each.rule}" for each in caught.value.mistakes]


# A week


def test_a_week_of_two_shifts() -> None:
    """Five days of 16 hours less a quarter for breaks, and no work at the weekend."""
    found = calendar(WORKWEEK)

    assert worked_hours(found, utc("2026-01-05"), utc("2026-01-12")) == 5 * 15.75
    assert found.planned_stop(utc("2026-01-10T12:00"))


def test_shifts_that_adjoin_make_no_change() -> None:
    """Work continues from one shift to the next; the break is the only stop of the day."""
    assert changes(WORKWEEK, utc("2026-01-05"), utc("2026-01-06")) == [
        *("05 05:00 work", "05 08:00 stop", "05 08:15 work", "05 21:00 stop")
    ]


def test_a_change_belongs_to_what_begins() -> None:
    """At 06:00 sharp the shift is on, a millisecond before it is not."""
    found = calendar(WORKWEEK)

    assert [found.planned_stop(utc("2026-01-05T05:00") - before) for before in (1, 0)] == [True, False]


def test_the_next_change_is_after_the_moment_asked_for() -> None:
    """Asked at a change itself, the calendar names the one that follows."""
    found = calendar(WORKWEEK)

    assert found.next_change(utc("2026-01-05T05:00")) == utc("2026-01-05T08:00")
    assert found.next_change(utc("2026-01-05T05:00") - 1) == utc("2026-01-05T05:00")


def test_without_shifts_work_goes_on_around_the_clock() -> None:
    """A calendar of a time zone alone plans no stop ever."""
    found = calendar("time_zone: America/New_York")

    assert (found.planned_stop(utc("2026-01-01")), found.next_change(utc("2026-01-01"))) == (False, NEVER)


def test_factor_0_everywhere_is_a_stop_without_end() -> None:
    """A plant that never works is in a planned stop forever."""
    found = calendar('{time_zone: UTC, shifts: [{start: "06:00", end: "14:00", factor: 0}]}')

    assert (found.planned_stop(utc("2026-01-01")), found.next_change(utc("2026-01-01"))) == (True, NEVER)


def test_overlapping_shifts_are_worked_once() -> None:
    """06-14 and 12-20 make 14 hours in one piece."""
    text = '{time_zone: UTC, shifts: [{start: "12:00", end: "20:00"}, {start: "06:00", end: "14:00"}]}'

    assert changes(text, utc("2026-01-05"), utc("2026-01-06")) == ["05 06:00 work", "05 20:00 stop"]


def test_a_shift_over_midnight_belongs_to_the_day_on_which_it_starts() -> None:
    """The night shift of Friday ends on Saturday morning, though no shift starts at the weekend."""
    text = f'{{time_zone: UTC, shifts: [{{start: "22:00", end: "06:00", days: {WEEKDAYS}}}]}}'

    assert changes(text, utc("2026-01-09T12:00"), utc("2026-01-12T12:00")) == ["09 22:00 work", "10 06:00 stop"]


# Factors


def test_a_factor_leaves_the_first_part_of_a_shift() -> None:
    """At 0.5 the night from 22:00 to 06:00 is worked until 02:00."""
    text = '{time_zone: UTC, shifts: [{start: "22:00", end: "06:00", factor: 0.5}]}'

    assert changes(text, utc("2026-01-05T12:00"), utc("2026-01-06T12:00")) == ["05 22:00 work", "06 02:00 stop"]


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2026-12-23", 8.0), ("2026-12-25", 0.8), ("2026-12-26", 0.8), ("2026-12-27", 2.4)],
    ids=["Wednesday", "a holiday", "a holiday on a Saturday", "Sunday"],
)
def test_days_have_their_factors(day: str, hours: float) -> None:
    """The weekend has its factor; that of a holiday replaces it."""
    text = """
        time_zone: Europe/Berlin
        shifts: [{start: "06:00", end: "14:00"}]
        weekend_factor: 0.3
        holiday_factor: 0.1
        holidays: [2026-12-25, "2026-12-26"]
    """

    assert hours_of_day(text, day) == hours


def test_a_holiday_is_no_working_day_by_default() -> None:
    """Without a factor of its own it has 0."""
    assert hours_of_day(f"{WORKWEEK}holidays: [2026-12-24]", "2026-12-24") == 0


def test_the_factors_of_shift_and_day_are_multiplied() -> None:
    """Half a night shift at 0.3 on the weekend is 0.15 of 8 hours."""
    text = '{time_zone: UTC, weekend_factor: 0.3, shifts: [{start: "10:00", end: "18:00", factor: 0.5}]}'

    assert hours_of_day(text, "2026-01-10") == pytest.approx(1.2, abs=1e-6)


# Daylight saving


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("America/Havana", "2024-03-10", 23),
        ("America/Havana", "2024-11-03", 25),
        ("America/St_Johns", "2006-10-29", 25),
        ("Pacific/Apia", "2011-12-30", 0),
        ("Europe/Berlin", "2026-06-01", 24),
    ],
)
def test_a_day_is_as_long_as_it_is(zone: str, day: str, hours: float) -> None:
    """From midnight to midnight by UTC, also where the clock changes at midnight, or where a day is left out."""
    assert hours_of_day(f"time_zone: {zone}", day) == hours


@pytest.mark.parametrize(
    ("zone", "evening", "hours"),
    [
        ("Europe/Berlin", "2026-03-28", 7),
        ("Europe/Berlin", "2026-10-24", 9),
        ("America/New_York", "2026-03-07", 7),
        ("America/New_York", "2026-10-31", 9),
        ("Australia/Lord_Howe", "2026-10-03", 7.5),
        ("Europe/Berlin", "2026-01-10", 8),
    ],
)
def test_a_night_shift_is_an_hour_shorter_or_longer_when_the_clock_changes(
    zone: str, evening: str, hours: float
) -> None:
    """22:00 to 06:00 on the wall; half of it is half of what it really is."""
    shift, wall = '{start: "22:00", end: "06:00", factor: %s}', WallClock(zone)
    noon = datetime.fromisoformat(f"{evening}T12:00")
    span = wall.interval((noon, noon + timedelta(days=1)))

    worked = [
        worked_hours(calendar(f"{{time_zone: {zone}, shifts: [{shift % factor}]}}"), *span) for factor in (1, 0.5)
    ]

    assert worked == [hours, hours / 2]


def test_a_reading_that_the_clock_skips_is_the_moment_of_the_jump() -> None:
    """In the night of 2026-03-29 Berlin's clock goes from 02:00 to 03:00, at 01:00 UTC."""
    text = '{time_zone: Europe/Berlin, shifts: [{start: "02:30", end: "04:00"}]}'

    assert changes(text, utc("2026-03-29"), utc("2026-03-29T12:00")) == ["29 01:00 work", "29 02:00 stop"]


def test_a_reading_that_comes_twice_is_the_first_of_the_two() -> None:
    """In the night of 2026-10-25 Berlin's clock shows 02:30 at 00:30 UTC and again at 01:30 UTC."""
    text = '{time_zone: Europe/Berlin, shifts: [{start: "02:30", end: "04:00"}]}'

    assert changes(text, utc("2026-10-25"), utc("2026-10-25T12:00")) == ["25 00:30 work", "25 03:00 stop"]


def test_a_break_within_the_hour_that_is_skipped_does_not_take_place() -> None:
    """02:15 to 02:45 is no time at all in that night."""
    text = '{time_zone: Europe/Berlin, breaks: [{start: "02:15", end: "02:45"}]}'

    assert hours_of_day(text, "2026-03-29") == 23
    assert hours_of_day(text, "2026-03-28") == 23.5


def test_a_clock_put_back_over_midnight_shows_the_old_day_within_the_new_one() -> None:
    """In St. John's 2006-10-29 began at 02:30 UTC and a minute later it was 23:01 of the 28th again: no way back."""
    found = calendar('{time_zone: America/St_Johns, shifts: [{start: "00:00", end: "24:00", days: [sun]}]}')

    assert not found.planned_stop(utc("2006-10-29T02:45"))
    assert found.next_change(utc("2006-10-28T12:00")) == utc("2006-10-29T02:30")


# Maintenance


def test_maintenance_stops_the_types_it_names() -> None:
    """Saturday morning is for the CNC mills; the others work on."""
    text = """
        time_zone: Europe/Berlin
        maintenance: [{types: [cnc_machine], weekday: sat, start: "08:00", end: "12:00"}]
    """

    assert [hours_of_day(text, "2026-01-10", kind) for kind in ("cnc_machine", "welding")] == [20, 24]


def test_maintenance_without_types_stops_all() -> None:
    """Once, over days, from a local time to another."""
    text = '{time_zone: UTC, maintenance: [{from: "2026-03-01T08:00", to: 2026-03-03}]}'

    assert changes(text, utc("2026-01-01"), utc("2027-01-01")) == ["01 08:00 stop", "03 00:00 work"]


def test_maintenance_far_ahead_is_found_at_once() -> None:
    """The days between are skipped: 170 years would take seconds."""
    found = calendar('{time_zone: Europe/Berlin, maintenance: [{from: "2198-03-01T08:00", to: "2198-03-01T09:00"}]}')
    began = time.process_time()

    assert found.next_change(utc("2026-01-01")) == utc("2198-03-01T07:00")
    assert time.process_time() - began < 0.5


def test_a_holiday_far_ahead_may_be_felt_on_the_day_after() -> None:
    """Of two shifts that overlap around the clock, the one from 23:00 is cut to three quarters, and ends at 17."""
    text = """
        time_zone: UTC
        shifts: [{start: "23:00", end: "22:59"}, {start: "18:00", end: "06:00"}]
        holidays: [2198-03-05]
        holiday_factor: 0.75
    """

    assert calendar(text).next_change(utc("2026-01-01")) == utc("2198-03-06T16:59:15")


def test_a_year_of_changes_is_found_in_no_time() -> None:
    """1,500 changes and more, asked one after the other."""
    began = time.process_time()

    assert len(list(spans(calendar(WORKWEEK), utc("2026-01-01"), utc("2027-01-01")))) > 1_000
    assert time.process_time() - began < 2


# Any calendar

MINUTES = st.integers(0, 1439)


def windows(low: int, high: int, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Windows of some days."""
    times = st.lists(MINUTES, min_size=2, max_size=2, unique=True)
    days = st.lists(st.sampled_from(DAYS), min_size=1, unique=True)
    made = st.builds(_window, times, st.fixed_dictionaries({"days": days, **more}))
    return st.lists(made, min_size=low, max_size=high)


def _window(times: Sequence[int], rest: dict[str, Any]) -> dict[str, Any]:
    start, end = ("{:02d}:{:02d}".format(*divmod(each, 60)) for each in times)
    return {"start": start, "end": end, **rest}


FACTORS = st.sampled_from([0.0, 0.25, 0.5, 1.0])
CHANGES = [
    date(2026, 3, 8),
    date(2026, 3, 29),
    date(2026, 4, 5),
    date(2026, 10, 4),
    date(2026, 10, 25),
    date(2026, 11, 1),
]
DATES = st.sampled_from(CHANGES).flatmap(
    lambda day: st.sampled_from([day + timedelta(days) for days in (-2, -1, 0, 1)])
)
CALENDARS = st.fixed_dictionaries(
    {
        "time_zone": st.sampled_from(ZONES),
        "shifts": windows(1, 3, factor=FACTORS),
        "breaks": windows(0, 2),
        "weekend_factor": FACTORS,
        "holiday_factor": FACTORS,
        "holidays": st.lists(DATES, max_size=2, unique=True),
    }
)


def by_definition(spec: CalendarSpec, day: date) -> list[bool]:
    """Return whether there is a planned stop, for each minute of two days of UTC, by the clock at each minute."""
    zone, first = zone_info(spec.time_zone), datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(3)
    shown = [(first + timedelta(minutes=each)).astimezone(zone).replace(tzinfo=None) for each in range(7 * 1440)]
    stands = [True] * len(shown)

    def moment(reading: datetime) -> int:
        return next((at for at, read in enumerate(shown) if read >= reading), len(shown))

    def fill(window: Any, began: date, share: float, *, stopped: bool) -> None:
        if readings := window.on(began):
            start, end = map(moment, readings)
            minutes = ceil((end - start) * share)  # exact: all shares are sums of few powers of two
            stands[start : start + minutes] = [stopped] * minutes

    days = [day + timedelta(each) for each in (-2, -1, 0, 1, 2)]
    for began in days:
        for shift in spec.shifts:
            fill(shift, began, shift.factor * spec.day_factor(began), stopped=False)
    for began in days:
        for each in spec.breaks:
            fill(each, began, 1.0, stopped=True)
    return stands[3 * 1440 : 5 * 1440]


@BRIEFLY
@given(CALENDARS, st.sampled_from(CHANGES))
def test_a_calendar_equals_its_definition_minute_by_minute(data: dict[str, Any], day: date) -> None:
    """Any calendar, on two days around a change of the clock, against minutes that are counted one by one."""
    spec = CalendarSpec.model_validate(data)
    found, begin_ms = Calendar(spec, "welding"), utc(str(day))

    assert [found.planned_stop(begin_ms + minute * 60_000) for minute in range(2 * 1440)] == by_definition(spec, day)


@BRIEFLY
@given(CALENDARS, st.lists(st.integers(utc("2026-03-01"), utc("2026-12-01")), min_size=2, max_size=8))
def test_changes_and_stops_agree(data: dict[str, Any], times: list[int]) -> None:
    """Up to the next change all is as it was, at it all is otherwise; in whatever order one asks."""
    spec = CalendarSpec.model_validate(data)
    asked = Calendar(spec, "welding")

    for time_ms in times:
        fresh = Calendar(spec, "welding")
        change_ms, stopped = asked.next_change(time_ms), asked.planned_stop(time_ms)
        assert (fresh.next_change(time_ms), fresh.planned_stop(time_ms)) == (change_ms, stopped)
        assert change_ms > time_ms
        assert fresh.planned_stop((time_ms + min(change_ms, time_ms + DAY_MS)) // 2) is stopped
        assert change_ms == NEVER or fresh.planned_stop(change_ms - 1) is stopped is not fresh.planned_stop(change_ms)


@BRIEFLY
@given(CALENDARS)
def test_time_is_tiled(data: dict[str, Any]) -> None:
    """The pieces of a month adjoin, alternate, and add up to it."""
    begin_ms, end_ms = utc("2026-03-01"), utc("2026-04-12")
    pieces = list(spans(Calendar(CalendarSpec.model_validate(data), "welding"), begin_ms, end_ms))

    assert sum(end - begin for begin, end, _ in pieces) == end_ms - begin_ms
    assert all(before[1] == after[0] and before[2] is not after[2] for before, after in pairwise(pieces))


# A plant

SCENARIO = ROOT / "scenarios" / "two-shifts.yaml"
MONDAY = utc("2026-01-05") / 1000
DAY, HOUR = 86_400.0, 3_600.0
PAYLOAD = attrgetter("payload")
STANDS = b'"status":"planned_stop"'


def small(calendar_text: str | None, **spec: Any) -> PlantConfig:
    """Six CNC mills alone that report each minute, and orders; with a calendar or without."""
    data = yamlread.value(ORIGINAL.read_text("utf-8"))
    mills, orders = data["message_types"]["cnc_machine"], data["message_types"]["customer_order"]
    del mills["frequency_weight"]
    mills.update({"report_seconds": 60.0, "cycle_time_range": [80.0, 120.0], **spec})
    data["message_types"] = {"cnc_machine": mills, "customer_order": {**orders, "orders_per_hour": 6}}
    data["global"]["machine_counts"] = {"cnc": 6}
    return parse(data | ({"calendar": yamlread.value(calendar_text)} if calendar_text else {}))


def plant(config: PlantConfig, start: float = MONDAY, shard: tuple[int, int] = (1, 1)) -> FactoryMessageGenerator:
    """A plant that runs from a Monday on."""
    return FactoryMessageGenerator.of(config, 1, start=start, shard=shard)


def heard(running: FactoryMessageGenerator, until: float) -> list[TruthEvent]:
    """All that is true of a plant up to a time."""
    truth: list[TruthEvent] = []
    running.listen(truth.append)
    running.advance_silently(until)
    running.close_truth()
    return truth


def test_messages_report_planned_stops_of_the_calendar() -> None:
    """Every machine at its regular period, day and night; the status follows the calendar to the millisecond."""
    rows = [row for row in plant(small(WORKWEEK)).advance(MONDAY + 7 * DAY) if row.kind == "cnc_machine"]
    found = calendar(WORKWEEK)

    assert [STANDS in row.payload for row in rows] == [found.planned_stop(row.time_ms) for row in rows]
    times = [row.time_ms for row in rows if row.source == "CNC-01"]
    assert len(times) == 7 * 1440
    assert {after - before for before, after in pairwise(times)} == {60_000}


def test_a_plant_with_a_calendar_is_the_same_plant_in_its_working_time() -> None:
    """Three days of two shifts account for 46.5 hours without a break, CNC mills for 44.5, to the millisecond.

    So neither availability nor any other figure is touched by the calendar.
    """
    shifts, always = load(SCENARIO), load(SCENARIO).model_copy(update={"calendar": None})
    days, worked = plant(shifts), plant(always)
    days.advance_silently(MONDAY + 3 * DAY)
    found = {figures.machine_id: figures for figures in days.oee()}

    for hours, kinds in ((44.5, {"cnc_machine"}), (46.5, {"printer_3d", "welding", "painting", "testing"})):
        worked.advance_silently(MONDAY + hours * HOUR)
        for one in (figures for figures in worked.oee() if figures.kind in kinds):
            other = found[one.machine_id]
            stopped = {state: each for state, each in other.stopped_seconds.items() if state != "planned_stop"}
            assert (other.planned_seconds, other.producing_seconds) == (hours * HOUR, one.producing_seconds)
            assert other.stopped_seconds["planned_stop"] == (72 - hours) * HOUR
            assert (stopped, other.results) == (dict(one.stopped_seconds), one.results)


def test_shares_of_planned_time_are_those_of_the_yaml() -> None:
    """Over 15 weeks of two shifts the states have the shares that they are to have; a stop is as likely to meet any."""
    brief = dict.fromkeys(("running", "idle", "maintenance", "faulted"), 120.0)
    weeks = plant(small(WORKWEEK, dwell_seconds=brief, cycle_time_range=[1800.0, 1800.0]))
    weeks.advance_silently(MONDAY + 105 * DAY)
    (mills,) = weeks.oee_by_kind()

    shares = {state: seconds / mills.planned_seconds for state, seconds in mills.stopped_seconds.items()}
    assert mills.planned_seconds / 6 == 15 * 78.75 * HOUR
    assert mills.availability == pytest.approx(0.7, abs=0.006)
    assert [shares[state] for state in ("idle", "maintenance", "faulted")] == pytest.approx(
        [0.2, 0.08, 0.02], abs=0.006
    )


def test_planned_stops_in_the_ground_truth_are_those_of_the_calendar_and_no_job_ends_in_one() -> None:
    """Every planned stop of every machine begins and ends by the calendar; stay and job continue after it."""
    found, begin_ms = calendar(WORKWEEK), utc("2026-01-05")
    end_ms = begin_ms + 7 * DAY_MS
    truth = heard(plant(small(WORKWEEK)), end_ms / 1000)

    stops = {(begin, end) for begin, end, stopped in spans(found, begin_ms, end_ms) if stopped}
    stays = [each for each in truth if isinstance(each, StateInterval)]
    jobs = [each for each in truth if isinstance(each, FinishedJob)]
    told = [(each.from_ms, each.to_ms) for each in stays if each.state == "planned_stop"]
    assert sorted(told) == sorted(6 * [*stops])
    assert sum(each.to_ms - each.from_ms for each in stays) == 6 * 7 * DAY_MS
    assert len(jobs) > 6 * 1_000
    assert [job for job in jobs if found.planned_stop(job.finished_ms)] == []


def test_what_is_due_as_a_stop_begins_waits() -> None:
    """Of 300 mills with ten jobs a second, some would finish one in that very millisecond: they do after the stop."""
    stop = '{time_zone: UTC, maintenance: [{from: "2026-01-05T00:00:02", to: "2026-01-05T00:00:04"}]}'
    config = small(stop, cycle_time_range=[0.1, 0.1], status_distribution={"running": 1}, statuses=["running"])
    many = config.model_copy(update={"global_": Global(machine_counts={"cnc": 300})})
    finished = {
        each.finished_ms - utc("2026-01-05") for each in heard(plant(many), MONDAY + 5) if type(each) is FinishedJob
    }

    assert {1_999, 4_000} <= finished
    assert finished & set(range(2_000, 4_000)) == set()


def test_orders_come_day_and_night() -> None:
    """Customers do not sleep: with a calendar or without, the same orders at the same time."""
    rows, always = (plant(small(text)).advance(MONDAY + 2 * DAY) for text in (WORKWEEK, None))
    orders = [row for row in rows if row.kind == "customer_order"]

    assert len(orders) > 200
    assert orders == [row for row in always if row.kind == "customer_order"]


def test_a_plant_may_start_in_a_planned_stop() -> None:
    """On Monday at 00:00 in Berlin all stop with a job in progress; at 06:00 they continue with their mix of states."""
    running = plant(small(WORKWEEK), MONDAY - HOUR)
    night, morning = running.advance(MONDAY + 5 * HOUR - 0.001), running.advance(MONDAY + 5 * HOUR + 60)

    assert all(STANDS in row.payload for row in night if row.kind == "cnc_machine")
    assert {orjson.loads(row.payload)["status"] for row in morning if row.kind == "cnc_machine"} >= {"running", "idle"}
    assert not any(STANDS in row.payload for row in morning)


def test_a_calendar_without_stops_changes_no_byte() -> None:
    """Around the clock, with an event queue: the same messages as without one."""
    data = yamlread.value((ROOT / "message_structure.yaml").read_text("utf-8"))
    rows, same = (
        plant(parse(data | more)).advance(MONDAY + 2 * HOUR) for more in ({}, {"calendar": {"time_zone": "UTC"}})
    )

    assert len(rows) > 20_000
    assert rows == same


@cache
def monday() -> list[Message]:
    """The messages of a Monday, in one piece."""
    return plant(small(WORKWEEK)).advance(MONDAY + DAY)


@given(st.lists(st.integers(1, DAY_MS - 1), min_size=1, max_size=8))
@settings(max_examples=examples(3), deadline=None)
def test_steps_of_time_change_no_byte(cuts: list[int]) -> None:
    """In one piece or in any pieces, also at the very moments at which work begins and ends."""
    config, begin_ms = small(WORKWEEK), utc("2026-01-05")
    edges = [
        begin - begin_ms + late
        for begin, _, _ in spans(calendar(WORKWEEK), begin_ms, begin_ms + DAY_MS)
        for late in (0, -1)
    ]
    pieces = plant(config)

    ends = [(begin_ms + cut) / 1000 for cut in sorted({*cuts, *edges, DAY_MS})]
    assert [row for end in ends for row in pieces.advance(end)] == monday()


def test_the_shards_of_a_plant_with_a_calendar_make_the_whole() -> None:
    """Each keeps the same hours."""
    config = small(WORKWEEK)
    shards = [row for k in (1, 2, 3) for row in plant(config, shard=(k, 3)).advance(MONDAY + DAY)]

    key = attrgetter("time_ms", "kind", "source", "payload")
    whole = sorted(monday(), key=key)
    assert [row.payload for row in sorted(shards, key=key)] == [row.payload for row in whole]


def test_jobs_shorter_than_the_period_are_each_reported_once() -> None:
    """A type that reports each job does so when it ends, and never in a planned stop."""
    running = plant(small(WORKWEEK, cycle_time_range=[20.0, 30.0]))
    jobs: list[TruthEvent] = []
    running.listen(jobs.append)
    rows = [orjson.loads(row.payload) for row in running.advance(MONDAY + DAY) if b'"part_id":"' in row.payload]

    finished = sorted(job.job_id for job in jobs if isinstance(job, FinishedJob))
    assert len(finished) > 6 * 1_000
    assert sorted(row["part_id"] for row in rows) == finished
    assert "planned_stop" not in {row["status"] for row in rows}


@pytest.mark.parametrize("cycle", [[80.0, 120.0], [20.0, 30.0]], ids=["roomy", "crowded"])
def test_a_calendar_may_come_and_go_while_the_plant_runs(cycle: list[float]) -> None:
    """At one moment all machines stop, new ones too; they continue when the calendar is removed."""
    always, shifts = small(None, cycle_time_range=cycle), small(WORKWEEK, cycle_time_range=cycle)
    more = shifts.model_copy(update={"global_": Global(machine_counts={"cnc": 8})})
    running = plant(always)
    truth: list[TruthEvent] = []
    said: list[str] = []
    running.listen(truth.append)

    def statuses(config: PlantConfig, hour: int) -> set[str]:
        running.reload(config)
        rows = [
            row for row in map(orjson.loads, map(PAYLOAD, running.advance(MONDAY + hour * HOUR))) if "part_id" in row
        ]
        said.extend(row["part_id"] for row in rows if row["part_id"])
        return {row["status"] for row in rows}

    assert "planned_stop" not in statuses(always, 1)
    assert statuses(shifts, 2) == statuses(more, 3) == {"planned_stop"}
    assert "planned_stop" not in statuses(always, 4)
    assert running.oee()[0].planned_seconds == 2 * HOUR
    jobs = {job.job_id: job.finished_ms for job in truth if isinstance(job, FinishedJob)}
    assert len(said) == len(set(said)) == len(set(said) & set(jobs)) > 3 * HOUR / 120
    last_ms = utc("2026-01-05T04:00") - (60_000 if cycle[0] > 60 else 0)
    assert [finished for job, finished in jobs.items() if finished <= last_ms and job not in said] == []


# The scenario and its page


def test_the_scenario_is_the_default_plant_with_a_calendar() -> None:
    """Nothing else is in it, and the page shows its calendar."""
    scenario = yamlread.value(SCENARIO.read_text("utf-8"))
    shown = yamlread.value(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])["calendar"]
    hours = scenario.pop("calendar")

    assert scenario == yamlread.value((ROOT / "message_structure.yaml").read_text("utf-8"))
    assert shown == hours


def test_the_hours_on_the_page_are_those_of_the_scenario() -> None:
    """A week day by day, for all machines and for CNC mills."""
    spec = load(SCENARIO).calendar
    assert spec is not None
    rows = re.findall(r"^\| \w+day \|.* ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)

    days = [WallClock(spec.time_zone).day(date(2026, 1, 5 + day)) for day in range(7)]
    worked = [[worked_hours(Calendar(spec, kind), *day) for kind in ("welding", "cnc_machine")] for day in days]
    assert [[float(hours) for hours in row] for row in rows] == worked
    assert "| week | | {:g} | {:g} |".format(*map(sum, zip(*worked, strict=True))) in PAGE


# Mistakes


def test_all_errors_are_reported_together(tmp_path: Path) -> None:
    """Wrong values, unknown keys and broken rules, each with its line and what would do."""
    text = """
  time_zone: Europe/Berln
  shfts: []
  shifts:
    - {start: 06:00, end: 14:00, day: [mon]}
    - {start: "22:00", end: "22:00", factor: 2}
    - {start: 6, end: "24:01", days: [monday, tue, tue]}
  holidays: [2026-12-25, "2026-12-25", "2026-02-30"]
  maintenance:
    - {types: [cnc_machin], weekday: sat, start: "08:00", end: "12:00", from: 2026-03-01}
    - {from: "2026-03-01T08:00", to: "2026-03-01T07:00"}
    - {from: 2026-03-01T08:00:00Z, to: "2206-03-01"}
"""
    dates = "must be local time like 2026-12-24T08:00, 1970 to 2199, without an offset, got"
    sixties = 'is read by YAML as the number 840: write 840, or "14:00" for a name or a time'
    unknown_zone = "is not a time zone of the IANA database"

    assert told(tmp_path, text) == [
        f'1: calendar.time_zone: {unknown_zone}, got "Europe/Berln"; did you mean Europe/Berlin?',
        "2: calendar.shfts: is an unknown key; did you mean shifts?",
        f"4: calendar.shifts[0].end: {sixties}",
        "4: calendar.shifts[0].day: is an unknown key; did you mean days?",
        "5: calendar.shifts[1].factor: must be at most 1, got 2",
        "5: calendar.shifts[1].end: must differ from start; a whole day is from 00:00 to 24:00",
        "6: calendar.shifts[2].start: must be a time of day from 00:00 to 23:59, got 6",
        '6: calendar.shifts[2].end: must be a time of day from 00:00 to 24:00, got the text "24:01"',
        '6: calendar.shifts[2].days[0]: must be one of mon, tue, wed, thu, fri, sat, sun, got the text "monday"',
        '6: calendar.shifts[2].days[2]: is repeated: "tue"',
        '7: calendar.holidays[2]: must be a date like 2026-12-24, 1970 to 2199, got the text "2026-02-30"',
        '7: calendar.holidays[1]: is repeated: "2026-12-25"',
        "9: calendar.maintenance[0]: must have either weekday, start and end, or from and to",
        '9: calendar.maintenance[0].types[0]: is not a machine type, got "cnc_machin"; did you mean cnc_machine?',
        "10: calendar.maintenance[1].to: must be after from",
        f"11: calendar.maintenance[2].from: {dates} 2026-03-01 08:00:00+00:00",
        f'11: calendar.maintenance[2].to: {dates} the text "2206-03-01"',
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (" {}", "0: calendar.time_zone: is missing"),
        (" 7", "0: calendar: must be a mapping (key: value), got 7"),
        ("", "0: calendar: has no value: give it one or leave it out"),
        (" {time_zone: UTC, shifts: []}", "0: calendar.shifts: needs at least one entry"),
        (" {time_zone: UTC, shifts: 7}", "0: calendar.shifts: must be a list, got 7"),
        (" {time_zone: UTC, shifts: [7]}", "0: calendar.shifts[0]: must be a mapping (key: value), got 7"),
        (" {time_zone: UTC, weekend_factor: 1.5}", "0: calendar.weekend_factor: must be at most 1, got 1.5"),
        (
            " {time_zone: UTC, maintenance: [{}]}",
            "0: calendar.maintenance[0]: must have either weekday, start and end,",
        ),
        (
            " {time_zone: berlin}",
            '0: calendar.time_zone: is not a time zone of the IANA database, got "berlin"; did you',
        ),
        (" {time_zone: ../../etc/passwd}", "0: calendar.time_zone: is not a time zone of the IANA database, got"),
        (' {time_zone: ""}', '0: calendar.time_zone: is not a time zone of the IANA database, got "": names are like'),
    ],
)
def test_an_error_is_plain(tmp_path: Path, text: str, mistake: str) -> None:
    """Every error of a calendar is one sentence."""
    (only,) = told(tmp_path, text)

    assert only.startswith(mistake)


def test_times_and_dates_may_be_bare_where_yaml_keeps_them() -> None:
    """YAML reads a bare 06:00 as text and a bare date as a date: both are accepted."""
    spec = CalendarSpec.model_validate(
        yamlread.value("{time_zone: UTC, shifts: [{start: 06:00, end: '14:00'}], holidays: [2026-12-25]}")
    )

    assert (spec.shifts[0].start, spec.shifts[0].end, spec.holidays) == (360, 840, (date(2026, 12, 25),))


def test_a_plant_has_no_calendar_by_default() -> None:
    """The original's file has none."""
    assert load(ORIGINAL).calendar is None
    assert parse({**yamlread.value(ORIGINAL.read_text("utf-8")), "calendar": {"time_zone": "UTC"}}).calendar is not None
