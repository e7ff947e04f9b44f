"""Integers that should be consecutive: how many are missing, and which are repeated."""

from __future__ import annotations

from bisect import bisect_right, insort

_MOST_GAPS = 1000


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
