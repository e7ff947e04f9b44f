"""A block of rows as a frame: what their machines' records, keys and times give, as columns."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from plant.signals.columns.column_arithmetic import (
    Column,
    ColumnArithmetic,
    Integers,
    normal,
    salted,
    uniform,
    wave,
    word,
)
from plant.signals.columns.records import RowRecords, current_records
from plant.signals.columns.register_columns import RowsByMachine, advance_registers, rows_by_machine
from plant.signals.columns.walk_columns import WalkColumns
from plant.signals.laws.frame import Arithmetic
from plant.signals.laws.program import BEFORE_1970_MS, DAY_MS, LEVEL_PARTS, WEEK_MS, YEAR_MS, SignalProgram
from plant.signals.laws.signal_laws import REGISTER_UNITS
from plant.signals.laws.store import CYCLE_MS, DONE_MS, FIRST_RAMP, SINCE_MS, SITUATION, STATE_SINCE_MS, SignalStore
from plant.time_zones import QUARTER_MS, LocalTime


class ColumnSource(NamedTuple):
    """What all blocks of a fleet are computed with. plant: the same of the plant's signals, if there are any."""

    program: SignalProgram
    store: SignalStore
    walks: WalkColumns
    local_time: LocalTime
    plant: ColumnSource | None


def column_source(program: SignalProgram, store: SignalStore, plant: ColumnSource | None) -> ColumnSource:
    """Return what blocks of these machines are computed with."""
    return ColumnSource(program, store, WalkColumns(program.walks), LocalTime(program.time_zone), plant)


