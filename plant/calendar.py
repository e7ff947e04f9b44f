"""The calendar: from shifts, breaks and maintenance in local time to planned stops in plant time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from itertools import chain, pairwise
from typing import Final, NamedTuple

from plant.definition.calendar_config import CalendarSpec, Maintenance, Shift
from plant.definition.document.weekly_windows import LocalTimes, Window
from plant.fleets.fleet import Fleet
from plant.machines.machine import Machine
from plant.machines.states import LATE_START, NEVER, PLANNED_STOP
from plant.random_stream import between
from plant.shift_times import DAY, Interval, Shifts, WallClock, shift_on

YEAR_DAYS: Final = 400
"""Days to search for the next change: without one in them there is none that repeats by week or by clock change."""


class CalendarChange(NamedTuple):
    """From `from_ms` until the next change, machines have a planned stop (`stopped`) or work."""

    from_ms: int
    stopped: bool


class Calendar:
    """The planned stops of one machine type, computed for any time that is asked for."""

    def __init__(self, spec: CalendarSpec, kind: str) -> None:
        self._spec, self._clock, self._shifts = spec, WallClock(spec.time_zone), Shifts(spec)
        self._working_times = self._loaded_times if spec.has_load else self._cut_times
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

    def _loaded_times(self, day: date) -> Iterator[Interval]:
        """Yield the times of the shifts that may reach into a day whose load is above 0."""
        shifts = [*self._shifts.reaching(day)]
        edges = {edge for shift, end_ms in shifts for edge in (shift.began_ms, end_ms)}
        for begin, end in pairwise(sorted(edges)):
            if (shift_at := shift_on(shifts, begin)) and shift_at.load:
                yield begin, end

    def _cut_times(self, day: date) -> Iterator[Interval]:
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


class PlannedStops:
    """Suspends the machines of some fleets for their planned stops.

    next_ms: the next moment at which a planned stop of any type begins or ends.
    """

    def __init__(self, fleets: Sequence[Fleet]) -> None:
        self._fleets = fleets
        self._calendars: list[Calendar | None] = []
        self.next_ms = NEVER

    def apply(self, specs: Sequence[CalendarSpec | None], now_ms: int) -> None:
        """Apply other calendars from now on, one for each fleet, or None, which resumes it.

        `advance_to` suspends new machines.
        """
        for fleet, spec in zip(self._fleets, specs, strict=True):
            if spec is None and self._calendars:
                _set_planned_stop(fleet.machines, now_ms, stopped=False)
        given = zip(self._fleets, specs, strict=True) if any(specs) else ()
        # Types that stop together share one: a search for the next stop may take the days of a year.
        shared: dict[tuple[int, tuple[bool, ...]], Calendar] = {}
        self._calendars = [_calendar_of(spec, fleet.key, shared) if spec else None for fleet, spec in given]
        self.advance_to(now_ms)

    def advance_to(self, until_ms: int) -> None:
        """Suspend and resume machines as planned for a time, to which they have advanced."""
        for fleet, calendar in zip(self._fleets, self._calendars, strict=False):
            if calendar is None:
                continue
            stopped = calendar.planned_stop(until_ms)
            late = [] if stopped or fleet.machine_type.start_delay_seconds is None else _stopped(fleet.machines)
            for machine in late:  # before they are resumed: they must not be seen in the state of after the delay
                _delay(machine, until_ms)
            _set_planned_stop(fleet.machines, until_ms, stopped=stopped)
        self.next_ms = min((each.next_change(until_ms) for each in self._calendars if each), default=NEVER)


def _calendar_of(spec: CalendarSpec, kind: str, made: dict[tuple[int, tuple[bool, ...]], Calendar]) -> Calendar:
    """Return the calendar of a machine type: one of those `made` where it has the same stops."""
    stops = id(spec), tuple(each.stops(kind) for each in spec.maintenance)
    if stops not in made:
        made[stops] = Calendar(spec, kind)
    return made[stops]


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
