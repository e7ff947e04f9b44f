"""The arithmetic of columns in numpy. plant.signals.row_arithmetic has the same bits for one row.

Only operations are used whose results IEEE 754 defines to the last bit, and tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import add, mul, neg, sub
from typing import Final

import numpy as np
import numpy.typing as npt

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
)

Column = npt.NDArray[np.float64]
"""A quantity of each row, or an array without dimensions: the same number for all rows."""
Integers = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

_DECAY: Final = np.array(DECAY)
_NORMAL: Final = np.array(NORMAL)
_SINE: Final = np.array(SINE)
_STEP, _FIRST_MIX, _SECOND_MIX = np.uint64(STEP), np.uint64(FIRST_MIX), np.uint64(SECOND_MIX)
_11, _27, _30, _31, _NORMAL_SHIFT = (np.uint64(bits) for bits in (11, 27, 30, 31, NORMAL_SHIFT))


def word(first_key: Words, second_key: Words, numbers: Integers) -> Words:
    """Return 64 bits that depend on keys, a purpose and numbers. first_key: with the purpose added, by `salted`."""
    mixed: Words = np.multiply(numbers.view(np.uint64), _STEP)
    mixed += first_key
    shifted = mixed >> _30
    shifted ^= second_key
    mixed ^= shifted
    mixed *= _FIRST_MIX
    np.right_shift(mixed, _27, out=shifted)
    mixed ^= shifted
    mixed *= _SECOND_MIX
    np.right_shift(mixed, _31, out=shifted)
    mixed ^= shifted
    return mixed


def salted(first_key: Words, salt: int) -> Words:
    """Return the first half of keys with a purpose added."""
    return first_key + np.uint64(salt & WORD)


def normal(words: Words) -> Column:
    """Return draws from the standard normal distribution."""
    return _NORMAL.take((words >> _NORMAL_SHIFT).view(np.int64))


def uniform(words: Words) -> Column:
    """Return draws in [0, 1) with 53 bits."""
    return (words >> _11).astype(np.float64) * TO_UNIT


def wave(phase_ms: Integers, period_ms: int) -> Column:
    """Return the sine. phase_ms: since it rose through 0, below the period."""
    at = phase_ms * (SINE_STEPS / period_ms)
    step = at.astype(np.int64)
    low = _SINE.take(step)
    step += 1
    rise: Column = _SINE.take(step)
    rise -= low
    step -= 1
    return low + rise * (at - step)


def decay(exponent: Column) -> Column:
    """Return e^-x within 3e-9; below 0 it is 1. The exponent is not a NaN."""
    at = np.minimum(np.maximum(exponent, 0.0), DECAY_END) * DECAY_STEPS
    step = at.astype(np.int64)
    rest = (at - step) * (1 / DECAY_STEPS)
    result: Column = _DECAY.take(step) * (1.0 - rest * (1.0 - rest * (0.5 - rest * (1 / 6))))
    return result


def _divided(left: Column, right: Column) -> Column:
    return np.where(right != 0.0, left / right, 0.0)


def _remainder(left: Column, right: Column) -> Column:
    return np.where(right != 0.0, np.remainder(left, right), 0.0)


def _comparison(compare: Callable[[Column, Column], npt.NDArray[np.bool]]) -> Callable[[Column, Column], Column]:
    return lambda left, right: compare(left, right).astype(np.float64)


class ColumnArithmetic:
    """Operations on columns that do not fail; numpy's warnings about numbers have to be off."""

    __slots__ = ()

    binary: Mapping[str, Callable[[Column, Column], Column]] = {
        "+": add,
        "-": sub,
        "*": mul,
        "/": _divided,
        "%": _remainder,
        "<": _comparison(np.less),
        "<=": _comparison(np.less_equal),
        ">": _comparison(np.greater),
        ">=": _comparison(np.greater_equal),
        "==": _comparison(np.equal),
        "!=": _comparison(np.not_equal),
        "and": mul,
        "or": np.maximum,
        "min": lambda left, right: np.where(left < right, left, right),
        "max": lambda left, right: np.where(left > right, left, right),
    }
    unary: Mapping[str, Callable[[Column], Column]] = {
        "-": neg,
        "abs": np.abs,
        "sqrt": lambda operand: np.where(operand > 0.0, np.sqrt(operand), 0.0),
        "floor": np.floor,
        "round": np.rint,
        "decay": lambda operand: decay(np.where(operand > 0.0, operand, 0.0)),
        "number": lambda operand: np.where(operand == operand, operand, 0.0),  # noqa: PLR0124  a NaN is not itself
    }
    decay = staticmethod(decay)

    def floor(self, quantity: Column) -> Column:
        """Return the greatest whole numbers that are not above."""
        return np.floor(quantity)

    def whole(self, quantity: Column) -> Column:
        """Return the nearest whole numbers, half to even."""
        return np.rint(quantity)

    def choose(self, condition: Column, then: Column, otherwise: Column) -> Column:
        """Return one of two columns, row by row, by a condition."""
        return np.where(condition != 0.0, then, otherwise)

    def clip(self, quantity: Column, low: float, high: float) -> Column:
        """Return a column, cut to a range."""
        return np.minimum(np.maximum(quantity, low), high)
