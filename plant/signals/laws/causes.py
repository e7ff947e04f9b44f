"""What faults and wear do to measured signals, and what faulty sensors report of them.

A cause has a level in each row: 0 while it is not there. Where no row of a frame has a level, nothing is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from plant.signals.laws.frame import Frame, V


class CauseEffect(NamedTuple):
    """An effect of a cause on a signal: `1 + more * level` times as much, and `plus * level` in addition."""

    level: int
    more: float
    plus: float


def affected(frame: Frame[V], value: V, effects: Sequence[CauseEffect]) -> V:
    """Return a value under all effects: times all factors, then plus all that is added."""
    added = []
    for number, more, plus in effects:
        if frame.is_idle(number):
            continue
        level = frame.level(number)
        value = value * frame.arithmetic.binary["max"](level * more + 1.0, frame.constant(0.0))
        added.append(level * plus)
    for each in added:
        value = value + each
    return value


class Reported(Protocol):
    """How a faulty sensor changes what is reported. The value itself stays what it is for formulas and registers."""

    def value(self, frame: Frame[V], value: V) -> V:
        """Return the value that the sensor measures."""

    def digits(self, frame: Frame[V], digits: V, missing: int) -> V:
        """Return the whole number of last decimals that it reports. missing: stands for no value."""


class _Measuring:
    """A sensor that reports each value which it measures."""

    __slots__ = ()

    def digits(self, frame: Frame[V], digits: V, missing: int) -> V:  # noqa: ARG002
        """Return the same number."""
        return digits


@dataclass(frozen=True, slots=True)
class Stuck(_Measuring):
    """A sensor that goes on reporting the value of the moment at which its fault began."""

    level: int
    held: int

    def value(self, frame: Frame[V], value: V) -> V:
        """Return the value that is held."""
        if frame.is_idle(self.level):
            return value
        return frame.arithmetic.choose(frame.level(self.level), frame.held(self.held), value)


@dataclass(frozen=True, slots=True)
class Drifting(_Measuring):
    """A sensor whose level is its error."""

    level: int

    def value(self, frame: Frame[V], value: V) -> V:
        """Return the value with the error."""
        return value if frame.is_idle(self.level) else value + frame.level(self.level)


@dataclass(frozen=True, slots=True)
class Spiking(_Measuring):
    """A sensor with a spike in some messages."""

    level: int
    salt: int
    amplitude: float
    chance: float

    def value(self, frame: Frame[V], value: V) -> V:
        """Return the value, with a spike in some rows."""
        if frame.is_idle(self.level):
            return value
        has_spike = frame.arithmetic.binary["<"](frame.uniform(self.salt), frame.constant(self.chance))
        return value + has_spike * frame.level(self.level) * self.amplitude


@dataclass(frozen=True, slots=True)
class Missing:
    """A sensor that reports no value."""

    level: int

    def value(self, frame: Frame[V], value: V) -> V:  # noqa: ARG002
        """Return the same value."""
        return value

    def digits(self, frame: Frame[V], digits: V, missing: int) -> V:
        """Return what stands for no value."""
        if frame.is_idle(self.level):
            return digits
        return frame.arithmetic.choose(frame.level(self.level), frame.constant(float(missing)), digits)
