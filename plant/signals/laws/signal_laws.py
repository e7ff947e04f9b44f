"""The laws of signals: how each kind of signal gets its value, and the whole number of its last decimal in messages."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Final, Protocol

from plant.signals.laws.causes import CauseEffect, Missing, Reported, affected
from plant.signals.laws.exact_tables import SALT_STEP
from plant.signals.laws.expressions import Expression
from plant.signals.laws.frame import Frame, V

REGISTER_UNITS: Final = 1000
"""Units of a register in its last decimal: what a message adds is rounded to a thousandth of it."""

MOST_ADDED: Final = 1e14
"""The most units that one message adds to a register, so that sums over blocks of messages stay below 2^63."""

REGISTER_MODULUS: Final = 10**18
"""Where a register starts again at 0, as a meter does after its last digit."""


class Law(Protocol):
    """A kind of signal."""

    @property
    def unit(self) -> int:
        """Whole numbers of the last decimal in 1."""

    def value(self, frame: Frame[V]) -> V:
        """Return the value, for formulas; it is asked for once in each row, in the order of signals."""

    def last_decimals(self, frame: Frame[V], value: V) -> V:
        """Return the value in messages as a whole number of its last decimal."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A sum of parts, times a factor that each machine has for itself, within bounds.

    own_salt, spread: of the factor, if spread is not 0.  low, high: whole numbers of the last decimal, 1 / unit.
    effects: of faults and wear, before the bounds.  sensors: what makes the message differ from the value.
    """

    parts: tuple[Expression, ...]
    own_salt: int
    spread: float
    low: int
    high: int
    unit: int
    effects: tuple[CauseEffect, ...] = ()
    sensors: tuple[Reported, ...] = ()

    @property
    def missing(self) -> int | None:
        """The whole number that stands for no value in a message; None where each has one."""
        return self.low - 1 if any(isinstance(each, Missing) for each in self.sensors) else None

    def value(self, frame: Frame[V]) -> V:
        """Return the sum within its bounds."""
        first, *others = self.parts
        total = first.value(frame)
        for part in others:
            total = total + part.value(frame)
        if self.spread:
            total = total * (frame.own_normal(self.own_salt) * self.spread + 1.0)
        if self.effects:
            total = affected(frame, total, self.effects)
        return frame.arithmetic.clip(total, self.low / self.unit, self.high / self.unit)

    def last_decimals(self, frame: Frame[V], value: V) -> V:
        """Return the value, rounded half to even, as the sensor reports it."""
        if not self.sensors:
            return frame.arithmetic.whole(value * float(self.unit))
        for sensor in self.sensors:
            value = sensor.value(frame, value)
        digits = frame.arithmetic.clip(frame.arithmetic.whole(value * float(self.unit)), self.low, self.high)
        for sensor in self.sensors:
            digits = sensor.digits(frame, digits, self.low - 1)
        return digits


@dataclass(frozen=True, slots=True)
class Register:
    """An integral of another signal, carried in whole units, so that it does not drift.

    per_message: units that a message adds for each 1 of the other signal.
    """

    number: int
    source: int
    per_message: float
    unit: int

    def value(self, frame: Frame[V]) -> V:
        """Return the register, after what the row adds."""
        arithmetic = frame.arithmetic
        added = arithmetic.clip(frame.values[self.source] * self.per_message, -MOST_ADDED, MOST_ADDED)
        return frame.register(self.number, arithmetic.whole(added)) / float(self.unit)

    def last_decimals(self, frame: Frame[V], value: V) -> V:
        """Return the value; it is a whole number of last decimals, except for the last bits of the division."""
        return frame.arithmetic.whole(value * float(self.unit))


@dataclass(frozen=True, slots=True)
class Count:
    """A number of jobs."""

    number: int
    unit: int

    def value(self, frame: Frame[V]) -> V:
        """Return the number."""
        return frame.count(self.number)

    def last_decimals(self, frame: Frame[V], value: V) -> V:  # noqa: ARG002
        """Return the number."""
        return value * float(self.unit)


@dataclass(frozen=True, slots=True)
class StateTime:
    """Seconds in a state; its counter has the milliseconds until the last change. in_state: 1 or 0 by situation."""

    number: int
    in_state: array[float]
    unit: int

    def value(self, frame: Frame[V]) -> V:
        """Return the seconds, with the part of the last decimal that is over cut off."""
        total_ms = frame.count(self.number) + frame.elapsed_ms() * frame.by_situation(self.in_state)
        return frame.arithmetic.floor(total_ms * float(self.unit) / 1000.0) / float(self.unit)

    def last_decimals(self, frame: Frame[V], value: V) -> V:
        """Return the seconds."""
        return frame.arithmetic.whole(value * float(self.unit))


@dataclass(frozen=True, slots=True)
class Binomial:
    """How many of a number of items have something. Each item is drawn for itself, for each machine and time.

    source: the number of items, rounded to a whole one.  most: of them.  chance: of each.
    """

    salt: int
    source: int
    most: int
    chance: Expression
    unit: int = 1

    def value(self, frame: Frame[V]) -> V:
        """Return how many; a chance below 0 is 0, and one above 1 is 1."""
        arithmetic, chance = frame.arithmetic, self.chance.value(frame)
        items = arithmetic.clip(arithmetic.whole(frame.values[self.source]), 0.0, float(self.most))
        is_less, drawn = arithmetic.binary["<"], frame.constant(0.0)
        for item in range(int(frame.greatest(items))):
            has_it = is_less(frame.uniform(self.salt + item * SALT_STEP), chance)
            drawn = drawn + has_it * is_less(frame.constant(float(item)), items)
        return drawn

    def last_decimals(self, frame: Frame[V], value: V) -> V:  # noqa: ARG002
        """Return the number."""
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several texts, drawn by weight, again for each span of `every_ms`. bounds: sums of weights, up to 1."""

    salt: int
    every_ms: int
    bounds: array[float]
    texts: tuple[str, ...]
    unit: int = 1

    def value(self, frame: Frame[V]) -> V:
        """Return the place of the text."""
        return frame.pick(self.bounds, frame.uniform(self.salt, self.every_ms))

    def last_decimals(self, frame: Frame[V], value: V) -> V:  # noqa: ARG002
        """Return the place of the text."""
        return value


@dataclass(frozen=True, slots=True)
class TextByCondition:
    """One of several texts, or of true and false. place: the place of the one whose condition holds first."""

    place: Expression
    texts: tuple[str | bool, ...]
    unit: int = 1

    def value(self, frame: Frame[V]) -> V:
        """Return the place of the text."""
        return self.place.value(frame)

    def last_decimals(self, frame: Frame[V], value: V) -> V:  # noqa: ARG002
        """Return the place of the text."""
        return value


@dataclass(frozen=True, slots=True)
class NumberedText:
    """A text with the number of another signal, as that has it in messages. head, tail: before and after the number.

    number: of that signal.  law: its law.
    """

    number: int
    law: Law
    head: str
    tail: str

    @property
    def unit(self) -> int:
        """Whole numbers of the last decimal in 1."""
        return self.law.unit

    def value(self, frame: Frame[V]) -> V:
        """Return the number."""
        return frame.values[self.number]

    def last_decimals(self, frame: Frame[V], value: V) -> V:
        """Return the number in messages as a whole number of its last decimal."""
        return self.law.last_decimals(frame, value)
