"""Randomness by counting: each draw is a hash of who asks, what for, and the how-manieth time.

Nothing is stored but a key, so 100,000 machines cost 100,000 keys, no machine's draws depend on another's,
and the same question has the same answer on every machine and in every Python.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from hashlib import blake2b
from itertools import accumulate
from math import log1p, sqrt
from struct import Struct
from typing import Final, Generic, Self, TypeVar

T = TypeVar("T")

_FOUR_WORDS: Final = Struct("<4Q").unpack
_EIGHT_WORDS: Final = Struct("<8I32x").unpack
_TO_UNIT: Final = 2.0**-53
WORD_TO_UNIT: Final = 2.0**-32
LONGEST: Final = 2**53
"""The longest mean that is drawn from, in whatever unit."""


class RandomStream(bytes):
    """The draws of one source, keyed by the run's seed and the source's name. Seeds 1 and "1" are the same.

    It is its own key: with 100,000 machines it counts how many places in memory a draw has to look at.
    """

    __slots__ = ()

    def __new__(cls, seed: int | str, name: str) -> Self:
        """The stream of that name."""
        key = blake2b(f"{seed}/{name}".encode(errors="surrogateescape"), digest_size=16).digest()
        return super().__new__(cls, key)

    def draws(self, purpose: bytes, number: int) -> tuple[float, float, float, float]:
        """Four uniform numbers in [0, 1) with 53 bits each: a pure function of key, purpose and number."""
        hashed = blake2b(b"%b%b%d" % (self, purpose, number), digest_size=32)
        a, b, c, d = _FOUR_WORDS(hashed.digest())
        return (a >> 11) * _TO_UNIT, (b >> 11) * _TO_UNIT, (c >> 11) * _TO_UNIT, (d >> 11) * _TO_UNIT

    def words(self, purpose: bytes, number: int) -> tuple[int, ...]:
        """Eight numbers below 2**32, for less than the four draws; times WORD_TO_UNIT they are uniform in [0, 1)."""
        return _EIGHT_WORDS(blake2b(b"%b%b%d" % (self, purpose, number)).digest())


class WeightedChoice(Generic[T]):
    """Values with weights, drawn in proportion. Weights are finite, not negative, and not all zero."""

    __slots__ = ("_bounds", "_values")

    def __init__(self, weighted: Iterable[tuple[T, float]]) -> None:
        chosen = [(value, weight) for value, weight in weighted if weight > 0]
        # Scaled by the greatest, so that huge weights cannot add up to infinity.
        greatest = max(weight for _, weight in chosen)
        sums = list(accumulate(weight / greatest for _, weight in chosen))
        self._values = [value for value, _ in chosen]
        # One value needs no bound and the last needs none either: whatever is above the others is its.
        self._bounds = [part / sums[-1] for part in sums[:-1]]

    def pick(self, uniform: float) -> T:
        """The value that a uniform number in [0, 1) stands for."""
        return self._values[bisect_right(self._bounds, uniform)]


def exponential(mean: float, uniform: float) -> int:
    """A whole number from the exponential distribution, in the unit of its mean, by inversion.

    Rounding to whole units also hides the last digit of the logarithm, in which C libraries differ.
    """
    return round(-log1p(-uniform) * min(mean, LONGEST))


def between(low: float, high: float, uniform: float) -> float:
    """A number drawn evenly from a range."""
    return low + uniform * (high - low)


def between_by_size(low: float, high: float, uniform: float) -> float:
    """A number from a range, drawn in proportion to its size: as lengths are that a random moment falls into."""
    return sqrt(low**2 + uniform * (high**2 - low**2))
