"""Numbers that should come one after the other: what is missing of a machine's jobs, and what comes again."""

from __future__ import annotations

from bisect import bisect_right, insort

_MOST_GAPS = 1000
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
