"""Counter-based random numbers: each draw is a hash of the source, the purpose and a counter.

Only a key is stored, so 100,000 machines cost 100,000 keys, no machine's draws depend on another's, and the same draw
has the same result on every computer and in every version of Python.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from hashlib import blake2b
from itertools import accumulate
from math import exp, gamma, log, log1p, sqrt
from struct import Struct
from typing import Final, Generic, Self, TypeVar

T = TypeVar("T")

_HALVINGS: Final = 48
_PRECISION: Final = 1e-15

_FOUR_WORDS: Final = Struct("<4Q").unpack
_EIGHT_WORDS: Final = Struct("<8I32x").unpack
_TO_UNIT: Final = 2.0**-53
WORD_TO_UNIT: Final = 2.0**-32
LONGEST: Final = 2**53
"""The greatest mean of an exponential distribution, in its unit."""


class RandomStream(bytes):
    """The draws of one source, keyed by the run's seed and the source's name. Seeds 1 and "1" are the same.

    The object is its own key: with 100,000 machines the number of memory accesses of a draw matters.
    """

    __slots__ = ()

    def __new__(cls, seed: int | str, name: str) -> Self:
        """Return the stream of that name."""
        key = blake2b(f"{seed}/{name}".encode(errors="surrogateescape"), digest_size=16).digest()
        return super().__new__(cls, key)

    def draws(self, purpose: bytes, number: int) -> tuple[float, float, float, float]:
        """Return four uniform numbers in [0, 1) with 53 bits each: a pure function of key, purpose and number."""
        hashed = blake2b(b"%b%b%d" % (self, purpose, number), digest_size=32)
        a, b, c, d = _FOUR_WORDS(hashed.digest())
        return (a >> 11) * _TO_UNIT, (b >> 11) * _TO_UNIT, (c >> 11) * _TO_UNIT, (d >> 11) * _TO_UNIT

    def words(self, purpose: bytes, number: int) -> tuple[int, ...]:
        """Return eight integers below 2**32, faster than `draws`; times WORD_TO_UNIT they are uniform in [0, 1)."""
        return _EIGHT_WORDS(blake2b(b"%b%b%d" % (self, purpose, number)).digest())


class WeightedChoice(Generic[T]):
    """Values that are drawn in proportion to their weights, which are finite, not negative and not all zero."""

    __slots__ = ("_bounds", "_values")

    def __init__(self, weighted: Iterable[tuple[T, float]]) -> None:
        chosen = [(value, weight) for value, weight in weighted if weight > 0]
        # Scaled by the greatest, so that huge weights cannot add up to infinity.
        greatest = max(weight for _, weight in chosen)
        sums = list(accumulate(weight / greatest for _, weight in chosen))
        self._values = [value for value, _ in chosen]
        # The last value needs no bound: it has everything above the others.
        self._bounds = [part / sums[-1] for part in sums[:-1]]

    def pick(self, uniform: float) -> T:
        """Return the value for a uniform number in [0, 1)."""
        return self._values[bisect_right(self._bounds, uniform)]


def exponential(mean: float, uniform: float) -> int:
    """Return an integer from the exponential distribution, in the unit of its mean, by inversion.

    Rounding to whole units also hides the last digit of the logarithm, in which C libraries differ.
    """
    return round(-log1p(-uniform) * min(mean, LONGEST))


def weibull(mean: float, shape: float, uniform: float) -> int:
    """Return an integer from the Weibull distribution with that mean, by inversion."""
    scale = min(mean, LONGEST) / gamma(1 + 1 / shape)
    return round(float(scale * (-log1p(-uniform)) ** (1 / shape)))


def remaining_weibull(mean: float, shape: float, uniform: float) -> int:
    """Return how much of a Weibull interval is left at a random moment of it.

    In a renewal process the rest R of the interval around a random moment has the density S(r) / mean, where S is the
    survival function of the intervals; so (R / scale)^shape has a gamma distribution with the parameter 1 / shape.
    """
    scale = min(mean, LONGEST) / gamma(1 + 1 / shape)
    low, high = 0.0, 1.0
    while _gamma_below(1 / shape, high) < uniform:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _gamma_below(1 / shape, middle) < uniform else (low, middle)
    return round(float(scale * high ** (1 / shape)))


def _gamma_below(parameter: float, x: float) -> float:
    """Return the regularized lower incomplete gamma function P(parameter, x), by its series (DLMF 8.11.4)."""
    if not x:
        return 0.0
    term = total = 1.0 / parameter
    step = 0
    while term > total * _PRECISION:
        step += 1
        term *= x / (parameter + step)
        total += term
    return min(1.0, total * exp(-x + parameter * log(x)) / gamma(parameter))


def between(low: float, high: float, uniform: float) -> float:
    """Return a number of a range, uniformly distributed."""
    return low + uniform * (high - low)


def whole_between(fewest: int, most: int, uniform: float) -> int:
    """Return a whole number of a range, each with the same probability."""
    return fewest + int(uniform * (most - fewest + 1))


def between_by_size(low: float, high: float, uniform: float) -> float:
    """Return a number of a range with a probability in proportion to its size.

    Lengths of intervals that contain a random moment are distributed like this.
    """
    return sqrt(low**2 + uniform * (high**2 - low**2))
