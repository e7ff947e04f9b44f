"""What each row of a block depends on, gathered from the machines' records."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from plant.signals.columns.column_arithmetic import Column, Integers, Words
from plant.signals.laws.pending_rows import PendingRows
from plant.signals.laws.store import SignalStore

_NONE: Final = -1


class RowRecords(NamedTuple):
    """Rows of a block: slots, times, whether each advances registers, keys, and a copy of a record for each.

    integers, floats: a record of the store for each row; registers in them may be out of date.
    """

    slots: Integers
    times_ms: Integers
    advancing: Integers
    first_key: Words
    second_key: Words
    integers: Integers
    floats: Column


class PendingRecords:
    """The rows that are pending, as arrays, of which parts can be gathered."""

    __slots__ = ("_advancing", "_kept", "_kept_floats", "_kept_integers", "_store", "slots", "times_ms")

    def __init__(self, store: SignalStore, pending: PendingRows) -> None:
        self._store = store
        self.slots: Integers = np.array(pending.slots)
        self.times_ms: Integers = np.array(pending.times_ms)
        self._advancing: Integers = np.array(pending.advancing, dtype=np.int64)
        self._kept = _kept_record(self.slots, np.array(pending.kept_slots), np.array(pending.kept_before))
        self._kept_integers = np.array(pending.kept_integers).reshape(-1, store.layout.integers)
        self._kept_floats = np.array(pending.kept_floats).reshape(len(self._kept_integers), store.layout.floats)

    def part(self, first: int, last: int) -> RowRecords:
        """Return the rows from one place to before another."""
        place = slice(first, last)
        rows = current_records(self._store, self.slots[place], self.times_ms[place], self._advancing[place])
        if self._kept is not None:
            kept = self._kept[place]
            old = np.flatnonzero(kept != _NONE)
            rows.integers[old] = self._kept_integers[kept[old]]
            rows.floats[old] = self._kept_floats[kept[old]]
        return rows


def current_records(store: SignalStore, slots: Integers, times_ms: Integers, advancing: Integers) -> RowRecords:
    """Return rows with copies of their machines' records as they are now."""
    layout, machines = store.layout, len(store)
    keys = np.asarray(store.keys).reshape(machines, 2).take(slots, axis=0)
    integers = np.asarray(store.integers).reshape(machines, layout.integers).take(slots, axis=0)
    floats = np.asarray(store.floats).reshape(machines, layout.floats).take(slots, axis=0)
    return RowRecords(slots, times_ms, advancing, keys[:, 0].copy(), keys[:, 1].copy(), integers, floats)


def _kept_record(slots: Integers, kept_slots: Integers, kept_before: Integers) -> Integers | None:
    """Return the number of the kept record of each row, _NONE for the current one; None if nothing was kept.

    It is the first record that was kept of the machine after the row.
    """
    if not len(kept_slots):
        return None
    places = len(slots) + 1
    ends = kept_slots * places + kept_before
    order = np.argsort(ends, kind="stable")
    found = np.searchsorted(ends[order], slots * places + np.arange(len(slots)), side="right")
    number = order[np.minimum(found, len(order) - 1)]
    is_kept = (found < len(order)) & (kept_slots[number] == slots)
    return np.where(is_kept, number, _NONE)
