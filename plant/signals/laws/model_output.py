"""Outputs of models in Python as expressions over a frame."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Generic

from plant.models.registry import models
from plant.signals.laws.frame import Frame, V

_HOUR_MS: Final = 3_600_000.0


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """An output of a model.

    signals, plant_signals: the numbers of the signals that it may use, by name.  states: by name, a table that is 1 for
    situations in that state, otherwise 0.
    """

    model: str
    output: str
    signals: tuple[tuple[str, int], ...]
    plant_signals: tuple[tuple[str, int], ...]
    states: tuple[tuple[str, array[float]], ...]

    def value(self, frame: Frame[V]) -> V:
        """Return it; 0 where it is not a number."""
        known = frame.outputs
        if self.model not in known:
            known[self.model] = models()[self.model].values(_FrameRows(frame, self))
        return frame.arithmetic.unary["number"](known[self.model][self.output])


class _FrameRows(Generic[V]):
    """The rows of a frame as a model sees them."""

    def __init__(self, frame: Frame[V], names: ModelOutput) -> None:
        self._frame: Frame[V] = frame
        self._signals: Mapping[str, int] = dict(names.signals)
        self._plant_signals: Mapping[str, int] = dict(names.plant_signals)
        self._states: Mapping[str, array[float]] = dict(names.states)

    def signal(self, name: str) -> V:
        return self._frame.values[self._signals[name]]

    def plant_signal(self, name: str) -> V:
        return self._frame.plant_signal(self._plant_signals[name])

    def in_state(self, name: str) -> V:
        table = self._states.get(name)
        return self._frame.constant(0.0) if table is None else self._frame.by_situation(table)

    def seconds_in_state(self) -> V:
        return self._frame.state_elapsed_ms() * 0.001

    def job_progress(self) -> V:
        return self._frame.job_progress()

    def hour(self) -> V:
        return self.divide(self._frame.day_ms(), self.number(_HOUR_MS))

    def number(self, number: float) -> V:
        return self._frame.constant(number)

    def divide(self, dividend: V, divisor: V) -> V:
        return self._frame.arithmetic.binary["/"](dividend, divisor)

    def root(self, quantity: V) -> V:
        return self._frame.arithmetic.unary["sqrt"](quantity)

    def least(self, one: V, other: V) -> V:
        return self._frame.arithmetic.binary["min"](one, other)

    def greatest(self, one: V, other: V) -> V:
        return self._frame.arithmetic.binary["max"](one, other)

    def decay(self, exponent: V) -> V:
        return self._frame.arithmetic.unary["decay"](exponent)

    def choose(self, condition: V, then: V, otherwise: V) -> V:
        return self._frame.arithmetic.choose(condition, then, otherwise)
