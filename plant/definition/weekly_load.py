"""The load of a calendar over a week, by which machines make fewer jobs than they could."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise
from math import fsum
from typing import Final, NamedTuple

from plant.definition.calendar_config import CalendarSpec

_MONDAY: Final = date(2024, 1, 1)
_WEEK: Final = tuple(_MONDAY + timedelta(days) for days in range(-1, 7))
"""The days of a week, and the one before it, whose last shift may reach into it."""

_Span = tuple[datetime, datetime, float]
"""Begin, end and load."""


class Load(NamedTuple):
    """The working time of a week. mean: its mean load.  full_jobs: the share of the jobs that are made at full load."""

    mean: float
    full_jobs: float


FULL: Final = Load(1.0, 1.0)


def weekly_load(calendar: CalendarSpec) -> Load:
    """Return the load of a calendar in a week without holidays. Of several shifts the one that has begun last is on."""
    spans = [(end - begin, load) for begin, end, load in _loads([*_shifts(calendar)]) if load]
    worked = fsum(length.total_seconds() for length, _ in spans)
    jobs = fsum(length.total_seconds() * load for length, load in spans)
    full = fsum(length.total_seconds() for length, load in spans if load == 1)
    return Load(jobs / worked, full / jobs) if worked else FULL


def _shifts(calendar: CalendarSpec) -> Iterator[_Span]:
    ordinary = calendar.model_copy(update={"holidays": ()})
    for day in _WEEK:
        for shift in ordinary.shifts:
            if times := shift.on(day):
                yield *times, shift.factor * ordinary.day_factor(day)


def _loads(shifts: list[_Span]) -> Iterator[_Span]:
    """Yield the load between two changes in the week."""
    begin, end = (datetime(day.year, day.month, day.day) for day in (_MONDAY, _MONDAY + timedelta(7)))  # noqa: DTZ001
    edges = {begin, end, *(min(max(edge, begin), end) for shift in shifts for edge in shift[:2])}
    for since, until in pairwise(sorted(edges)):
        on = max(((began, load) for began, ends, load in shifts if began <= since < ends), default=(since, 0.0))
        yield since, until, on[1]
