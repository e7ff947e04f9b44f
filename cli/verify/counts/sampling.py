"""How far the time in a state may be off that is counted from samples of the state, one a period."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Final

_DEVIATIONS: Final = 4
_LEAST_DECAY: Final = 0.01


class SampledTime:
    """Samples of what a machine does, such as its state, in order of time, and how far their sums may be off.

    changes: between one sample, or stay, and the next.
    """

    __slots__ = ("_changes", "_ends", "_last", "_samples", "_squares", "changes")

    def __init__(self) -> None:
        self.changes = self._changes = 0
        self._squares = 0.0
        self._samples: defaultdict[str, int] = defaultdict(int)
        self._ends: dict[tuple[int, float], None] = {}
        self._last = ""

    def add(self, what: str, period_seconds: float, presence: int) -> None:
        """Add a sample.  presence: the number of the machine's presence, whose ends are seen up to a period late."""
        self._samples[what] += 1
        self._ends[presence, period_seconds] = None
        if self.add_stay(what):
            self._changes += 1
            self._squares += period_seconds**2

    def add_stay(self, what: str) -> bool:
        """Add what lasts from one report of a change to the next, and return whether it is another than the last."""
        changed = what != self._last != ""
        self.changes += changed
        self._last = what
        return changed

    @property
    def most_seconds_off(self) -> float:
        """How far the time in a state may be off: by 4 standard deviations, and a period for each end."""
        ends = math.fsum(seconds for _, seconds in self._ends)
        return _DEVIATIONS * math.sqrt(self._variance_per_change * self._squares) + ends

    @property
    def _variance_per_change(self) -> float:
        """The variance that each change between two samples adds to the time in a state, in squares of the period.

        Stays of random length that are forgotten at the rate c a period: samples agree with the next ones as often as
        with any others, and besides in a share r = exp(-c) of the cases. The error of n samples has the variance
        n p (1 - p) (coth(c / 2) - 2 / c), and 2 n p (1 - p) (1 - r) changes are seen. While stays are long, that is
        1 / 12 for each change, as it is seen late by an even part of a period; where none lasts a period, it is 1 / 2.
        """
        samples = sum(self._samples.values())
        if not self._changes:
            return 0.0
        other = 1 - math.fsum((each / samples) ** 2 for each in self._samples.values())
        agreeing = 1 - self._changes / samples / other if other else 0.0
        if agreeing <= 0:
            return 1 / 2
        decay = -math.log(agreeing)
        if decay < _LEAST_DECAY:
            return 1 / 12
        return ((1 + agreeing) / (1 - agreeing) - 2 / decay) / (2 * (1 - agreeing))
