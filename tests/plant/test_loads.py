"""Facts about the load of a calendar: the value of `calendar: load`, and the planned stops that are left with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import FactoryMessageGenerator
from plant.calendar import Calendar
from plant.definition.calendar_config import CalendarSpec
from plant.definition.plant_config import PlantConfig, parse
from plant.definition.weekly_load import Load, weekly_load
from plant.fleets.fleet_measurements import plant_signals
from plant.shift_times import Loads
from plant.time_zones import zone_info
from tests.support.examples import examples

MINUTE_MS = 60_000
DAY_MINUTES = 1440
BRIEFLY = settings(max_examples=examples(40), deadline=None)
CHANGES = (date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 8), date(2026, 11, 1), date(2026, 7, 1))
"""Days on which clocks change in Berlin, in Los Angeles, and one on which none does."""
FACTORS = st.sampled_from([0.0, 0.25, 0.3, 0.5, 0.9, 1.0])
TIMES = st.integers(0, DAY_MINUTES - 1).map(lambda minutes: "{:02d}:{:02d}".format(*divmod(minutes, 60)))
WINDOWS = st.fixed_dictionaries({"start": TIMES, "end": TIMES}).filter(lambda each: each["start"] != each["end"])
SHIFTS = st.tuples(WINDOWS, FACTORS).map(lambda pair: pair[0] | {"factor": pair[1]})
CALENDARS = st.fixed_dictionaries(
    {
        "time_zone": st.sampled_from(["Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe", "UTC"]),
        "factors": st.just("load"),
        "shifts": st.lists(SHIFTS, min_size=1, max_size=4),
        "breaks": st.lists(WINDOWS, max_size=2),
        "weekend_factor": FACTORS,
        "holiday_factor": FACTORS,
        "holidays": st.lists(st.sampled_from([str(each) for each in CHANGES]), max_size=2, unique=True),
    }
)


def utc_ms(day: date) -> int:
    """Midnight of a day, UTC, in milliseconds since 1970."""
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def by_definition(spec: CalendarSpec, day: date) -> tuple[list[float], list[bool]]:
    """Return the load in each minute of two days of UTC, and whether there is a break, by the clock at each minute."""
    zone, first = zone_info(spec.time_zone), datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(3)
    shown = [(first + timedelta(minutes=each)).astimezone(zone).replace(tzinfo=None) for each in range(7 * DAY_MINUTES)]
    on: list[tuple[int, float]] = [(-1, 0.0)] * len(shown)
    breaks = [False] * len(shown)

    def minutes(window: Any, began: date) -> range:
        times = window.on(began) or (shown[-1] + timedelta(1),) * 2
        start, end = (next((at for at, read in enumerate(shown) if read >= each), len(shown)) for each in times)
        return range(start, end)

    for began in (day + timedelta(each) for each in (-2, -1, 0, 1, 2)):
        for shift in spec.shifts:
            its = minutes(shift, began)
            for minute in its:
                on[minute] = max(on[minute], (its.start, shift.factor * spec.day_factor(began)))
        for each in spec.breaks:
            for minute in minutes(each, began):
                breaks[minute] = True
    asked = slice(3 * DAY_MINUTES, 5 * DAY_MINUTES)
    return [load for _, load in on[asked]], breaks[asked]


@BRIEFLY
@given(CALENDARS, st.sampled_from(CHANGES))
def test_the_load_equals_its_definition_minute_by_minute(data: dict[str, Any], day: date) -> None:
    """Any calendar, around a change of the clock: the factor of the shift that began last, times its day's."""
    spec, begin_ms = CalendarSpec.model_validate(data), utc_ms(day)
    loads, asked = by_definition(spec, day)[0], Loads(spec)

    assert [asked.at(begin_ms + minute * MINUTE_MS) for minute in range(len(loads))] == loads


@BRIEFLY
@given(CALENDARS, st.sampled_from(CHANGES))
def test_with_a_load_only_breaks_and_times_without_load_stop(data: dict[str, Any], day: date) -> None:
    """A factor shortens no shift; outside shifts, in breaks, and where a factor is 0, machines have a planned stop."""
    spec, begin_ms = CalendarSpec.model_validate(data), utc_ms(day)
    loads, breaks = by_definition(spec, day)
    found = Calendar(spec, "press")
    stopped = [found.planned_stop(begin_ms + minute * MINUTE_MS) for minute in range(len(loads))]

    assert stopped == [load == 0 or is_break for load, is_break in zip(loads, breaks, strict=True)]


