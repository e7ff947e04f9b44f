"""What is stored of each machine for its signals: numbers in two arrays, a record a machine.

A record is read and written by plain Python at events, and copied by numpy for blocks of rows, without conversion.
Records of 64-bit numbers, side by side, cost a machine with six signals about 80 bytes.
"""

from __future__ import annotations

from array import array
from typing import Final, NamedTuple

from plant.signals.laws.program import LEVEL_PARTS, SignalProgram
from plant.signals.laws.signal_laws import REGISTER_UNITS

SITUATION, SINCE_MS, STATE_SINCE_MS, DONE_MS, CYCLE_MS = range(5)
"""Places in a record of integers: the situation by index; when it, and its state, began; the job's progress then."""

FIRST_RAMP: Final = 5
"""The place of the first ramp; after the ramps are counters, registers and others, in the order of program.integers."""


class Layout(NamedTuple):
    """Places in the records of a program: where each of its parts begins; lags begin at 0.

    integers, floats: the lengths of the records.
    """

    counters: int
    registers: int
    begun: int
    steps: int
    integers: int
    set_points: int
    levels: int
    held: int
    states: int
    floats: int


def layout_of(program: SignalProgram) -> Layout:
    """Return the layout of a program's records."""
    counters = FIRST_RAMP + len(program.ramps)
    registers = counters + len(program.counters)
    begun = registers + len(program.registers)
    levels = len(program.lags) + len(program.set_points)
    held = levels + LEVEL_PARTS * len(program.levels)
    return Layout(
        counters=counters,
        registers=registers,
        begun=begun,
        steps=begun + len(program.levels),
        integers=FIRST_RAMP + len(program.integers),
        set_points=len(program.lags),
        levels=levels,
        held=held,
        states=held + len(program.held),
        floats=len(program.floats),
    )


class SignalStore:
    """The records of a fleet's machines, by slot. keys: two words of each machine, for its draws."""

    __slots__ = ("floats", "integers", "keys", "layout")

    def __init__(self, program: SignalProgram) -> None:
        self.layout = layout_of(program)
        self.keys = array("Q")
        self.integers = array("q")
        self.floats = array("d")

    def __len__(self) -> int:
        return len(self.keys) // 2

    def add_slots(self, count: int) -> None:
        """Append empty records."""
        self.keys.extend([0] * (2 * count))
        self.integers.extend([0] * (self.layout.integers * count))
        self.floats.extend([0.0] * (self.layout.floats * count))

    def key(self, slot: int) -> tuple[int, int]:
        """Return the key of a machine's draws."""
        return self.keys[2 * slot], self.keys[2 * slot + 1]

    def set_key(self, slot: int, key: bytes) -> None:
        """Set the key of a machine's draws. key: 16 bytes."""
        self.keys[2 * slot] = int.from_bytes(key[:8], "little")
        self.keys[2 * slot + 1] = int.from_bytes(key[8:], "little")

    def register(self, slot: int, number: int) -> int:
        """Return a register in whole last decimals, as the last row that advances it has left it."""
        return self.integers[slot * self.layout.integers + self.layout.registers + number] // REGISTER_UNITS

    def record(self, slot: int) -> tuple[array[int], array[float]]:
        """Return a copy of a machine's record."""
        integers, floats = self.layout.integers, self.layout.floats
        return (
            self.integers[slot * integers : (slot + 1) * integers],
            self.floats[slot * floats : (slot + 1) * floats],
        )

    def set_record(self, slot: int, integers: array[int], floats: array[float]) -> None:
        """Replace a machine's record by one of the same layout."""
        self.integers[slot * len(integers) : (slot + 1) * len(integers)] = integers
        self.floats[slot * len(floats) : (slot + 1) * len(floats)] = floats
