"""What drivers of energy were in the messages of machines: sums over those that advance registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from plant.fleets.pending_rows import PendingRows
from plant.fleets.reporting import REGULAR


class Watched(NamedTuple):
    """A signal by its number. missing: the whole number that stands for no value; None where there is always one."""

    number: int
    missing: int | None


class DriverSums:
    """The sums of some signals of a fleet in whole last decimals, by slot, since they were taken.

    advancing: the class of messages, by number, that advances registers.
    """

    def __init__(self, signals: Sequence[Watched], slots: int, advancing: int) -> None:
        self._signals: Final = tuple(signals)
        self._advancing: Final = advancing
        self._sums = [[0] * slots for _ in signals]
        self._counts = [[0] * slots for _ in signals]

    def see(self, rows: PendingRows, digits: Callable[[int], Sequence[int]]) -> None:
        """Add rows that are made into messages. digits: returns those of a signal, by number, in measured rows."""
        kinds = zip(rows.classes, rows.forms, strict=True)
        watched = [row for row, (each, form) in enumerate(kinds) if each == self._advancing and form == REGULAR]
        for (number, missing), sums, counts in zip(self._signals, self._sums, self._counts, strict=True):
            values = digits(number)
            for row in watched:
                value, slot = values[rows.measured[row]], rows.slots[row]
                if value != missing:
                    sums[slot] += value
                    counts[slot] += 1

    def take(self, slot: int) -> list[tuple[int, int]]:
        """Return the sum of each signal of a machine, and of how many rows it is, and begin again."""
        taken = [(sums[slot], counts[slot]) for sums, counts in zip(self._sums, self._counts, strict=True)]
        for each in (*self._sums, *self._counts):
            each[slot] = 0
        return taken
