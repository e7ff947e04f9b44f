"""Registers of a block of rows: each row adds to its machine's register, in the order of rows.

Registers are whole numbers, so sums are the same in any order, and a block may be cut anywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from plant.signals.columns.column_arithmetic import Integers
from plant.signals.laws.signal_laws import REGISTER_MODULUS
from plant.signals.laws.store import SignalStore


class RowsByMachine(NamedTuple):
    """The rows of a block, those of a machine together.

    order: of rows.  first, last: places of the rows of each machine.
    slots: of the machines.  machine: of each row in that order, by number.
    """

    order: Integers
    first: Integers
    last: Integers
    slots: Integers
    machine: Integers


def rows_by_machine(slots: Integers) -> RowsByMachine:
    """Return the rows by machine. slots: of the rows, at least one."""
    order = np.argsort(slots, kind="stable")
    ordered = slots[order]
    begins = np.empty(len(slots), dtype=np.bool)
    begins[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(slots)) - 1
    return RowsByMachine(order, first, last, ordered[first], np.cumsum(begins) - 1)


def advance_registers(store: SignalStore, place: int, rows: RowsByMachine, added: Integers) -> Integers:
    """Add units to a register row by row, and return it after each row. place: of the register in records."""
    registers = np.asarray(store.integers).reshape(len(store), store.layout.integers)
    before = registers[rows.slots, place]
    in_order = added[rows.order]
    sums = np.cumsum(in_order)
    sums += (before - sums[rows.first] + in_order[rows.first])[rows.machine]
    if np.abs(sums).max() >= REGISTER_MODULUS:
        sums = _wrapped(in_order, before, rows)
    registers[rows.slots, place] = sums[rows.last]
    after = np.empty_like(sums)
    after[rows.order] = sums
    return after


def _wrapped(added: Integers, before: Integers, rows: RowsByMachine) -> Integers:
    """Add row by row where a register passes its greatest number, which is rare."""
    units, sums = before.tolist(), []
    for machine, more in zip(rows.machine.tolist(), added.tolist(), strict=True):
        total = units[machine] + more
        total -= REGISTER_MODULUS * ((total >= REGISTER_MODULUS) - (total <= -REGISTER_MODULUS))
        units[machine] = total
        sums.append(total)
    return np.array(sums, dtype=np.int64)