@BRIEFLY
@given(CALENDARS, st.lists(st.integers(utc_ms(date(2026, 1, 1)), utc_ms(date(2027, 1, 1))), min_size=1, max_size=60))
def test_rows_and_columns_have_the_same_load_at_any_times(data: dict[str, Any], times: list[int]) -> None:
    """In any order, years or milliseconds apart, and wherever blocks are cut; to the millisecond at the edges."""
    config = parse({"message_types": {}, "calendar": data, "plant_signals": {"load": {"calendar": "load"}}})
    single, blocks = (plant_signals(config, None, 1) for _ in range(2))
    loads = Loads(config.calendar)
    edges = [edge for time_ms in times for edge in (loads.at(time_ms), loads.until_ms)[1:]]
    asked = [each + off for each in (*times, *edges) for off in (-1, 0, 1)]
    expected = [single.row(0, time_ms) for time_ms in asked]
    found: list[list[bytes]] = []
    for part in (asked[: len(asked) // 3], asked[len(asked) // 3 :]):
        blocks.pending.extend([0] * len(part), part)
        digits = blocks.block().digits
        found += (blocks.texts(row) for row in zip(*(each.tolist() for each in digits), strict=True))

    assert found == expected
    assert [float(row[0]) for row in expected] == [pytest.approx(loads.at(each), abs=0.0051) for each in asked]


def shown(plant: FactoryMessageGenerator, until: float) -> Sequence[tuple[float, float]]:
    """The time and the load of each message."""
    return [(each.time_ms / 1000, orjson.loads(each.payload)["load"]) for each in plant.advance(until)]


MONDAY = 1_767_571_200.0
"""2026-01-05T00:00Z."""
SHIFTED: dict[str, Any] = {
    "time_zone": "UTC",
    "shifts": [{"start": "06:00", "end": "22:00", "factor": 0.8}, {"start": "22:00", "end": "02:00", "factor": 0.5}],
    "weekend_factor": 0.3,
    "holidays": ["2026-01-07"],
}


def metered(calendar: dict[str, Any] | None) -> PlantConfig:
    """A plant with a meter that shows the load once a minute."""
    meter = {"report_seconds": 60, "signals": {"load": {"formula": "plant.load", "limits": [0, 1], "decimals": 4}}}
    data: dict[str, Any] = {"plant_signals": {"load": {"calendar": "load"}}, "message_types": {"meter": meter}}
    return parse(data | ({"calendar": calendar} if calendar else {}))


@pytest.mark.parametrize("factors", ["stops", "load"])
def test_messages_show_the_load_of_their_time(factors: str) -> None:
    """Over a week with a holiday: a night shift has the factor of the day on which it begins."""
    rows = shown(FactoryMessageGenerator.of(metered(SHIFTED | {"factors": factors}), 1, start=MONDAY), MONDAY + 604_800)
    found = [((time - MONDAY) // 3600, load) for time, load in rows]
    shares = (1.0, 1.0, 0.0, 1.0, 1.0, 0.3, 0.3)
    changes = [(0, 0.15)]  # the rest of Sunday's night shift
    for day, share in enumerate(shares):
        changes += ((24 * day + hour, round(load * share, 4)) for hour, load in ((2, 0.0), (6, 0.8), (22, 0.5)))
    expected = [load for (hour, load), (until, _) in pairwise([*changes, (168, 0.0)]) for _ in range(hour, until)]

    assert {*found} == {*enumerate(expected)}


def test_without_a_calendar_the_load_is_full() -> None:
    """It is 1."""
    plant = FactoryMessageGenerator.of(metered(None), 1, start=MONDAY)

    assert {load for _, load in shown(plant, MONDAY + 7200)} == {1.0}


def test_a_reload_that_changes_the_calendar_shows_at_once() -> None:
    """And so does one that takes it away."""
    plant = FactoryMessageGenerator.of(metered(SHIFTED), 1, start=MONDAY + 10 * 3600)
    found = [{load for _, load in shown(plant, plant.now + 600)}]
    for calendar in (SHIFTED | {"shifts": [{"start": "06:00", "end": "22:00", "factor": 0.6}]}, None, SHIFTED):
        plant.reload(metered(calendar))
        found.append({load for _, load in shown(plant, plant.now + 600)})

    assert found == [{0.8}, {0.6}, {1.0}, {0.8}]


OVERLAPPING = [{"start": "06:00", "end": "18:00"}, {"start": "12:00", "end": "18:00", "factor": 0.5}]


@pytest.mark.parametrize(
    ("shifts", "weekend", "expected"),
    [
        ([{"start": "00:00", "end": "24:00", "factor": 0.5}], 1.0, Load(0.5, 0.0)),
        ([{"start": "00:00", "end": "24:00"}], 0.3, Load((5 + 0.6) / 7, 5 / 5.6)),
        (OVERLAPPING, 0.0, Load(0.75, 2 / 3)),
        ([{"start": "22:00", "end": "06:00", "factor": 0.2}], 0.5, Load((5 + 2 * 0.5) / 7 * 0.2, 0.0)),
        ([{"start": "06:00", "end": "14:00", "factor": 0}], 1.0, Load(1.0, 1.0)),
    ],
    ids=["always half", "weekends", "overlapping", "nights", "never"],
)
def test_the_mean_load_of_a_week_is_that_of_its_working_time(shifts: Any, weekend: float, expected: Load) -> None:
    """With the share of the jobs that are made at full load."""
    spec = CalendarSpec.model_validate({"time_zone": "UTC", "shifts": shifts, "weekend_factor": weekend})

    assert weekly_load(spec) == pytest.approx(expected)
