"""Levels by local weekday and time of day: tariffs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import orjson
import pytest

from messages import FactoryMessageGenerator
from plant.definition.plant_config import PlantConfigError, load_content
from plant.definition.signals.signal_rules import broken_plant_signals
from tests.plant.signals.press import compiled, machines

BERLIN: Final = ZoneInfo("Europe/Berlin")
MINUTE_MS: Final = 60_000


def at(text: str) -> int:
    """A local time in Berlin as milliseconds since 1970."""
    return round(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp() * 1000)


def levels(timetable: str, times_ms: Sequence[int]) -> list[float]:
    """The levels at some times, of single rows; those of a block are the same."""
    signals = machines(compiled(f"a: {{timetable: {timetable}}}"))
    single = [float(signals.row(0, time_ms)[0]) for time_ms in times_ms]
    signals.pending.extend([0] * len(times_ms), times_ms)
    assert [digits / 100 for digits in signals.block().digits[0].tolist()] == single
    return single


WORKDAYS: Final = "{else: 0.22, times: [{days: [mon, tue, wed, thu, fri], start: '06:00', end: '22:00', value: 0.31}]}"


@pytest.mark.parametrize(
    ("time", "before", "after"),
    [
        ("2026-01-05T06:00", 0.22, 0.31),  # a Monday
        ("2026-01-05T22:00", 0.31, 0.22),
        ("2026-01-09T22:00", 0.31, 0.22),
        ("2026-01-10T06:00", 0.22, 0.22),
        ("2026-01-12T00:00", 0.22, 0.22),
        ("2026-07-06T06:00", 0.22, 0.31),  # daylight saving time
    ],
)
def test_a_level_changes_on_the_millisecond(time: str, before: float, after: float) -> None:
    """A window has its first moment, and not its last one, by the clock on the wall."""
    assert levels(WORKDAYS, [at(time) - 1, at(time)]) == [before, after]


def test_a_window_past_midnight_belongs_to_the_day_of_its_start() -> None:
    """Also where the week begins again: Sunday night lasts into Monday."""
    night = "{else: 1, times: [{days: [sun, fri], start: '22:00', end: '06:00', value: 2}]}"
    edges = ["2026-01-04T22:00", "2026-01-05T06:00", "2026-01-09T22:00", "2026-01-10T06:00", "2026-01-10T22:00"]

    assert [levels(night, [at(edge) - 1, at(edge)]) for edge in edges] == [[1, 2], [2, 1], [1, 2], [2, 1], [1, 1]]
    assert levels(night, [at("2026-01-05T00:00") - 1, at("2026-01-05T00:00")]) == [2, 2]


def test_of_overlapping_windows_the_first_counts() -> None:
    """Windows may lie in each other; a whole day is from 00:00 to 24:00."""
    text = (
        "{else: 9, times: [{start: '11:00', end: '14:00', value: 1},"
        " {days: [mon], start: '08:00', end: '12:00', value: 2},"
        " {days: [mon], start: '00:00', end: '24:00', value: 3}]}"
    )
    hours = ["07:59", "08:00", "10:59", "11:00", "13:59", "14:00", "23:59"]

    assert levels(text, [at(f"2026-01-05T{hour}") for hour in hours]) == [3, 2, 2, 1, 1, 3, 3]
    assert levels(text, [at(f"2026-01-06T{hour}") for hour in hours]) == [9, 9, 9, 1, 1, 9, 9]


def test_clocks_that_change_shorten_and_lengthen_a_window() -> None:
    """From 01:30 to 03:30 is one hour on the day on which clocks go forward, and three hours when they go back."""
    text = "{else: 0, times: [{start: '01:30', end: '03:30', value: 1}]}"

    def minutes(day: str) -> float:
        begin = at(f"{day}T00:00")
        return sum(levels(text, [begin + minute * MINUTE_MS for minute in range(6 * 60)]))

    assert [minutes(day) for day in ("2026-03-28", "2026-03-29", "2026-10-25")] == [120, 60, 180]


def test_a_week_has_the_levels_of_its_windows() -> None:
    """Every minute of a week has what the windows say, one after the other."""
    text = (
        "{else: 0, times: [{days: [tue, sun], start: '20:30', end: '05:15', value: 1},"
        " {days: [mon, wed], start: '04:00', end: '03:59', value: 2}]}"
    )
    begin = datetime(2026, 1, 5, tzinfo=BERLIN)
    times = [begin + timedelta(minutes=minute) for minute in range(7 * 1440)]

    def expected(time: datetime) -> float:
        minute = time.hour * 60 + time.minute
        today, yesterday = time.weekday(), (time.weekday() - 1) % 7
        if (today in (1, 6) and minute >= 1230) or (yesterday in (1, 6) and minute < 315):
            return 1
        return 2 if (today in (0, 2) and minute >= 240) or (yesterday in (0, 2) and minute < 239) else 0

    moments = [round(time.astimezone(UTC).timestamp() * 1000) for time in times]
    assert levels(text, moments) == [*map(expected, times)]


PLANT: Final = """
calendar: {time_zone: Europe/Berlin}
plant_signals:
  tariff: {timetable: {else: 0.22, times: [{days: [mon], start: "06:00", end: "22:00", value: 0.31}]}}
