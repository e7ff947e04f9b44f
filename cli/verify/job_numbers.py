"""Consecutive job numbers: how many are missing, and which are repeated."""

from __future__ import annotations

from bisect import bisect_right, insort

_MOST_GAPS = 1000
_SPARE_JOBS, _SPARE_FACTOR = 16, 2.0


class Numbers:
    """A set of integers that should be consecutive.

    missing: how many between the least and the greatest were not added. The last thousand gaps are stored, to
    distinguish a late number from a repeated one; a number in an older gap counts as repeated.
    """

    __slots__ = ("_gaps", "first", "last", "missing")

    def __init__(self, first: int) -> None:
        self.first = self.last = first
        self.missing = 0
        self._gaps: list[tuple[int, int]] = []

    def add(self, number: int) -> bool:
        """Add a number, and return whether it is new."""
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


class JobNumbers:
    """The job numbers of one machine, which are consecutive until the plant is started again.

    renumbered: how often a number differed by more than the machine could have made.
    """

    __slots__ = ("_last_ms", "_missing_before", "_numbers", "renumbered")

    def __init__(self) -> None:
        self._numbers: Numbers | None = None
        self._last_ms = self._missing_before = self.renumbered = 0

    @property
    def missing(self) -> int:
        """How many numbers between those of reported jobs no message reported."""
        return self._missing_before + (self._numbers.missing if self._numbers else 0)

    def add(self, number: int, time_ms: int, quickest_ms: float) -> bool:
        """Add a finished job, and return whether it is new.  quickest_ms: the shortest job so far."""
        if self._numbers is None:
            self._numbers, self._last_ms = Numbers(number), time_ms
            return True
        possible = _SPARE_JOBS + _SPARE_FACTOR * abs(time_ms - self._last_ms) / max(1.0, quickest_ms)
        self._last_ms = max(time_ms, self._last_ms)
        if abs(number - self._numbers.last) <= possible:
            return self._numbers.add(number)
        self.renumbered += 1
        self._missing_before += self._numbers.missing
        self._numbers = Numbers(number)
        return True
