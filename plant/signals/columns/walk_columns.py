"""Several walks at once, with the bits of plant.signals.row_arithmetic.walk: each numpy call serves all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from plant.signals.columns.column_arithmetic import Column, Integers, Words, normal, word
from plant.signals.laws.exact_tables import WORD, BridgeStep, WalkGrid

FEW_ROWS: Final = 512
"""Rows for which the draws of all levels are made at once: fewer calls, but more memory than the cache has for more."""


class _Level(NamedTuple):
    """A halving, for all walks that have it, which are the first ones. place: among the levels, the longest first."""

    place: int
    level: int
    walks: int
    mean: Column
    sigma: Column


class WalkColumns:
    """The walks of a program as rows of arrays, those with the most levels first."""

    __slots__ = ("_every_ms", "_halvings", "_levels", "_per_ms", "_places", "_salts", "_steps")

    def __init__(self, grids: Sequence[WalkGrid]) -> None:
        order = sorted(range(len(grids)), key=lambda number: -grids[number].levels)
        ordered = [grids[number] for number in order]
        self._places = {number: place for place, number in enumerate(order)}
        self._every_ms: Integers = np.array([[grid.every_ms] for grid in ordered], dtype=np.int64)
        self._per_ms = _upright(1 / grid.every_ms for grid in ordered)
        self._salts: Words = np.array([[grid.salt & WORD] for grid in ordered], dtype=np.uint64)
        self._levels: Integers = np.array([[grid.levels] for grid in ordered], dtype=np.int64)
        halvings = [*reversed(range(ordered[0].levels if ordered else 0))]
        self._halvings: Integers = np.array(halvings, dtype=np.int64).reshape(-1, 1, 1)
        self._steps = [_level(place, level, ordered) for place, level in enumerate(halvings)]

    def values(self, first_key: Words, second_key: Words, times_ms: Integers) -> list[Column]:
        """Return the standard values of all walks, by number."""
        point = times_ms // self._every_ms
        keys = first_key + self._salts
        left, right = self._ends(point, keys, second_key)
        few = len(times_ms) <= FEW_ROWS
        drawn = _draws(point, self._halvings if few else self._halvings[:0], keys, second_key)
        for place, level, walks, mean, sigma in self._steps:
            some = slice(walks)
            draws = drawn[place, some] if few else _draws(point[some], level, keys[some], second_key)
            draws *= sigma
            middle = left[some] + right[some]
            middle *= mean
            middle += draws
            goes_right = (point[some] >> level & 1).astype(np.bool)
            left[some] = np.where(goes_right, middle, left[some])
            right[some] = np.where(goes_right, right[some], middle)
        right -= left
        right *= (times_ms - point * self._every_ms) * self._per_ms
        left += right
        return [left[self._places[number]] for number in range(len(self._places))]

    def _ends(self, point: Integers, keys: Words, second_key: Words) -> tuple[Column, Column]:
        """Return the draws at the ends of the longest intervals."""
        ends = np.empty((2, *point.shape), dtype=np.int64)
        ends[0] = point >> self._levels << self._levels
        ends[1] = ends[0] + (1 << self._levels)
        left, right = normal(word(keys, second_key, ends))
        return left, right


def _draws(point: Integers, level: Integers | int, keys: Words, second_key: Words) -> Column:
    """Return the draws in the middle of intervals. level: one, or several as an array's first dimension."""
    middle = point >> level
    middle |= 1
    middle <<= level
    return normal(word(keys, second_key, middle))


def _level(place: int, level: int, grids: Sequence[WalkGrid]) -> _Level:
    steps = [_step(grid, level) for grid in grids if grid.levels > level]
    return _Level(
        place, level, len(steps), _upright(step.mean for step in steps), _upright(step.sigma for step in steps)
    )


def _step(grid: WalkGrid, level: int) -> BridgeStep:
    return grid.steps[grid.levels - 1 - level]


def _upright(numbers: Iterable[float]) -> Column:
    """Return a number for each walk, one below the other."""
    return np.array([[number] for number in numbers], dtype=np.float64)
