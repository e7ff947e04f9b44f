"""One row as a frame: what its machine's record, its key and its time give, as plain numbers."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from typing import Final

from plant.signals.laws.frame import Arithmetic
from plant.signals.laws.program import BEFORE_1970_MS, DAY_MS, LEVEL_PARTS, WEEK_MS, YEAR_MS, SignalProgram
from plant.signals.laws.signal_laws import REGISTER_MODULUS, REGISTER_UNITS
from plant.signals.laws.store import CYCLE_MS, DONE_MS, FIRST_RAMP, SINCE_MS, SITUATION, STATE_SINCE_MS, SignalStore
from plant.signals.row_arithmetic import RowArithmetic, normal, uniform, walk, wave
from plant.time_zones import LocalTime


class RowFrame:
    """A row of one machine after the other. advances: whether the row advances registers."""

    __slots__ = (
        "_advances",
        "_first_float",
        "_first_integer",
        "_floats",
        "_integers",
        "_key",
        "_local_time",
        "_plant",
        "_plant_is_current",
        "_producing",
        "_program",
        "_register_place",
        "_slot",
        "_store",
        "_time_ms",
        "arithmetic",
        "outputs",
        "values",
    )  # fmt: skip

    def __init__(self, program: SignalProgram, store: SignalStore, plant: RowFrame | None = None) -> None:
        self._program, self._store, self._plant = program, store, plant
        self._local_time = LocalTime(program.time_zone)
        self._producing = program.producing
        self.arithmetic: Final[Arithmetic[float]] = RowArithmetic()
        self.values: list[float] = []
        self.outputs: dict[str, Mapping[str, float]] = {}
        self.move_to(0, 0)

    def move_to(self, slot: int, time_ms: int, *, advances: bool = False) -> None:
        """Turn to the row of a machine and a time."""
        self.move_to_record(slot, time_ms, self._store.integers, self._store.floats, slot, advances=advances)

    def move_to_record(
        self, slot: int, time_ms: int, integers: array[int], floats: array[float], row: int, *, advances: bool = False
    ) -> None:
        """Turn to a row of a machine whose record is in other arrays, at place `row`; registers are the store's."""
        store = self._store
        self._integers, self._floats = integers, floats
        self._first_integer, self._first_float = row * store.layout.integers, row * store.layout.floats
        self._register_place = slot * store.layout.integers + store.layout.registers
        self._slot, self._time_ms, self._advances, self._plant_is_current = slot, time_ms, advances, False

    def evaluate(self) -> list[float]:
        """Return the values of all signals."""
        self._key, self.values, self.outputs = self._store.key(self._slot), [], {}
        for law in self._program.laws:
            self.values.append(law.value(self))
        return self.values

    def constant(self, number: float) -> float:
        """Return the number."""
        return number

    def by_situation(self, table: array[float]) -> float:
        """Return the number of the situation."""
        return table[self._integer(SITUATION)]

    def elapsed_ms(self) -> float:
        """Return the time since the last change of the situation."""
        return self._time_ms - self._integer(SINCE_MS)

    def state_elapsed_ms(self) -> float:
        """Return the time since the state began."""
        return self._time_ms - self._integer(STATE_SINCE_MS)

    def ramp_elapsed_ms(self, number: int) -> float:
        """Return the time since a ramp was reset."""
        return self._time_ms - self._integer(FIRST_RAMP + number)

    def lag_start(self, number: int) -> float:
        """Return the value of a lag at the last change of the situation."""
        return self._floats[self._first_float + number]

    def set_point(self, number: int) -> float:
        """Return a set point."""
        return self._floats[self._first_float + self._store.layout.set_points + number]

    def done_ms(self) -> float:
        """Return the producing time of the job so far."""
        return self._integer(DONE_MS) + self.elapsed_ms() * self.by_situation(self._producing)

    def job_progress(self) -> float:
        """Return the share of the job that is done."""
        cycle_ms = self._integer(CYCLE_MS)
        return min(self.done_ms() / cycle_ms, 1.0) if cycle_ms else 0.0

    def day_ms(self) -> float:
        """Return the time since local midnight."""
        return self._local_time.at(self._time_ms) % DAY_MS

    def by_local_week(self, edges: tuple[int, ...], levels: tuple[float, ...]) -> float:
        """Return the level by local weekday and time."""
        return levels[bisect_right(edges, (self._local_time.at(self._time_ms) + BEFORE_1970_MS) % WEEK_MS)]

    def day_wave(self, shift_ms: int) -> float:
        """Return the sine over the local day."""
        return wave((self._local_time.at(self._time_ms) + shift_ms) % DAY_MS, DAY_MS)

    def year_wave(self, shift_ms: int) -> float:
        """Return the sine over the year."""
        return wave((self._local_time.at(self._time_ms) + shift_ms) % YEAR_MS, YEAR_MS)

    def walk(self, number: int) -> float:
        """Return the standard value of a walk."""
        return walk(self._program.walks[number], self._key, self._time_ms)

    def normal(self, salt: int) -> float:
        """Return a draw from the standard normal distribution, for this time."""
        return normal(self._key, salt, self._time_ms)

    def own_normal(self, salt: int) -> float:
        """Return a draw from the standard normal distribution, for any time."""
        return normal(self._key, salt, 0)

    def uniform(self, salt: int, every_ms: int = 1) -> float:
        """Return a draw in [0, 1), for this time."""
        return uniform(self._key, salt, self._time_ms // every_ms)

    def greatest(self, quantity: float) -> float:
        """Return the number."""
        return quantity

    def pick(self, bounds: array[float], uniform: float) -> float:
        """Return how many of the bounds are not above a number."""
        return bisect_right(bounds, uniform)

    def is_idle(self, number: int) -> bool:
        """Return whether a cause is not there."""
        start, per_ms, greatest = self._level_parts(number)
        return start == per_ms == greatest == 0.0

    def level(self, number: int) -> float:
        """Return the level of a cause."""
        start, per_ms, greatest = self._level_parts(number)
        return min(start + (self._time_ms - self._integer(self._store.layout.begun + number)) * per_ms, greatest)

    def held(self, number: int) -> float:
        """Return what a stuck sensor reports."""
        return self._floats[self._first_float + self._store.layout.held + number]

    def _level_parts(self, number: int) -> array[float]:
        first = self._first_float + self._store.layout.levels + LEVEL_PARTS * number
        return self._floats[first : first + LEVEL_PARTS]

    def count(self, number: int) -> float:
        """Return a counter as of the last change of the situation."""
        return float(self._integer(self._store.layout.counters + number))  # formulas calculate as with columns

    def register(self, number: int, added: float) -> float:
        """Add whole units to a register if the row advances it, and return its last decimals."""
        place = self._register_place + number
        units = self._store.integers[place]
        if self._advances:
            units += int(added)
            units -= REGISTER_MODULUS * ((units >= REGISTER_MODULUS) - (units <= -REGISTER_MODULUS))
            self._store.integers[place] = units
        return units // REGISTER_UNITS

    def plant_signal(self, number: int) -> float:
        """Return the value of a signal of the plant."""
        plant = self._plant
        if plant is None:
            return 0.0
        if not self._plant_is_current:
            plant.move_to(0, self._time_ms)
            plant.evaluate()
            self._plant_is_current = True
        return plant.values[number]

    def _integer(self, place: int) -> int:
        return self._integers[self._first_integer + place]
