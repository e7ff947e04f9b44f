"""How long machines stay in a state: the distributions of whole stays, and of what is left of them at a random moment.

In a renewal process with intervals of distribution F and mean m, the rest R of the interval around a random moment has
the density (1 - F(r)) / m, so P(R <= r) is the integral of 1 - F from 0 to r, divided by m (Cox, Renewal Theory, 5.2).
A machine that begins with such a rest is in its long-run mix from the first moment. All times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import erfc, exp, log, sqrt
from typing import Final, NamedTuple, Protocol

from plant.definition.states.state_type import StateType
from plant.random_stream import LONGEST, between, exponential, remaining_weibull, weibull

_HALVINGS: Final = 52
_FARTHEST: Final = 9.0
"""Standard deviations from the mean, beyond which a number of 53 bits leads nowhere."""


class Stays(Protocol):
    """A distribution of stays with their mean."""

    @property
    def mean_ms(self) -> float: ...  # noqa: D102

    def length_ms(self, uniform: float) -> int:
        """Return the length of a stay for a uniform number in [0, 1)."""

    def remaining_ms(self, uniform: float) -> int:
        """Return how long a stay still lasts at a random moment of it."""


class Exponential(NamedTuple):
    """Stays without memory: what is left is distributed as a whole stay."""

    mean_ms: float

    def length_ms(self, uniform: float) -> int:
        """Return a length."""
        return exponential(self.mean_ms, uniform)

    def remaining_ms(self, uniform: float) -> int:
        """Return a rest."""
        return exponential(self.mean_ms, uniform)


class Weibull(NamedTuple):
    """Stays of a Weibull distribution. shape: above 1 they are alike, below 1 they differ more than with 1."""

    mean_ms: float
    shape: float

    def length_ms(self, uniform: float) -> int:
        """Return a length."""
        return weibull(self.mean_ms, self.shape, uniform)

    def remaining_ms(self, uniform: float) -> int:
        """Return a rest."""
        return remaining_weibull(self.mean_ms, self.shape, uniform)


class Fixed(NamedTuple):
    """Stays that all have the same length."""

    mean_ms: float

    def length_ms(self, _uniform: float) -> int:
        """Return the length."""
        return round(self.mean_ms)

    def remaining_ms(self, uniform: float) -> int:
        """Return a rest."""
        return round(uniform * self.mean_ms)


class Uniform(NamedTuple):
    """Stays that are uniformly distributed, up to `half_width` above and below the mean."""

    mean_ms: float
    half_width: float

    def length_ms(self, uniform: float) -> int:
        """Return a length."""
        return round(between(self.mean_ms - self.half_width, self.mean_ms + self.half_width, uniform))

    def remaining_ms(self, uniform: float) -> int:
        """Return a rest: below the shortest length all are equally likely, above it fewer stays last so long."""
        area, shortest, width = uniform * self.mean_ms, self.mean_ms - self.half_width, 2 * self.half_width
        if area <= shortest or not width:
            return round(area)
        return round(shortest + width - sqrt(max(0.0, width * width - 2 * width * (area - shortest))))


class Lognormal(NamedTuple):
    """Stays whose logarithm is normally distributed, as repair times often are. sigma: its standard deviation."""

    mean_ms: float
    sigma: float

    def length_ms(self, uniform: float) -> int:
        """Return a length, by inversion."""
        return round(min(LONGEST, exp(self._mu + self.sigma * _normal_quantile(uniform))))

    def remaining_ms(self, uniform: float) -> int:
        """Return a rest: P(R <= r) = r (1 - P(k)) / m + P(k - sigma), with k = (ln r - mu) / sigma and P of the normal.

        The second term is the share of the mean that stays shorter than r contribute.
        """
        low, high = 0.0, self.mean_ms
        while self._remaining_below(high) < uniform and high < LONGEST:
            low, high = high, 2 * high
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._remaining_below(middle) < uniform else (low, middle)
        return round(high)

    @property
    def _mu(self) -> float:
        return log(self.mean_ms) - self.sigma**2 / 2

    def _remaining_below(self, rest_ms: float) -> float:
        above = (log(rest_ms) - self._mu) / self.sigma
        return rest_ms / self.mean_ms * _normal_below(-above) + _normal_below(above - self.sigma)


def _normal_quantile(uniform: float) -> float:
    """Return the standard normal number below which a share of all is."""
    low, high = -_FARTHEST, _FARTHEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _normal_below(middle) < uniform else (low, middle)
    return high


def _normal_below(x: float) -> float:
    """Return the standard normal distribution function."""
    return erfc(-x / sqrt(2)) / 2


def stays_of(state: StateType) -> Stays:
    """Return the stays of a state as it is declared."""
    mean_ms = state.dwell_seconds * 1000
    made: Mapping[str, Stays] = {
        "exponential": Exponential(mean_ms),
        "weibull": Weibull(mean_ms, state.shape),
        "fixed": Fixed(mean_ms),
        "uniform": Uniform(mean_ms, state.half_width_seconds * 1000),
        "lognormal": Lognormal(mean_ms, state.sigma),
    }
    return made[state.distribution]
