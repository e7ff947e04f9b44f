"""The parts of measured signals that have a memory, and what depends on the state of one."""

from __future__ import annotations

from dataclasses import dataclass

from plant.signals.laws.expressions import Expression
from plant.signals.laws.frame import Frame, Memory, V
from plant.signals.memory.switch import SHARE

GREATEST_INPUT = 1e15
"""The greatest magnitude of what is followed, and of rates: a formula may also be infinite."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The value of a memory, from inputs that are known in each row."""

    memory: Memory
    inputs: tuple[Expression, ...]

    def value(self, frame: Frame[V]) -> V:
        """Return where it is now."""
        clip = frame.arithmetic.clip
        return frame.remember(
            self.memory, [clip(each.value(frame), -GREATEST_INPUT, GREATEST_INPUT) for each in self.inputs]
        )


@dataclass(frozen=True, slots=True)
class OnShare:
    """The share of the time since the last step in which a switch was on. number: of its memory."""

    number: int

    def value(self, frame: Frame[V]) -> V:
        """Return the share, 0 to 1."""
        return frame.remembered(self.number, SHARE)


@dataclass(frozen=True, slots=True)
class OwnDraw:
    """A draw that each machine has for itself, at all times."""

    salt: int

    def value(self, frame: Frame[V]) -> V:
        """Return the draw, in [0, 1)."""
        return frame.uniform(self.salt, _FOR_EVER_MS)


_FOR_EVER_MS = 1 << 62


@dataclass(frozen=True, slots=True)
class LastDecimals:
    """The whole number of last decimals of a register or counter above. unit: 1 / unit is the last one."""

    number: int
    unit: int

    def value(self, frame: Frame[V]) -> V:
        """Return the number."""
        return frame.arithmetic.whole(frame.values[self.number] * float(self.unit))


@dataclass(frozen=True, slots=True)
class Divided:
    """A whole number of last decimals as a value."""

    digits: Expression
    unit: int

    def value(self, frame: Frame[V]) -> V:
        """Return the value."""
        return self.digits.value(frame) / float(self.unit)
