"""What a machine's rows show by their times and numbers alone: its period, what is missing, what comes again.

A machine's rows come at a period of its own, the median gap between them. Where jobs may finish faster than that, each
finished job has an extra row at any moment, and regular rows report no jobs. Those rows are known by coming off the
beat of the rows around them, and a machine is taken to report in extra rows while most of its latest results do.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Collection
from itertools import pairwise
from statistics import median_low

_MOST_GAPS = 1000
_MOST_VOTES = 20
_OFF_BEAT_MS = 2.0
_EVEN_SHARE = 0.9
_SPARE_JOBS, _SPARE_FACTOR = 16, 2.0


class Numbers:
    """Whole numbers that should come one after the other, each once.

    `missing` counts those between the least and the greatest that have not come. Gaps are remembered, so that a late
    number is told from one that comes again; beyond the last thousand gaps every number counts as one that has come.
    """

    __slots__ = ("_gaps", "first", "last", "missing")

    def __init__(self, first: int) -> None:
        self.first = self.last = first
        self.missing = 0
        self._gaps: list[tuple[int, int]] = []

    def take(self, number: int) -> bool:
        """Note a number; say whether it is new."""
        if number > self.last:
            self._skip(self.last + 1, number)
            self.last = number
        elif number < self.first:
            self._skip(number + 1, self.first)
            self.first = number
        else:
            return self._fill(number)
        return True

    def _skip(self, begin: int, end: int) -> None:
        if begin < end:
            self.missing += end - begin
            insort(self._gaps, (begin, end))
            del self._gaps[:-_MOST_GAPS]

    def _fill(self, number: int) -> bool:
        at = bisect_right(self._gaps, number, key=lambda gap: gap[0]) - 1
        if at < 0 or number >= self._gaps[at][1]:
            return False
        begin, end = self._gaps[at]
        self._gaps[at : at + 1] = [gap for gap in ((begin, number), (number + 1, end)) if gap[0] < gap[1]]
        self.missing -= 1
        return True


class Beat:
    """The beat of one machine's regular rows, found from its first rows and followed from there.

    times: of the first rows, at least one.  quiet: of those among them that report no job.
    """

    __slots__ = ("_at", "_at_ms", "_guess_ms", "_since", "_since_ms", "_told", "_votes")

    def __init__(self, times: Collection[int], quiet: Collection[int]) -> None:
        self._guess_ms = _period_ms(times, quiet)
        on_beat, first_ms = min(quiet or times), min(times)
        laps = (on_beat - first_ms) // self._guess_ms + 1
        self._at_ms = on_beat - laps * self._guess_ms if math.isfinite(self._guess_ms) else first_ms - 1.0
        self._at = self._since = self._votes = 0
        self._since_ms = self._at_ms
        self._told: Numbers | None = None
        for time_ms in set(times).difference(quiet):
            self.reports_between(time_ms)

    @property
    def period_ms(self) -> float:
        """The time between two beats, by all since the beat last moved; infinity where there is one row."""
        beats = self._at - self._since
        return (self._at_ms - self._since_ms) / beats if beats else self._guess_ms

    @property
    def missing(self) -> int:
        """Beats between the first and the last without a row: a gap of more than 1.5 periods has at least one."""
        return self._told.missing if self._told else 0

    def take(self, time_ms: int) -> bool:
        """Note a regular row; say whether its beat had none yet."""
        laps, off = self._place(time_ms)
        if time_ms > self._at_ms:
            self._go_to(self._at + max(laps, 1), time_ms, off=off)
            laps = 0
        if self._told is None:
            self._told = Numbers(self._at)
            return True
        return self._told.take(self._at + laps)

    def reports_between(self, time_ms: int) -> bool:
        """Note when a result came; say whether the machine reports its jobs in extra rows between the beats."""
        _, off = self._place(time_ms)
        self._votes = max(-_MOST_VOTES, min(_MOST_VOTES, self._votes + (1 if off else -1)))
        return self._votes > 0

    def _place(self, time_ms: int) -> tuple[int, bool]:
        """How many beats after the last one a time is, and whether it is off the beat."""
        lag_ms, period_ms = time_ms - self._at_ms, self.period_ms
        laps = round(lag_ms / period_ms)
        return laps, math.isfinite(period_ms) and not _is_beat(lag_ms, laps, period_ms)

    def _go_to(self, beat: int, time_ms: int, *, off: bool) -> None:
        if off or self._told is None:  # the plant was started again, or this is where it begins
            self._guess_ms, self._since, self._since_ms = self.period_ms, beat, time_ms
        self._at, self._at_ms = beat, time_ms


class JobNumbers:
    """The numbers of one machine's finished jobs: each the last one's successor, until a new run numbers anew.

    renumbered: how often they jumped as no machine could have worked.
    """

    __slots__ = ("_last_ms", "_lost", "_numbers", "renumbered")

    def __init__(self) -> None:
        self._numbers: Numbers | None = None
        self._last_ms = self._lost = self.renumbered = 0

    @property
    def missing(self) -> int:
        """Numbers between those of reported jobs that no row reported."""
        return self._lost + (self._numbers.missing if self._numbers else 0)

    def take(self, number: int, time_ms: int, quickest_ms: float) -> bool:
        """Note a finished job; say whether it was not reported before. `quickest_ms`: the shortest job seen."""
        if self._numbers is None:
            self._numbers, self._last_ms = Numbers(number), time_ms
            return True
        possible = _SPARE_JOBS + _SPARE_FACTOR * abs(time_ms - self._last_ms) / max(1.0, quickest_ms)
        self._last_ms = max(time_ms, self._last_ms)
        if abs(number - self._numbers.last) <= possible:
            return self._numbers.take(number)
        self.renumbered += 1
        self._lost += self._numbers.missing
        self._numbers = Numbers(number)
        return True


def _period_ms(times: Collection[int], quiet: Collection[int]) -> float:
    """The least or the median gap, if nearly all gaps are multiples of it; else that between rows without a result."""
    gaps, quiet_gaps = _gaps(times), _gaps(quiet)
    if not gaps:
        return math.inf
    usual = median_low(gaps)
    even = (each for each in (min(gaps), usual) if 4 * each >= usual and _are_multiples(gaps, each))
    return next(even, median_low(quiet_gaps) if quiet_gaps else usual)


def _are_multiples(gaps: Collection[int], period_ms: int) -> bool:
    beats = sum(_is_beat(gap, max(1, round(gap / period_ms)), period_ms) for gap in gaps)
    return beats >= _EVEN_SHARE * len(gaps)


def _is_beat(lag_ms: float, laps: int, period_ms: float) -> bool:
    """Rows are in whole milliseconds, and a period is known to half of one."""
    off_ms = abs(lag_ms - laps * period_ms)
    return off_ms <= 1.0 or off_ms <= min(_OFF_BEAT_MS + abs(laps) / 2, period_ms / 20)


def _gaps(times: Collection[int]) -> list[int]:
    return [after - before for before, after in pairwise(sorted(set(times)))]
