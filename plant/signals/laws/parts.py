"""The parts of a measured signal, which add up: its level, and what varies around it."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from plant.signals.laws.expressions import Expression
from plant.signals.laws.frame import Frame, V


@dataclass(frozen=True, slots=True)
class SetPoint:
    """A level that commands change."""

    number: int

    def value(self, frame: Frame[V]) -> V:
        """Return the level."""
        return frame.set_point(self.number)


@dataclass(frozen=True, slots=True)
class Lag:
    """A level that is followed as by a first-order system.

    Between two changes x(t) = to + (x0 - to) e^(-elapsed / tau), where x0 is the value at the last change.
    signal: the name of the signal, by which it is found again after a reload.
    """

    signal: str
    number: int
    target: Expression
    per_ms: float

    def value(self, frame: Frame[V]) -> V:
        """Return where it is now."""
        target = self.target.value(frame)
        remaining = frame.arithmetic.decay(frame.elapsed_ms() * self.per_ms)
        return target + (frame.lag_start(self.number) - target) * remaining


@dataclass(frozen=True, slots=True)
class WeeklyLevel:
    """A level by local weekday and time. levels: before the first edge, between edges, and after the last one.

    edges: times at which it changes, in milliseconds since the beginning of Monday.
    """

    edges: tuple[int, ...]
    levels: tuple[float, ...]

    def value(self, frame: Frame[V]) -> V:
        """Return the level."""
        return frame.by_local_week(self.edges, self.levels)


@dataclass(frozen=True, slots=True)
class Walk:
    """A random walk: an Ornstein-Uhlenbeck process."""

    number: int
    sigma: float

    def value(self, frame: Frame[V]) -> V:
        """Return its value, with the standard deviation sigma in the long run."""
        return frame.walk(self.number) * self.sigma


@dataclass(frozen=True, slots=True)
class Noise:
    """Normal noise, independent in each millisecond; the same in all messages of one."""

    salt: int
    sigma: Expression

    def value(self, frame: Frame[V]) -> V:
        """Return the noise."""
        return frame.normal(self.salt) * self.sigma.value(frame)


@dataclass(frozen=True, slots=True)
class Uniform:
    """Uniform noise in [low, low + width)."""

    salt: int
    low: float
    width: float

    def value(self, frame: Frame[V]) -> V:
        """Return the noise."""
        return frame.uniform(self.salt) * self.width + self.low


@dataclass(frozen=True, slots=True)
class DayWave:
    """A sine over the local day."""

    amplitude: float
    shift_ms: int

    def value(self, frame: Frame[V]) -> V:
        """Return the sine."""
        return frame.day_wave(self.shift_ms) * self.amplitude


@dataclass(frozen=True, slots=True)
class YearWave:
    """A sine over the year."""

    amplitude: float
    shift_ms: int

    def value(self, frame: Frame[V]) -> V:
        """Return the sine."""
        return frame.year_wave(self.shift_ms) * self.amplitude


@dataclass(frozen=True, slots=True)
class Ramp:
    """A value that grows with time since its last reset. grows: 0 for situations in which it stays 0, otherwise 1."""

    number: int
    per_ms: float
    grows: array[float]

    def value(self, frame: Frame[V]) -> V:
        """Return the growth."""
        return frame.ramp_elapsed_ms(self.number) * self.per_ms * frame.by_situation(self.grows)
