"""When the plant is meant to work: from shifts, breaks and maintenance on the wall's clock to moments of plant time.

A reading of the wall's clock stands for one moment: the first at which the clock shows it or a later one. So a reading
that the clock skips in spring is the moment of the jump, one that comes twice in autumn is the first of the two, and
what adjoins on the wall adjoins in time. A night shift from 22:00 to 06:00 is then 7 hours long in the one night, and
9 in the other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from itertools import chain, pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from plant.definition.calendar_config import ZONES, CalendarSpec, Maintenance, Readings, Shift, Window
from plant.machines.fleet import Fleet
from plant.machines.machine import Machine
from plant.machines.states import NEVER, PLANNED_STOP

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
DAY: Final = timedelta(days=1)

ROUND_THE_YEAR: Final = 400
"""Days without a change after which none comes of itself: every week and both changes of the clock are among them."""

Span = tuple[int, int]
"""From one moment up to another, which is not in it, in milliseconds since 1970."""


class CalendarChange(NamedTuple):
    """From `from_ms` on, machines are meant to stand (`stopped`) or to work, until another one says otherwise."""

    from_ms: int
    stopped: bool


def zone_info(time_zone: str) -> ZoneInfo:
    """The rules of a time zone, from the package and never from the system: the same everywhere, as are the bytes."""
    with files(ZONES).joinpath("zoneinfo", *time_zone.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=time_zone)


class WallClock:
    """The calendar and clock on a wall of an IANA time zone."""

    def __init__(self, time_zone: str) -> None:
        self._zone = zone_info(time_zone)

    def moment(self, reading: datetime) -> int:
        """The first moment at which the wall shows this or later, in milliseconds since 1970."""
        before, after = (self._as_utc(reading, fold) for fold in (0, 1))
        return self._jump(before, after) if after < before else (before - EPOCH) // SECOND * 1000

    def span(self, readings: Readings) -> Span:
        """The time between two readings."""
        start, end = readings
        return self.moment(start), self.moment(end)

    def day(self, day: date) -> Span:
        """The day's time on this wall, of mostly 24 hours."""
        return self.span((midnight(day), midnight(day + DAY)))

    def day_at(self, time_ms: int) -> date:
        """The day whose time holds the moment."""
        day = (EPOCH + timedelta(milliseconds=time_ms)).astimezone(self._zone).date()
        # Where the clock is put back just after midnight, it shows the old day once more within the new one.
        return day if time_ms < self.day(day)[1] else day + DAY

    def _as_utc(self, reading: datetime, fold: int) -> datetime:
        """By the offset before a jump for fold 0, by that after it for 1 (PEP 495)."""
        return reading.replace(tzinfo=self._zone, fold=fold).astimezone(UTC)

    def _jump(self, before: datetime, after: datetime) -> int:
        """The second in which the clock is put forward: the offset is the old one at `after`, the new one at `before`.

        A reading in the gap is late by the old offset, hence `before` lies behind the jump, and early by the new one.
        """
        first, last = ((each - EPOCH) // SECOND for each in (after, before))
        new = self._offset(last)
        return 1000 * bisect_left(range(last), x=True, lo=first, key=lambda second: self._offset(second) == new)

    def _offset(self, second: int) -> timedelta | None:
        return (EPOCH + second * SECOND).astimezone(self._zone).utcoffset()


class Calendar:
    """When machines of a type are meant to stand. Only arithmetic of the times it is asked for."""

    def __init__(self, spec: CalendarSpec, kind: str) -> None:
        self._spec, self._wall = spec, WallClock(spec.time_zone)
        self._maintenance = [each for each in spec.maintenance if each.stops(kind)]
        self._once = [self._wall.span(each.once) for each in self._maintenance if each.once]
        self._changes_of = lru_cache(maxsize=8)(self._changes)
        self._last, self._next_ms = CalendarChange(NEVER, stopped=False), NEVER

    def planned_stop(self, time_ms: int) -> bool:
        """Whether machines are meant to stand at that moment."""
        self._look_up(time_ms)
        return self._last.stopped

    def next_change(self, time_ms: int) -> int:
        """The first moment after this one at which work is meant to begin or to end; NEVER where none comes."""
        self._look_up(time_ms)
        return self._next_ms

    def _look_up(self, time_ms: int) -> None:
        """Find the change before the moment and the one after it. Times mostly follow one another: keep them."""
        if self._last.from_ms <= time_ms < self._next_ms:
            return
        today = self._wall.day_at(time_ms)
        *_, self._last = (each for each in self._changes_of(today) if each.from_ms <= time_ms)
        ahead = chain.from_iterable(map(self._changes_of, self._days_from(today)))
        stopped = self._last.stopped
        found = (each.from_ms for each in ahead if each.from_ms > time_ms and each.stopped is not stopped)
        self._next_ms = next(found, NEVER)

    def _days_from(self, today: date) -> Iterator[date]:
        """The days among which the next change is: those of a year, and after them those with dates of their own."""
        year = (today + days * DAY for days in range(ROUND_THE_YEAR))
        return chain(year, self._special_days_after(today + ROUND_THE_YEAR * DAY))

    def _special_days_after(self, first: date) -> list[date]:
        dates = {*self._spec.holidays, *(self._wall.day_at(edge) for span in self._once for edge in span)}
        reached = {*dates, *(day + DAY for day in dates)}  # a shift of that day may end on the next
        return sorted(day for day in reached if day >= first)

    def _changes(self, day: date) -> list[CalendarChange]:
        """How a day begins, and each change in it."""
        begin, end = self._wall.day(day)
        work = list(self._work(day))
        stops = [*self._once, *self._stops(day)]
        edges = {edge for span in (*work, *stops) for edge in span if begin < edge < end}
        told = [
            CalendarChange(edge, not _within(edge, work) or _within(edge, stops)) for edge in (begin, *sorted(edges))
        ]
        return told[:1] + [later for earlier, later in pairwise(told) if later.stopped is not earlier.stopped]

    def _work(self, day: date) -> Iterator[Span]:
        """What is worked in the shifts that may reach into a day: they began on it or on the day before."""
        for began in (day - DAY, day):
            for shift in self._spec.shifts:
                if readings := shift.on(began):
                    yield self._worked(shift, began, readings)

    def _worked(self, shift: Shift, began: date, readings: Readings) -> Span:
        start, end = self._wall.span(readings)
        return start, start + round((end - start) * shift.factor * self._spec.day_factor(began))

    def _stops(self, day: date) -> Iterator[Span]:
        windows: tuple[Window | Maintenance, ...] = (*self._spec.breaks, *self._maintenance)
        readings = (window.on(began) for began in (day - DAY, day) for window in windows)
        return map(self._wall.span, filter(None, readings))


class PlannedStops:
    """Has the machines of some fleets stand while they are meant to.

    `next_ms` is the next moment at which any of them is to stop or to go on.
    """

    def __init__(self, fleets: Sequence[Fleet]) -> None:
        self._fleets = fleets
        self._calendars: list[Calendar] = []
        self.next_ms = NEVER

    def apply(self, spec: CalendarSpec | None, now_ms: int) -> None:
        """Follow another calendar from now on, or none, which resumes all. `advance_to` stops new machines."""
        if spec is None and self._calendars:
            for fleet in self._fleets:
                _set_planned_stop(fleet.machines, now_ms, stopped=False)
        self._calendars = [Calendar(spec, fleet.declared.key) for fleet in self._fleets] if spec else []
        self.advance_to(now_ms)

    def advance_to(self, until_ms: int) -> None:
        """Do what is to be done at a time, up to which the machines have lived."""
        for fleet, calendar in zip(self._fleets, self._calendars, strict=False):
            _set_planned_stop(fleet.machines, until_ms, stopped=calendar.planned_stop(until_ms))
        self.next_ms = min((calendar.next_change(until_ms) for calendar in self._calendars), default=NEVER)


def midnight(day: date) -> datetime:
    """The reading of the wall with which a day begins."""
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001  a wall has no offset


def _within(time_ms: int, spans: Iterable[Span]) -> bool:
    return any(begin <= time_ms < end for begin, end in spans)


def _set_planned_stop(machines: Iterable[Machine], now_ms: int, *, stopped: bool) -> None:
    for machine in machines:
        (machine.suspend if stopped else machine.resume)(PLANNED_STOP, now_ms)
