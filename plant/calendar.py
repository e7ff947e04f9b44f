"""The calendar: from shifts, breaks and maintenance in local time to planned stops in plant time.

A local time stands for one moment: the first at which the wall clock shows it or a later time. So a local time that is
skipped in spring is the moment of the jump, one that occurs twice in autumn is the first of the two, and windows that
are adjacent in local time are adjacent in plant time. A night shift from 22:00 to 06:00 is then 7 hours long in the one
night, and 9 in the other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import chain, pairwise
from typing import Final, NamedTuple

from plant.definition.calendar_config import CalendarSpec, Maintenance, Shift
from plant.definition.document.weekly_windows import LocalTimes, Window
from plant.fleets.fleet import Fleet
from plant.machines.machine import Machine
from plant.machines.shifts import Shift as ShiftOn
from plant.machines.states import LATE_START, NEVER, PLANNED_STOP
from plant.random_stream import between
from plant.time_zones import zone_info

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
DAY: Final = timedelta(days=1)

YEAR_DAYS: Final = 400
"""Days to search for the next change: without one in them there is none that repeats by week or by clock change."""

Interval = tuple[int, int]
"""Start and end, which is not included, in milliseconds since 1970."""


class CalendarChange(NamedTuple):
    """From `from_ms` until the next change, machines have a planned stop (`stopped`) or work."""

    from_ms: int
    stopped: bool


class WallClock:
    """Local date and time in an IANA time zone."""

    def __init__(self, time_zone: str) -> None:
        self._zone = zone_info(time_zone)

    def moment(self, local_time: datetime) -> int:
        """Return the first moment at which the clock shows this or later, in milliseconds since 1970."""
        before, after = (self._as_utc(local_time, fold) for fold in (0, 1))
        return self._jump(before, after) if after < before else (before - EPOCH) // SECOND * 1000

    def interval(self, local_times: LocalTimes) -> Interval:
        """Return the interval between two local times."""
        start, end = local_times
        return self.moment(start), self.moment(end)

    def day(self, day: date) -> Interval:
        """Return the interval of a local day, usually 24 hours."""
        return self.interval((midnight(day), midnight(day + DAY)))

    def day_at(self, time_ms: int) -> date:
        """Return the local day in which a moment lies."""
        day = (EPOCH + timedelta(milliseconds=time_ms)).astimezone(self._zone).date()
        # Where the clock is set back just after midnight, it shows the old day once more within the new one.
        return day if time_ms < self.day(day)[1] else day + DAY

    def _as_utc(self, local_time: datetime, fold: int) -> datetime:
        """Return the moment by the UTC offset before a clock change for fold 0, after it for fold 1 (PEP 495)."""
        return local_time.replace(tzinfo=self._zone, fold=fold).astimezone(UTC)

    def _jump(self, before: datetime, after: datetime) -> int:
        """Return the second in which the clock is set forward: the offset is old at `after`, new at `before`.

        By the old offset, a local time in the gap is a moment after the jump (`before`); by the new one, before it.
        """
        first, last = ((each - EPOCH) // SECOND for each in (after, before))
        new = self._offset(last)
        return 1000 * bisect_left(range(last), x=True, lo=first, key=lambda second: self._offset(second) == new)

    def _offset(self, second: int) -> timedelta | None:
        return (EPOCH + second * SECOND).astimezone(self._zone).utcoffset()


class Calendar:
    """The planned stops of one machine type, computed for any time that is asked for."""

    def __init__(self, spec: CalendarSpec, kind: str) -> None:
        self._spec, self._clock = spec, WallClock(spec.time_zone)
        self._maintenance = [each for each in spec.maintenance if each.stops(kind)]
        self._once = [self._clock.interval(each.once) for each in self._maintenance if each.once]
        self._changes_of = lru_cache(maxsize=8)(self._changes)
        self._current, self._next_ms = CalendarChange(NEVER, stopped=False), NEVER

    def planned_stop(self, time_ms: int) -> bool:
        """Return whether machines have a planned stop at that moment."""
        self._find_changes(time_ms)
        return self._current.stopped

    def next_change(self, time_ms: int) -> int:
        """Return the first moment after this one at which a planned stop begins or ends; NEVER if there is none."""
        self._find_changes(time_ms)
        return self._next_ms

    def _find_changes(self, time_ms: int) -> None:
        """Find the changes before and after the moment; keep them, as most calls ask for increasing times."""
        if self._current.from_ms <= time_ms < self._next_ms:
            return
        today = self._clock.day_at(time_ms)
        *_, self._current = (each for each in self._changes_of(today) if each.from_ms <= time_ms)
        later_changes = chain.from_iterable(map(self._changes_of, self._days_from(today)))
        stopped = self._current.stopped
        found = (each.from_ms for each in later_changes if each.from_ms > time_ms and each.stopped is not stopped)
        self._next_ms = next(found, NEVER)

    def _days_from(self, today: date) -> Iterator[date]:
        """Return the days to search for the next change: those of a year, then configured dates."""
        year = (today + days * DAY for days in range(YEAR_DAYS))
        return chain(year, self._special_days_after(today + YEAR_DAYS * DAY))

    def _special_days_after(self, first: date) -> list[date]:
        dates = {*self._spec.holidays, *(self._clock.day_at(edge) for span in self._once for edge in span)}
        reached = {*dates, *(day + DAY for day in dates)}  # a shift of that day may end on the next one
        return sorted(day for day in reached if day >= first)

    def _changes(self, day: date) -> list[CalendarChange]:
        """Return the changes of a day; the first one is the state at its beginning."""
        begin, end = self._clock.day(day)
        work = list(self._working_times(day))
        stops = [*self._once, *self._stops(day)]
        edges = {edge for span in (*work, *stops) for edge in span if begin < edge < end}
        changes = [
            CalendarChange(edge, not _is_within(edge, work) or _is_within(edge, stops))
            for edge in (begin, *sorted(edges))
        ]
        return changes[:1] + [later for earlier, later in pairwise(changes) if later.stopped is not earlier.stopped]

    def _working_times(self, day: date) -> Iterator[Interval]:
        """Yield the working time of the shifts that may reach into a day: they start on it or on the day before."""
        for began in (day - DAY, day):
            for shift in self._spec.shifts:
                if local_times := shift.on(began):
                    yield self._working_time(shift, began, local_times)

    def _working_time(self, shift: Shift, began: date, local_times: LocalTimes) -> Interval:
        start, end = self._clock.interval(local_times)
        return start, start + round((end - start) * shift.factor * self._spec.day_factor(began))

    def _stops(self, day: date) -> Iterator[Interval]:
        windows: tuple[Window | Maintenance, ...] = (*self._spec.breaks, *self._maintenance)
        local_times = (window.on(began) for began in (day - DAY, day) for window in windows)
        return map(self._clock.interval, filter(None, local_times))


class Shifts:
    """Which shift is on. Of several, it is the one that has begun last."""

    def __init__(self, spec: CalendarSpec) -> None:
        self._spec, self._clock = spec, WallClock(spec.time_zone)
        self._from_ms, self._until_ms = 0, 0
        self._current: ShiftOn | None = None

    def at(self, time_ms: int) -> ShiftOn | None:
        """Return the shift that is on at a moment; the last answer is kept, as most calls ask for increasing times."""
        if not self._from_ms <= time_ms < self._until_ms:
            self._find(time_ms)
        return self._current

    def _find(self, time_ms: int) -> None:
        """Find the shift, and until when nothing changes: up to the end of the day."""
        today = self._clock.day_at(time_ms)
        begins_ms, ends_ms = self._clock.day(today)
        shifts = [*self._reaching(today)]
        edges = [edge for shift, end_ms in shifts for edge in (shift.began_ms, end_ms)]
        self._from_ms = max([begins_ms, *(edge for edge in edges if edge <= time_ms)])
        self._until_ms = min([ends_ms, *(edge for edge in edges if edge > time_ms)])
        self._current = max((shift for shift, end_ms in shifts if shift.began_ms <= time_ms < end_ms), default=None)

    def _reaching(self, day: date) -> Iterator[tuple[ShiftOn, int]]:
        """Yield the shifts that start on a day, or on the one before, each with its end."""
        for began in (day - DAY, day):
            for shift in self._spec.shifts:
                if local_times := shift.on(began):
                    start_ms, end_ms = self._clock.interval(local_times)
                    yield ShiftOn(start_ms, shift.name or ""), end_ms


class PlannedStops:
    """Suspends the machines of some fleets for their planned stops.

    next_ms: the next moment at which a planned stop of any type begins or ends.
    """

    def __init__(self, fleets: Sequence[Fleet]) -> None:
        self._fleets = fleets
        self._calendars: list[Calendar] = []
        self.next_ms = NEVER

    def apply(self, spec: CalendarSpec | None, now_ms: int) -> None:
        """Apply another calendar from now on, or None, which resumes all. `advance_to` suspends new machines."""
        if spec is None and self._calendars:
            for fleet in self._fleets:
                _set_planned_stop(fleet.machines, now_ms, stopped=False)
        self._calendars = [Calendar(spec, fleet.key) for fleet in self._fleets] if spec else []
        self.advance_to(now_ms)

    def advance_to(self, until_ms: int) -> None:
        """Suspend and resume machines as planned for a time, to which they have advanced."""
        for fleet, calendar in zip(self._fleets, self._calendars, strict=False):
            stopped = calendar.planned_stop(until_ms)
            late = [] if stopped or fleet.machine_type.start_delay_seconds is None else _stopped(fleet.machines)
            for machine in late:  # before they are resumed: they must not be seen in the state of after the delay
                _delay(machine, until_ms)
            _set_planned_stop(fleet.machines, until_ms, stopped=stopped)
        self.next_ms = min((calendar.next_change(until_ms) for calendar in self._calendars), default=NEVER)


def midnight(day: date) -> datetime:
    """Return the local time at which a day begins."""
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001  local time has no offset


def _is_within(time_ms: int, spans: Iterable[Interval]) -> bool:
    return any(begin <= time_ms < end for begin, end in spans)


def _stopped(machines: Iterable[Machine]) -> list[Machine]:
    """Return the machines that have a planned stop."""
    return [each for each in machines if each.suspension and PLANNED_STOP in each.suspension.reasons]


def _delay(machine: Machine, now_ms: int) -> None:
    """Let a machine start late after a planned stop, by a time of its own."""
    seconds = machine.runtime.machine_type.start_delay_seconds or (0.0, 0.0)
    delay_at, _, _, _ = machine.stream.draws(b"late", now_ms)
    if delay_ms := round(1000 * between(*seconds, delay_at)):
        machine.interrupt(LATE_START, delay_ms, now_ms)


def _set_planned_stop(machines: Iterable[Machine], now_ms: int, *, stopped: bool) -> None:
    for machine in machines:
        (machine.suspend if stopped else machine.resume)(PLANNED_STOP, now_ms)