class ColumnFrame:
    """The rows of a block, once."""

    __slots__ = (
        "_by_machine",
        "_elapsed_ms",
        "_levels",
        "_local_ms",
        "_plant",
        "_rows",
        "_situations",
        "_source",
        "_walks",
        "arithmetic",
        "outputs",
        "values",
    )  # fmt: skip

    def __init__(self, source: ColumnSource, rows: RowRecords) -> None:
        self._source, self._rows = source, rows
        self.arithmetic: Final[Arithmetic[Column]] = ColumnArithmetic()
        self.values: list[Column] = []
        self.outputs: dict[str, Mapping[str, Column]] = {}
        self._situations = np.ascontiguousarray(rows.integers[:, SITUATION])
        self._elapsed_ms = (rows.times_ms - rows.integers[:, SINCE_MS]).astype(np.float64)
        self._by_machine: RowsByMachine | None = None
        self._levels: dict[int, Column | None] = {}
        self._local_ms: Integers | None = None
        self._walks: list[Column] | None = None
        self._plant: tuple[list[Column], Integers] | None = None

    def evaluate(self) -> list[Column]:
        """Return the values of all signals."""
        for law in self._source.program.laws:
            self.values.append(law.value(self))
        return self.values

    def constant(self, number: float) -> Column:
        """Return the number."""
        return np.array(number)

    def by_situation(self, table: array[float]) -> Column:
        """Return the number of each row's situation."""
        return np.frombuffer(table).take(self._situations)

    def elapsed_ms(self) -> Column:
        """Return the time since the last change of the situation."""
        return self._elapsed_ms

    def state_elapsed_ms(self) -> Column:
        """Return the time since the state began."""
        return self._elapsed_since(STATE_SINCE_MS)

    def ramp_elapsed_ms(self, number: int) -> Column:
        """Return the time since a ramp was reset."""
        return self._elapsed_since(FIRST_RAMP + number)

    def lag_start(self, number: int) -> Column:
        """Return the value of a lag at the last change of the situation."""
        return self._rows.floats[:, number]

    def set_point(self, number: int) -> Column:
        """Return a set point."""
        return self._rows.floats[:, self._source.store.layout.set_points + number]

    def job_progress(self) -> Column:
        """Return the share of the job that is done."""
        cycle_ms = self._integers(CYCLE_MS)
        done_ms = self._integers(DONE_MS) + self._elapsed_ms * self.by_situation(self._source.program.producing)
        return np.where(cycle_ms > 0, np.minimum(done_ms / np.maximum(cycle_ms, 1), 1.0), 0.0)

    def day_ms(self) -> Column:
        """Return the time since local midnight."""
        return (self._local() % DAY_MS).astype(np.float64)

    def by_local_week(self, edges: tuple[int, ...], levels: tuple[float, ...]) -> Column:
        """Return the level by local weekday and time."""
        places = np.searchsorted(np.array(edges), (self._local() + BEFORE_1970_MS) % WEEK_MS, side="right")
        return np.array(levels).take(places)

    def day_wave(self, shift_ms: int) -> Column:
        """Return the sine over the local day."""
        return wave((self._local() + shift_ms) % DAY_MS, DAY_MS)

    def year_wave(self, shift_ms: int) -> Column:
        """Return the sine over the year."""
        return wave((self._local() + shift_ms) % YEAR_MS, YEAR_MS)

    def walk(self, number: int) -> Column:
        """Return the standard value of a walk."""
        if self._walks is None:
            rows = self._rows
            self._walks = self._source.walks.values(rows.first_key, rows.second_key, rows.times_ms)
        return self._walks[number]

    def normal(self, salt: int) -> Column:
        """Return draws from the standard normal distribution, for the rows' times."""
        return normal(word(salted(self._rows.first_key, salt), self._rows.second_key, self._rows.times_ms))

    def own_normal(self, salt: int) -> Column:
        """Return draws from the standard normal distribution, for any time."""
        return normal(word(salted(self._rows.first_key, salt), self._rows.second_key, np.zeros_like(self._rows.slots)))

    def uniform(self, salt: int, every_ms: int = 1) -> Column:
        """Return draws in [0, 1), for the rows' times."""
        numbers = self._rows.times_ms // every_ms
        return uniform(word(salted(self._rows.first_key, salt), self._rows.second_key, numbers))

    def greatest(self, quantity: Column) -> float:
        """Return the greatest number of all rows."""
        return float(quantity.max())

    def pick(self, bounds: array[float], uniform: Column) -> Column:
        """Return how many of the bounds are not above a number."""
        return np.searchsorted(np.frombuffer(bounds), uniform, side="right").astype(np.float64)

    def is_idle(self, number: int) -> bool:
        """Return whether a cause is there in no row."""
        if number not in self._levels:
            self._levels[number] = self._level(number)
        return self._levels[number] is None

    def level(self, number: int) -> Column:
        """Return the level of a cause."""
        level = None if self.is_idle(number) else self._levels[number]
        return np.array(0.0) if level is None else level

    def _level(self, number: int) -> Column | None:
        layout = self._source.store.layout
        start, per_ms, greatest = self._rows.floats.T[layout.levels + LEVEL_PARTS * number :][:LEVEL_PARTS]
        if not (start.any() or per_ms.any()):
            return None
        level: Column = np.minimum(start + self._elapsed_since(layout.begun + number) * per_ms, greatest)
        return level

    def held(self, number: int) -> Column:
        """Return what a stuck sensor reports."""
        return self._rows.floats[:, self._source.store.layout.held + number]

    def count(self, number: int) -> Column:
        """Return a counter as of the last change of the situation."""
        return self._integers(self._source.store.layout.counters + number).astype(np.float64)

    def register(self, number: int, added: Column) -> Column:
        """Add whole units to a register in the rows that advance it, and return its last decimals."""
        if self._by_machine is None:
            self._by_machine = rows_by_machine(self._rows.slots)
        store = self._source.store
        units = added.astype(np.int64) * self._rows.advancing
        after = advance_registers(store, store.layout.registers + number, self._by_machine, units)
        return (after // REGISTER_UNITS).astype(np.float64)

    def plant_signal(self, number: int) -> Column:
        """Return the value of a signal of the plant."""
        source = self._source.plant
        if source is None:
            return np.array(0.0)
        if self._plant is None:
            self._plant = _plant_values(source, self._rows.times_ms)
        values, moments = self._plant
        value = values[number]
        return value.take(moments) if value.ndim else value

    def _integers(self, place: int) -> Integers:
        return self._rows.integers[:, place]

    def _elapsed_since(self, place: int) -> Column:
        return (self._rows.times_ms - self._integers(place)).astype(np.float64)

    def _local(self) -> Integers:
        """Return the local times."""
        if self._local_ms is None:
            self._local_ms = self._rows.times_ms + self._offsets_ms(self._rows.times_ms // QUARTER_MS)
        return self._local_ms

    def _offsets_ms(self, quarters: Integers) -> Integers:
        """Return the offsets from UTC; most blocks are within a quarter of an hour."""
        offset_ms = self._source.local_time.offset_ms
        if (quarters == quarters[0]).all():
            return np.array(offset_ms(int(quarters[0])))
        different, places = np.unique(quarters, return_inverse=True)
        return np.array([offset_ms(quarter) for quarter in different.tolist()])[places]


def _plant_values(source: ColumnSource, times_ms: Integers) -> tuple[list[Column], Integers]:
    """Return the values of the plant's signals at the times, and for each time its place in them.

    Rows are in order of time, so those of one time follow each other, and it is computed once.
    """
    is_new = np.append(True, times_ms[1:] != times_ms[:-1])
    moments = times_ms[is_new]
    zeros = np.zeros_like(moments)
    frame = ColumnFrame(source, current_records(source.store, zeros, moments, zeros))
    return frame.evaluate(), np.cumsum(is_new) - 1
