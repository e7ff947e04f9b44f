"""Memories in a block of rows: the rows of each machine one after the other, with the bits of single rows."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

import numpy as np

from plant.signals.columns.column_arithmetic import Column, Integers
from plant.signals.columns.records import RowRecords
from plant.signals.laws.frame import Memory, State
from plant.signals.laws.store import SignalStore


def remembered_states(
    store: SignalStore, memory: Memory, rows: RowRecords, order: Integers, inputs: Sequence[Column]
) -> list[State]:
    """Return the state of a memory in each row, and keep it in the store where the row advances registers.

    order: of rows, those of a machine together.  The states are in that order.
    """
    slots, times_ms, advancing = (each[order].tolist() for each in (rows.slots, rows.times_ms, rows.advancing))
    layout, after, between = store.layout, memory.after, memory.between
    states: list[State] = []
    slot, since_ms, state = -1, 0, _NOTHING
    for row_slot, time_ms, advances, row in zip(slots, times_ms, advancing, _rows(inputs, order), strict=True):
        if row_slot != slot:
            _keep(store, memory, slot, since_ms, state)
            slot = row_slot
            first = slot * layout.floats + layout.states + memory.first
            state = tuple(store.floats[first : first + len(memory.keys)])
            since_ms = store.integers[slot * layout.integers + layout.steps + memory.number]
        elapsed_ms = max(0, time_ms - since_ms)
        if advances:
            state, since_ms = after(state, elapsed_ms, row), time_ms
            states.append(state)
        else:
            states.append(between(state, elapsed_ms, row))
    _keep(store, memory, slot, since_ms, state)
    return states


_NOTHING: State = ()


def _keep(store: SignalStore, memory: Memory, slot: int, since_ms: int, state: State) -> None:
    """Write the state after the last step of a machine, if there is one."""
    if state:
        layout = store.layout
        first = slot * layout.floats + layout.states + memory.first
        store.floats[first : first + len(state)] = array("d", state)
        store.integers[slot * layout.integers + layout.steps + memory.number] = since_ms


def _rows(inputs: Sequence[Column], order: Integers) -> Iterator[tuple[float, ...]]:
    """Yield the inputs of each row in an order. inputs: columns, or numbers that are the same for all rows."""
    columns = (each[order] if each.ndim else np.broadcast_to(each, len(order)) for each in inputs)
    return zip(*(column.tolist() for column in columns), strict=True)
