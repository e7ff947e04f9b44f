"""Local time as plant time, and which shift is on.

A local time stands for one moment: the first at which the wall clock shows it or a later time. So a local time that is
skipped in spring is the moment of the jump, one that occurs twice in autumn is the first of the two, and windows that
are adjacent in local time are adjacent in plant time. A night shift from 22:00 to 06:00 is then 7 hours long in the one
night, and 9 in the other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

from plant.definition.calendar_config import CalendarSpec
from plant.definition.document.weekly_windows import LocalTimes
from plant.time_zones import zone_info

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
DAY: Final = timedelta(days=1)
_NEVER: Final = 2**62
_LONGEST_STOP_DAYS: Final = 15

Interval = tuple[int, int]
"""Start and end, which is not included, in milliseconds since 1970."""


@dataclass(frozen=True, slots=True, order=True)
class Shift:
    """A shift. began_ms: when it has begun.  name: "" if it has none.

    load: its factor times that of the day on which it has begun.  until_ms: up to when it is certainly on.
    resumes_ms: from when on there is load after that, where machines wait: until_ms, or the end of a planned stop.
    """

    began_ms: int
    name: str
    load: float = 1.0
    until_ms: int = field(default=_NEVER, compare=False)
    resumes_ms: int = field(default=_NEVER, compare=False)


ShiftAt = Callable[[int], Shift | None]
"""Returns the shift that is on at a time."""


def no_shift(_now_ms: int) -> Shift | None:
    """Return None: there are no shifts without a calendar."""
    return None


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


def shift_on(shifts: Iterable[tuple[Shift, int]], time_ms: int) -> Shift | None:
    """Return the one that is on at a moment. shifts: each with its end."""
    return max((shift for shift, end_ms in shifts if shift.began_ms <= time_ms < end_ms), default=None)


class Shifts:
    """Which shift is on. Of several, it is the one that has begun last.

    until_ms: up to then the last answer holds.
    """

    __slots__ = ("_clock", "_current", "_from_ms", "_spec", "_starting", "until_ms")

    def __init__(self, spec: CalendarSpec) -> None:
        self._spec, self._clock = spec, WallClock(spec.time_zone)
        self._from_ms = self.until_ms = 0
        self._current: Shift | None = None
        self._starting = lru_cache(maxsize=4)(self._starting_on)  # each day is asked for with the next one, too

    def at(self, time_ms: int) -> Shift | None:
        """Return the shift that is on at a moment; the last answer is kept, as most calls ask for increasing times."""
        if not self._from_ms <= time_ms < self.until_ms:
            self._find(time_ms)
        return self._current

    def _find(self, time_ms: int) -> None:
        """Find the shift, and until when nothing changes: up to the end of the day."""
        today = self._clock.day_at(time_ms)
        begins_ms, ends_ms = self._clock.day(today)
        shifts = [*self.reaching(today)]
        edges = [edge for shift, end_ms in shifts for edge in (shift.began_ms, end_ms)]
        self._from_ms = max([begins_ms, *(edge for edge in edges if edge <= time_ms)])
        self.until_ms = min([ends_ms, *(edge for edge in edges if edge > time_ms)])
        found = shift_on(shifts, time_ms)
        resumes_ms = self._resumes_ms(today) if found else _NEVER
        self._current = found and replace(found, until_ms=self.until_ms, resumes_ms=resumes_ms)

    def _resumes_ms(self, day: date) -> int:
        """Return from when on there is load again, at `until_ms` or later; that itself if not for a fortnight."""
        if self._spec.factors != "load":
            return self.until_ms
        for days in range(_LONGEST_STOP_DAYS):
            following = ((shift, end_ms) for shift, end_ms in self.reaching(day + days * DAY) if shift.load)
            if begins := [max(shift.began_ms, self.until_ms) for shift, end_ms in following if end_ms > self.until_ms]:
                return min(begins)
        return self.until_ms

    def reaching(self, day: date) -> Iterator[tuple[Shift, int]]:
        """Yield the shifts that start on a day, or on the one before, each with its end."""
        yield from self._starting(day - DAY)
        yield from self._starting(day)

    def _starting_on(self, began: date) -> list[tuple[Shift, int]]:
        found = []
        for shift in self._spec.shifts:
            if local_times := shift.on(began):
                start_ms, end_ms = self._clock.interval(local_times)
                load = shift.factor * self._spec.day_factor(began)
                found.append((Shift(start_ms, shift.name or "", load), end_ms))
        return found


class Loads:
    """The load by a calendar, or without one: the factor of the shift that is on, times that of its day."""

    __slots__ = ("_shifts",)

    def __init__(self, spec: CalendarSpec | None) -> None:
        self._shifts = Shifts(spec) if spec else None

    @property
    def until_ms(self) -> int:
        """Up to when the last answer holds."""
        return self._shifts.until_ms if self._shifts else _NEVER

    def at(self, time_ms: int) -> float:
        """Return the load at a moment: 0 outside all shifts, 1 without a calendar."""
        if self._shifts is None:
            return 1.0
        shift = self._shifts.at(time_ms)
        return shift.load if shift else 0.0


def midnight(day: date) -> datetime:
    """Return the local time at which a day begins."""
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001  local time has no offset
