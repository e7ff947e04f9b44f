"""What a model of a machine is: a class that computes signals from state, time, other signals, and those of the plant.

A model is evaluated for one row as numbers, and for many rows as columns. It has the same bits in both, as long as it
uses nothing but + - * and the operations of `Rows`: no functions of `math` or numpy, and no `if` on a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

V = TypeVar("V", float, "npt.NDArray[np.float64]")
"""A quantity of each row: a number, or a column."""


class Rows(Protocol[V]):
    """The rows that a model is evaluated for. A condition is 1 where it is true, otherwise 0."""

    def signal(self, name: str) -> V:
        """Return a signal of the machine, one of the model's inputs."""

    def plant_signal(self, name: str) -> V:
        """Return a signal of the plant, one of the model's plant inputs."""

    def in_state(self, name: str) -> V:
        """Return whether the machine is in a state; no state of that name is like another state."""

    def seconds_in_state(self) -> V:
        """Return the time since the state began."""

    def job_progress(self) -> V:
        """Return the share of the job that is done, 0 to 1."""

    def hour(self) -> V:
        """Return the hour of the plant's local day, 0 to 24."""

    def number(self, number: float) -> V:
        """Return the same number for each row."""

    def divide(self, dividend: V, divisor: V) -> V:
        """Return the quotient; 0 where the divisor is 0."""

    def root(self, quantity: V) -> V:
        """Return the square root; 0 below 0."""

    def least(self, one: V, other: V) -> V:
        """Return the lesser of two."""

    def greatest(self, one: V, other: V) -> V:
        """Return the greater of two."""

    def decay(self, exponent: V) -> V:
        """Return e^-x; 1 below 0."""

    def choose(self, condition: V, then: V, otherwise: V) -> V:
        """Return one of two, by a condition."""


class Model(Protocol):
    """A model of a machine.

    inputs: signals of the machine type that it needs; what differs from plant to plant is one of them.
    plant_inputs: signals of the plant that it needs.  outputs: what it computes, each with a sentence.
    """

    inputs: Sequence[str]
    plant_inputs: Sequence[str]
    outputs: Mapping[str, str]

    def values(self, rows: Rows[V]) -> Mapping[str, V]:
        """Return each output."""
