"""Figures beside what is expected of them, and how far they may be away from it.

Machines are independent. So a figure is estimated from each machine alone, and its standard error follows from how much
those of the machines differ, whatever the correlation of a machine's own values is. A figure may be SIGMAS standard
errors away, and by what the arithmetic is known to leave out: half a last decimal, or what a straight line between the
points of a walk's grid takes from its variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from benchmarks.laws.sample import Values

SIGMAS: Final = 4.5
"""Of a hundred figures one is further away by chance in one run out of 1,500."""

KOLMOGOROV: Final = 1.95
"""The limit of the distance of Kolmogorov and Smirnov times the root of the number of values, at 0.1 %."""


class Figure(NamedTuple):
    """A figure of a signal.

    part: the key of the declaration whose law it is of.  bound: how far it may be away.  size: of how many values.
    how: where the bound is from.
    """

    part: str
    signal: str
    what: str
    expected: float
    measured: float
    bound: float
    size: int
    how: str

    @property
    def is_met(self) -> bool:
        """Whether the figure is within its bound."""
        return abs(self.measured - self.expected) <= self.bound


class Estimate(NamedTuple):
    """A mean over machines, and its standard error."""

    mean: float
    error: float
    size: int


def over_machines(by_machine: Values, size: int | None = None) -> Estimate:
    """Return the mean of a figure of each machine. size: of all values behind it."""
    machines = len(by_machine)
    error = float(by_machine.std(ddof=1)) / math.sqrt(machines)
    return Estimate(float(by_machine.mean()), error, machines if size is None else size)


def about(
    place: tuple[str, str, str], expected: float, estimate: Estimate, slack: float = 0.0, why: str = ""
) -> Figure:
    """Return a figure with a bound from its standard error. slack: what is allowed beyond, and why."""
    how = f"{SIGMAS:g} s.e. over machines{f' + {why}' if slack else ''}"
    return Figure(*place, expected, estimate.mean, SIGMAS * estimate.error + slack, estimate.size, how)


def exact(place: tuple[str, str, str], errors: Values, bound: float, how: str = "half a last decimal") -> Figure:
    """Return the greatest of errors that may only come from rounding."""
    return Figure(*place, 0.0, float(np.abs(errors).max(initial=0.0)), bound, errors.size, how)


def moments(part: str, signal: str, values: Values, mean: float, deviation: float, slack: float = 0.0) -> list[Figure]:
    """Return mean and standard deviation. slack: how much smaller the latter may be, relatively."""
    squares = over_machines(((values - mean) ** 2).mean(axis=1), values.size)
    root = math.sqrt(squares.mean)
    spread = Estimate(root, squares.error / (2 * root), values.size)
    why = f"{slack:.1%} between points"
    return [
        about((part, signal, "mean"), mean, over_machines(values.mean(axis=1), values.size)),
        about((part, signal, "s.d."), deviation, spread, slack * deviation, why),
    ]


def autocorrelation(values: Values, deviation: float, lag: int) -> Estimate:
    """Return the correlation with the value some messages later. The values have mean 0 and a known deviation."""
    products = values[:, lag:] * values[:, :-lag] if lag else values**2
    return over_machines(products.mean(axis=1) / deviation**2, products.size)


def correlation(left: Values, right: Values, deviations: float) -> Estimate:
    """Return the correlation of quantities with mean 0. deviations: the product of their standard deviations."""
    return over_machines((left * right).mean(axis=1) / deviations, left.size)


def kolmogorov(
    part: str, signal: str, values: Values, law: Callable[[Values], Values], slack: float = 0.0, why: str = ""
) -> Figure:
    """Return the greatest distance from a distribution function. slack: what is allowed beyond, and why."""
    ordered = np.sort(values, axis=None)
    count = len(ordered)
    distance = np.abs(law(ordered) - (np.arange(count) + 0.5) / count).max()
    how = f"{KOLMOGOROV:g} / root of values{f' + {why}' if slack else ''}"
    return Figure(part, signal, "KS distance", 0.0, float(distance), KOLMOGOROV / math.sqrt(count) + slack, count, how)


def waves(values: Values, angle: Values) -> tuple[Values, Values]:
    """Return amplitude and angle of the peak of a sine in each machine's values, by least squares."""
    found = [_wave(*each) for each in zip(values, angle, strict=True)]
    return np.array([amplitude for amplitude, _ in found]), np.array([peak for _, peak in found])


def _wave(values: Values, angle: Values) -> tuple[float, float]:
    design = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    (cosine, sine), *_ = np.linalg.lstsq(design, values, rcond=None)
    return math.hypot(cosine, sine), math.atan2(sine, cosine)


def normal_law(deviation: float) -> Callable[[Values], Values]:
    """Return the distribution function of a normal distribution with mean 0."""
    root = deviation * math.sqrt(2)
    return lambda values: np.array([0.5 + 0.5 * math.erf(value / root) for value in values.tolist()])


def parts_of(figures: Sequence[Figure]) -> set[str]:
    """Return the keys of declarations whose laws the figures are of."""
    return {figure.part for figure in figures}
