"""Ordinary least squares over whole numbers: exact, whatever the order, and in the memory of a few sums."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple


class Fit(NamedTuple):
    """A linear function that fits best: its coefficients, the share of the variance that it explains, and its points.

    r2: None where there is no variance.
    """

    coefficients: Sequence[Fraction]
    r2: Fraction | None
    points: int


class Regression:
    """The sums of points (x, y) from which the best linear function of x follows. size: of x, with the constant."""

    __slots__ = ("_moments", "_points", "_with_y", "_y_square", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._points = self._y_square = 0
        self._moments = [0] * (size * size)
        self._with_y = [0] * size

    def add(self, x: Sequence[int], y: int) -> None:
        """Add a point. x: begins with the 1 of the constant."""
        self._points += 1
        self._y_square += y * y
        for row, each in enumerate(x):
            self._with_y[row] += each * y
            for column, other in enumerate(x):
                self._moments[row * self.size + column] += each * other

    def fit(self) -> Fit | None:
        """Return the best linear function; None where the points are too few, or do not determine it."""
        coefficients = self._solved() if self._points > self.size else None
        if coefficients is None:
            return None
        products = zip(coefficients, self._with_y, strict=True)
        unexplained = self._y_square - sum((each * moment for each, moment in products), Fraction())
        variance = self._y_square - Fraction(self._with_y[0] ** 2, self._points)
        return Fit(coefficients, 1 - unexplained / variance if variance else None, self._points)

    def _solved(self) -> list[Fraction] | None:
        """Return the solution of the normal equations by Gauss and Jordan; None where they are singular."""
        size = self.size
        rows = [
            [*map(Fraction, self._moments[row * size : (row + 1) * size]), Fraction(self._with_y[row])]
            for row in range(size)
        ]
        for column in range(size):
            pivot = next((row for row in range(column, size) if rows[row][column]), None)
            if pivot is None:
                return None
            rows[column], rows[pivot] = rows[pivot], rows[column]
            _eliminate(rows, column)
        return [row[size] for row in rows]


def _eliminate(rows: list[list[Fraction]], column: int) -> None:
    """Make the pivot of a column 1, and all else in the column 0."""
    pivot = [each / rows[column][column] for each in rows[column]]
    for row, values in enumerate(rows):
        factor = values[column]
        rows[row] = pivot if row == column else [a - factor * b for a, b in zip(values, pivot, strict=True)]
