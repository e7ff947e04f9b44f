"""Consecutive job numbers: how many are missing, and which are repeated."""

from __future__ import annotations

from cli.verify.forms.consecutive_numbers import Numbers

__all__ = ["JobNumbers", "Numbers"]

_SPARE_JOBS, _SPARE_FACTOR = 16, 2.0


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
