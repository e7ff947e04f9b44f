"""Compiling timetables: from windows of local time, which may overlap, to one level for each part of the week."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from plant.definition.document.weekly_windows import DAY_MINUTES, DAYS, minutes_of
from plant.definition.signals.signal_spec import Timetable
from plant.signals.laws.parts import WeeklyLevel

_WEEK_MINUTES: Final = 7 * DAY_MINUTES
_MINUTE_MS: Final = 60_000


class _Span(NamedTuple):
    """A part of the week, which may go on in the next one. begin, length: in minutes, from Monday on."""

    begin: int
    length: int
    level: float

    def has(self, minute: int) -> bool:
        return (minute - self.begin) % _WEEK_MINUTES < self.length


def weekly_level(timetable: Timetable) -> WeeklyLevel:
    """Return the levels of a timetable; of several windows at a time, the first counts."""
    spans = [
        _Span(DAYS.index(day) * DAY_MINUTES + each.start, minutes_of(each.start, each.end), each.value)
        for each in timetable.times
        for day in each.days
    ]
    minutes = sorted({each for span in spans for each in (span.begin, (span.begin + span.length) % _WEEK_MINUTES)})
    levels = [_level_at(minute, spans, timetable.else_) for minute in (0, *minutes)]
    edges = tuple(minute * _MINUTE_MS for minute in minutes)
    return WeeklyLevel(edges, tuple(levels))


def _level_at(minute: int, spans: Sequence[_Span], otherwise: float) -> float:
    return next((span.level for span in spans if span.has(minute)), otherwise)
