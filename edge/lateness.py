"""Lateness of the run loop: a histogram over the whole run, and the worst value since it was last read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Lateness:
    """How far the run loop is behind its deadlines, in seconds."""

    BOUNDS = (0.001, 0.005, 0.01, 0.02, 0.1, 0.5, 1.0, 5.0, 30.0)

    def __init__(self) -> None:
        self.sum_seconds = 0.0
        self._worst = 0.0
        self._counts = [0] * (len(self.BOUNDS) + 1)

    def observe(self, seconds: float) -> None:
        """Count one turn of the run loop; early counts as 0."""
        late = max(0.0, seconds)
        self.sum_seconds += late
        self._worst = max(self._worst, late)
        self._counts[bisect_left(self.BOUNDS, late)] += 1

    def take_worst(self) -> float:
        """Return the worst value since the last call, and reset it."""
        worst, self._worst = self._worst, 0.0
        return worst

    def raise_worst(self, seconds: float) -> None:
        """Raise the worst value to one that was measured elsewhere, if that is larger."""
        self._worst = max(self._worst, seconds)

    def set_to_sum(self, parts: Sequence[Lateness]) -> None:
        """Replace the histogram by the sum of at least one other; the worst value stays."""
        self.sum_seconds = sum(part.sum_seconds for part in parts)
        self._counts = [sum(counts) for counts in zip(*(part._counts for part in parts), strict=True)]  # noqa: SLF001

    def buckets(self) -> list[tuple[str, float]]:
        """Return each upper bound with the number of turns that were at most that late."""
        names = (*map(str, self.BOUNDS), "+Inf")
        return list(zip(names, accumulate(map(float, self._counts)), strict=True))
