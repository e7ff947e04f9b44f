"""Memories in a block of rows: the rows of each machine one after the other, with the bits of single rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from plant.signals.columns.column_arithmetic import Column
from plant.signals.columns.records import RowRecords
from plant.signals.columns.register_columns import RowsByMachine
from plant.signals.laws.frame import Memory, State
from plant.signals.laws.store import SignalStore


def remembered_states(
    store: SignalStore, memory: Memory, rows: RowRecords, machines: RowsByMachine, inputs: Sequence[Column]
) -> Column:
    """Return the state of a memory in each row, and keep it in the store where the row advances registers.

    machines: the rows by machine.  The states are below each other, in the order of rows.
    """
    layout, slots = store.layout, machines.slots
    first, step = layout.states + memory.first, layout.steps + memory.number
    floats = np.asarray(store.floats).reshape(len(store), layout.floats)[:, first : first + len(memory.keys)]
    steps = np.asarray(store.integers).reshape(len(store), layout.integers)[:, step]
    states, ended_ms = [*map(tuple, floats[slots].tolist())], steps[slots].tolist()
    numbers = chain.from_iterable(_stepped(memory, states, ended_ms, rows, machines, inputs))
    found = np.empty((len(machines.order), len(memory.keys)))
    found[machines.order] = np.fromiter(numbers, np.float64, found.size).reshape(found.shape)
    floats[slots], steps[slots] = states, ended_ms
    return found


def _stepped(
    memory: Memory,
    states: list[State],
    ended_ms: list[int],
    rows: RowRecords,
    machines: RowsByMachine,
    inputs: Sequence[Column],
) -> Iterator[State]:
    """Yield the state in each row, those of a machine together.

    states, ended_ms: of each machine the state after its last step, and when that was; brought up to date.
    """
    after, between, order = memory.after, memory.between, machines.order
    in_order = (machines.machine, rows.times_ms[order], rows.advancing[order])
    columns = (each[order] if each.ndim else np.broadcast_to(each, len(order)) for each in inputs)
    each_input = zip(*(column.tolist() for column in columns), strict=True)
    for machine, time_ms, advances, row in zip(*(each.tolist() for each in in_order), each_input, strict=True):
        elapsed_ms = max(0, time_ms - ended_ms[machine])
        if advances:
            states[machine], ended_ms[machine] = after(states[machine], elapsed_ms, row), time_ms
            yield states[machine]
        else:
            yield between(states[machine], elapsed_ms, row)
