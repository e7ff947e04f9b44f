"""Rows that are due and wait to be computed together, as a block.

A row depends on what the machine's events have left at its time. Most machines have no event before their block is
computed, so that is not copied for each row, but only when it is about to change.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from plant.signals.laws.store import SignalStore


class PendingRows:
    """Rows in the order in which they are due: slots, times, and 1 where a row advances registers, otherwise 0.

    kept_slots, kept_before: records that were kept, and how many rows there were then; they are what the
    earlier rows of these machines depend on. kept_integers, kept_floats: the records, one after the other.
    """

    __slots__ = (
        "_store",
        "advancing",
        "kept_before",
        "kept_floats",
        "kept_integers",
        "kept_slots",
        "slots",
        "times_ms",
    )  # fmt: skip

    def __init__(self, store: SignalStore) -> None:
        self._store = store
        self.clear()

    def __len__(self) -> int:
        return len(self.slots)

    def add(self, slot: int, time_ms: int, *, advances: bool = False) -> None:
        """Append a row of a machine. advances: it advances registers."""
        self.slots.append(slot)
        self.times_ms.append(time_ms)
        self.advancing.append(advances)

    def extend(self, slots: Sequence[int], times_ms: Sequence[int], advancing: Sequence[int] | None = None) -> None:
        """Append rows of machines without events between them. advancing: 1 for each that advances registers [0]."""
        self.slots.extend(slots)
        self.times_ms.extend(times_ms)
        self.advancing.extend(advancing or [0] * len(slots))

    def keep(self, slot: int) -> None:
        """Copy the record of a machine that is about to change, for the rows that it has so far."""
        rows = len(self.slots)
        if not rows or (self.kept_slots and self.kept_slots[-1] == slot and self.kept_before[-1] == rows):
            return
        integers, floats = self._store.record(slot)
        self.kept_slots.append(slot)
        self.kept_before.append(rows)
        self.kept_integers.extend(integers)
        self.kept_floats.extend(floats)

    def kept_record(self, place: int) -> int | None:
        """Return the place among the kept records of the one that a row depends on; None for the current record."""
        slot = self.slots[place]
        of_slot = (
            kept
            for kept, (kept_slot, before) in enumerate(zip(self.kept_slots, self.kept_before, strict=True))
            if kept_slot == slot and before > place
        )
        return next(of_slot, None)

    def advancing_rows(self, slot: int) -> list[int]:
        """Return the places of the rows of a machine that advance registers."""
        rows = enumerate(zip(self.slots, self.advancing, strict=True))
        return [place for place, (other, advances) in rows if other == slot and advances]

    def clear(self) -> None:
        """Remove all rows."""
        self.slots, self.times_ms, self.advancing = array("q"), array("q"), array("b")
        self.kept_slots, self.kept_before = array("q"), array("q")
        self.kept_integers, self.kept_floats = array("q"), array("d")
