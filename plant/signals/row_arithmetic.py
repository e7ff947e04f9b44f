"""The arithmetic of one row in plain Python. plant.signals.columns.column_arithmetic has the same bits for columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from operator import add, mul, neg, sub
from typing import Final

from plant.signals.laws.exact_tables import (
    DECAY,
    DECAY_END,
    DECAY_STEPS,
    FIRST_MIX,
    NORMAL,
    NORMAL_SHIFT,
    SECOND_MIX,
    SINE,
    SINE_STEPS,
    STEP,
    TO_UNIT,
    WORD,
    WalkGrid,
)

_WHOLE_FROM: Final = 2.0**53
"""Numbers of this magnitude are whole."""

_DECAY: Final = DECAY.tolist()
_NORMAL: Final = NORMAL.tolist()
_SINE: Final = SINE.tolist()


def word(key: tuple[int, int], salt: int, number: int) -> int:
    """Return 64 bits that depend on a machine's key, a purpose and a number: splitmix64 with a key of 128 bits."""
    mixed = (number * STEP + key[0] + salt) & WORD
    mixed ^= (mixed >> 30) ^ key[1]
    mixed = mixed * FIRST_MIX & WORD
    mixed ^= mixed >> 27
    mixed = mixed * SECOND_MIX & WORD
    return mixed ^ (mixed >> 31)


def normal(key: tuple[int, int], salt: int, number: int) -> float:
    """Return a draw from the standard normal distribution."""
    return _NORMAL[word(key, salt, number) >> NORMAL_SHIFT]


def uniform(key: tuple[int, int], salt: int, number: int) -> float:
    """Return a draw in [0, 1) with 53 bits."""
    return (word(key, salt, number) >> 11) * TO_UNIT


def wave(phase_ms: int, period_ms: int) -> float:
    """Return the sine. phase_ms: since it rose through 0, below the period."""
    at = phase_ms * (SINE_STEPS / period_ms)
    step = int(at)
    low = _SINE[step]
    return low + (_SINE[step + 1] - low) * (at - step)


def walk(grid: WalkGrid, key: tuple[int, int], time_ms: int) -> float:
    """Return the standard value of a walk at a time."""
    point, salt = time_ms // grid.every_ms, grid.salt
    start = point >> grid.levels << grid.levels
    left, right = normal(key, salt, start), normal(key, salt, start + (1 << grid.levels))
    for step in grid.steps:
        half = point >> step.level
        middle = (left + right) * step.mean + normal(key, salt, (half | 1) << step.level) * step.sigma
        if half & 1:
            left = middle
        else:
            right = middle
    return left + (right - left) * ((time_ms - point * grid.every_ms) * (1 / grid.every_ms))


def decay(exponent: float) -> float:
    """Return e^-x within 3e-9; below 0 it is 1."""
    at = min(DECAY_END, max(0.0, exponent)) * DECAY_STEPS
    step = int(at)
    rest = (at - step) * (1 / DECAY_STEPS)
    return _DECAY[step] * (1.0 - rest * (1.0 - rest * (0.5 - rest * (1 / 6))))


def floor(quantity: float) -> float:
    """Return the greatest whole number that is not above."""
    return float(math.floor(quantity)) if -_WHOLE_FROM < quantity < _WHOLE_FROM else quantity


def whole(quantity: float) -> float:
    """Return the nearest whole number, half to even."""
    return float(round(quantity)) if -_WHOLE_FROM < quantity < _WHOLE_FROM else quantity


class RowArithmetic:
    """Operations on numbers that do not fail."""

    __slots__ = ()

    binary: Mapping[str, Callable[[float, float], float]] = {
        "+": add,
        "-": sub,
        "*": mul,
        "/": lambda left, right: left / right if right else 0.0,
        "%": lambda left, right: left % right if right else 0.0,
        "<": lambda left, right: float(left < right),
        "<=": lambda left, right: float(left <= right),
        ">": lambda left, right: float(left > right),
        ">=": lambda left, right: float(left >= right),
        "==": lambda left, right: float(left == right),
        "!=": lambda left, right: float(left != right),
        "and": mul,
        "or": lambda left, right: max(right, left),
        "min": lambda left, right: min(right, left),
        "max": lambda left, right: max(right, left),
    }
    unary: Mapping[str, Callable[[float], float]] = {
        "-": neg,
        "abs": abs,
        "sqrt": lambda operand: math.sqrt(operand) if operand > 0.0 else 0.0,
        "floor": floor,
        "round": whole,
        "decay": decay,
        "number": lambda operand: operand if operand == operand else 0.0,  # noqa: PLR0124  a NaN is not itself
    }
    decay = staticmethod(decay)
    floor = staticmethod(floor)
    whole = staticmethod(whole)

    def choose(self, condition: float, then: float, otherwise: float) -> float:
        """Return one of two numbers, by a condition."""
        return then if condition else otherwise

    def clip(self, quantity: float, low: float, high: float) -> float:
        """Return a number, cut to a range."""
        return low if quantity < low else min(quantity, high)