message_types:
  meter:
    report_seconds: 1800
    signals:
      own: {timetable: {else: 5, times: [{days: [mon, tue], start: "06:00", end: "22:00", value: 7.5}]}, decimals: 1}
      price: {formula: plant.tariff, limits: [0, 1]}
  other: {extends: meter}
"""


def test_tariffs_of_a_file_are_those_of_its_time_zone() -> None:
    """A machine type, one that extends it, and the signals of the plant have the local time of the calendar."""
    config = load_content(PLANT.encode(), "plant.yaml")
    plant = FactoryMessageGenerator.of(config, 3, start=at("2026-01-05T04:00") / 1000)
    sent = plant.advance(at("2026-01-06T00:00") / 1000)
    rows = [(message.time_ms, orjson.loads(message.payload)) for message in sent]
    inside = [at("2026-01-05T06:00") <= time_ms < at("2026-01-05T22:00") for time_ms, _ in rows]

    assert 60 < sum(inside) < len(rows)
    assert [(row["own"], row["price"]) for _, row in rows] == [(7.5, 0.31) if each else (5.0, 0.22) for each in inside]


def test_mistakes_have_their_places() -> None:
    """What is missing, unknown or no time of day is reported where it is."""
    text = """
message_types:
  meter:
    signals:
      a: {timetable: {times: [{days: [mond], start: 06:00, end: "25:00", value: x}], els: 3}}
      b: {timetable: {else: 3, times: []}}
"""
    with pytest.raises(PlantConfigError) as raised:
        load_content(text.encode(), "plant.yaml")
    place = "message_types.meter.signals"

    assert [f"{each.path}: {each.rule}" for each in raised.value.mistakes] == [
        f'{place}.a.timetable.times[0].end: must be a time of day from 00:00 to 24:00, got the text "25:00"',
        f'{place}.a.timetable.times[0].days[0]: must be one of mon, tue, wed, thu, fri, sat, sun, got the text "mond"',
        f'{place}.a.timetable.times[0].value: must be a number, got the text "x"',
        f"{place}.a.timetable.else: is missing",
        f"{place}.a.timetable.els: is an unknown key; did you mean else?",
        f"{place}.b.timetable.times: needs at least one entry",
    ]


def test_a_timetable_of_the_plant_breaks_no_rule() -> None:
    """It belongs to no machine."""
    data = {"tariff": {"timetable": {"else": 1.0, "times": [{"start": "06:00", "end": "22:00", "value": 2.0}]}}}

    assert [*broken_plant_signals(data)] == []
