"""Several walks at once, with the bits of plant.signals.row_arithmetic.walk: each numpy call serves all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from plant.signals.columns.column_arithmetic import Column, Integers, Words, normal, word
from plant.signals.laws.exact_tables import WORD, BridgeStep, WalkGrid


class _Level(NamedTuple):
    """A halving, for all walks that have it, which are the first ones."""

    level: int
    walks: int
    mean: Column
    sigma: Column


class WalkColumns:
    """The walks of a program as rows of arrays, those with the most levels first."""

    __slots__ = ("_every_ms", "_levels", "_per_ms", "_places", "_salts", "_steps")

    def __init__(self, grids: Sequence[WalkGrid]) -> None:
        order = sorted(range(len(grids)), key=lambda number: -grids[number].levels)
        ordered = [grids[number] for number in order]
        self._places = {number: place for place, number in enumerate(order)}
        self._every_ms: Integers = np.array([[grid.every_ms] for grid in ordered], dtype=np.int64)
        self._per_ms = _upright(1 / grid.every_ms for grid in ordered)
        self._salts: Words = np.array([[grid.salt & WORD] for grid in ordered], dtype=np.uint64)
        self._levels: Integers = np.array([[grid.levels] for grid in ordered], dtype=np.int64)
        self._steps = [_level(level, ordered) for level in reversed(range(ordered[0].levels if ordered else 0))]

    def values(self, first_key: Words, second_key: Words, times_ms: Integers) -> list[Column]:
        """Return the standard values of all walks, by number."""
        point = times_ms // self._every_ms
        start = point >> self._levels << self._levels
        keys = first_key + self._salts
        left = normal(word(keys, second_key, start))
        start += 1 << self._levels
        right = normal(word(keys, second_key, start))
        for level, walks, mean, sigma in self._steps:
            half = point[:walks] >> level
            goes_right = (half & 1).astype(np.bool)
            half |= 1
            half <<= level
            middle = left[:walks] + right[:walks]
            middle *= mean
            draw = normal(word(keys[:walks], second_key, half))
            draw *= sigma
            middle += draw
            np.copyto(left[:walks], middle, where=goes_right)
            np.copyto(right[:walks], middle, where=~goes_right)
        right -= left
        right *= (times_ms - point * self._every_ms) * self._per_ms
        left += right
        return [left[self._places[number]] for number in range(len(self._places))]


def _level(level: int, grids: Sequence[WalkGrid]) -> _Level:
    steps = [_step(grid, level) for grid in grids if grid.levels > level]
    return _Level(level, len(steps), _upright(step.mean for step in steps), _upright(step.sigma for step in steps))


def _step(grid: WalkGrid, level: int) -> BridgeStep:
    return grid.steps[grid.levels - 1 - level]


def _upright(numbers: Iterable[float]) -> Column:
    """Return a number for each walk, one below the other."""
    return np.array([[number] for number in numbers], dtype=np.float64)
