"""Lateness of the run loop: a histogram over the whole run, and the worst value since it was last read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

_STEPS: Final = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)


class Lateness:
    """How far the run loop is behind its deadlines, in seconds.

    BOUNDS: those of the histogram that metrics have.  FINE: those that are counted by, of which these are some.
    """

    BOUNDS = (0.001, 0.005, 0.01, 0.02, 0.1, 0.5, 1.0, 5.0, 30.0)
    FINE = tuple(sorted({round(step * 10.0**power, 6) for power in range(-4, 2) for step in _STEPS}))

    def __init__(self) -> None:
        self.sum_seconds = 0.0
        self._worst = self._peak = 0.0
        self._counts = [0] * (len(self.FINE) + 1)

    def observe(self, seconds: float) -> None:
        """Count one turn of the run loop; early counts as 0."""
        late = max(0.0, seconds)
        self.sum_seconds += late
        self.raise_worst(late)
        self._counts[bisect_left(self.FINE, late)] += 1

    def take_worst(self) -> float:
        """Return the worst value since the last call, and reset it."""
        worst, self._worst = self._worst, 0.0
        return worst

    def take_peak(self) -> float:
        """Return the worst value since the last call of this, for another reader than that of `take_worst`."""
        peak, self._peak = self._peak, 0.0
        return peak

    def raise_worst(self, seconds: float) -> None:
        """Raise the worst value to one that was measured elsewhere, if that is larger."""
        self._worst = max(self._worst, seconds)
        self._peak = max(self._peak, seconds)

    def set_to_sum(self, parts: Sequence[Lateness]) -> None:
        """Replace the histogram by the sum of at least one other; the worst value stays."""
        self.sum_seconds = sum(part.sum_seconds for part in parts)
        self._counts = [sum(counts) for counts in zip(*(part._counts for part in parts), strict=True)]  # noqa: SLF001

    def buckets(self) -> list[tuple[str, float]]:
        """Return each upper bound with the number of turns that were at most that late."""
        up_to = [*accumulate(map(float, self._counts))]
        coarse = [up_to[self.FINE.index(bound)] for bound in self.BOUNDS]
        return list(zip((*map(str, self.BOUNDS), "+Inf"), (*coarse, up_to[-1]), strict=True))

    def counts(self) -> tuple[int, ...]:
        """Return the turns so far by FINE: up to the first bound, to each following one, and above the last."""
        return tuple(self._counts)


def percentile(counts: Sequence[int], share: float) -> float | None:
    """Return the lateness in seconds that this share of the turns did not exceed; None without any.

    counts: as Lateness.counts, or the difference of two. Between two bounds the turns count as evenly spread.
    """
    rank, below, before = share * sum(counts), 0.0, 0
    for count, bound in zip(counts, (*Lateness.FINE, Lateness.FINE[-1]), strict=True):
        if count and before + count >= rank:
            return below + (bound - below) * max(0.0, rank - before) / count
        below, before = bound, before + count
    return None
