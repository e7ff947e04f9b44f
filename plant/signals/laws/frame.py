"""What a signal is computed from: a frame of rows, which is one row as plain numbers, or a block of rows as columns.

Every law of a signal is written once, over the methods here. The two kinds of frame have the same bits, because
both use nothing but the arithmetic of plant.signals.laws.exact_tables.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

V = TypeVar("V", float, "npt.NDArray[np.float64]")
"""A quantity of each row: a number for one row, a column for a block. A condition is 1 where true, otherwise 0."""


class Arithmetic(Protocol[V]):
    """Operations that + - * do not cover. No operation fails: x / 0 and x % 0 are 0, roots below 0 are 0."""

    @property
    def binary(self) -> Mapping[str, Callable[[V, V], V]]:
        """The operations of two quantities: + - * / % < <= > >= == != and or min max."""

    @property
    def unary(self) -> Mapping[str, Callable[[V], V]]:
        """The operations of one quantity: - abs sqrt floor round decay, and `number`, which makes 0 of a NaN."""

    def choose(self, condition: V, then: V, otherwise: V) -> V:
        """Return one of two quantities, by a condition."""

    def decay(self, exponent: V) -> V:
        """Return e^-x; below 0 it is 1."""

    def clip(self, quantity: V, low: float, high: float) -> V:
        """Return the quantity, cut to a range; it is not a NaN."""

    def whole(self, quantity: V) -> V:
        """Return the nearest whole number, half to even."""

    def floor(self, quantity: V) -> V:
        """Return the greatest whole number that is not above."""


class Frame(Protocol[V]):
    """Rows that are evaluated: their times, machines, situations, and the signals that are known so far."""

    @property
    def arithmetic(self) -> Arithmetic[V]:
        """The operations on quantities of the frame."""

    @property
    def values(self) -> list[V]:
        """The values of the signals so far, by number: within limits, not rounded."""

    @property
    def outputs(self) -> dict[str, Mapping[str, V]]:
        """The outputs of models that are known so far, by model."""

    def constant(self, number: float) -> V:
        """Return the same number for each row."""

    def by_situation(self, table: array[float]) -> V:
        """Return the number of each row's situation."""

    def elapsed_ms(self) -> V:
        """Return the time since the last change of the situation."""

    def state_elapsed_ms(self) -> V:
        """Return the time since the state began."""

    def ramp_elapsed_ms(self, number: int) -> V:
        """Return the time since a ramp was reset."""

    def lag_start(self, number: int) -> V:
        """Return the value of a lag at the last change of the situation."""

    def set_point(self, number: int) -> V:
        """Return a set point."""

    def job_progress(self) -> V:
        """Return the share of the job that is done, 0 to 1; 0 without a job."""

    def day_ms(self) -> V:
        """Return the time since local midnight."""

    def by_local_week(self, edges: tuple[int, ...], levels: tuple[float, ...]) -> V:
        """Return the level by local weekday and time. edges: where it changes, in milliseconds from Monday on."""

    def day_wave(self, shift_ms: int) -> V:
        """Return the sine over the local day. shift_ms: how long before midnight it rises through 0."""

    def year_wave(self, shift_ms: int) -> V:
        """Return the sine over the year. shift_ms: how long before the year's beginning it rises through 0."""

    def walk(self, number: int) -> V:
        """Return the standard value of a walk."""

    def normal(self, salt: int) -> V:
        """Return a draw from the standard normal distribution, for the row's machine and time."""

    def own_normal(self, salt: int) -> V:
        """Return a draw from the standard normal distribution, for the row's machine at any time."""

    def uniform(self, salt: int, every_ms: int = 1) -> V:
        """Return a draw in [0, 1), for the row's machine and time, again for each span of `every_ms`."""

    def greatest(self, quantity: V) -> float:
        """Return the greatest number of all rows."""

    def pick(self, bounds: array[float], uniform: V) -> V:
        """Return how many of the bounds, in ascending order, are not above a number."""

    def is_idle(self, number: int) -> bool:
        """Return whether a cause has the level 0 in all rows."""

    def level(self, number: int) -> V:
        """Return the level of a cause."""

    def held(self, number: int) -> V:
        """Return what a stuck sensor reports."""

    def count(self, number: int) -> V:
        """Return a counter as of the last change of the situation."""

    def register(self, number: int, added: V) -> V:
        """Add whole units to a register where the row advances it, and return its last decimals, rounded down."""

    def plant_signal(self, number: int) -> V:
        """Return the value of a signal of the plant."""
