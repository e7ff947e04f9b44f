"""A state of machines, as it is declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EXPONENTIAL: Final = "exponential"
"""The usual distribution of stays."""


@dataclass(frozen=True, slots=True)
class StateType:
    """A state. weight: its share of time, relative to the others.  produces: whether jobs advance in it.

    planned: whether its time is no planned working time, as for a planned stop.
    distribution: of its stays, with the mean dwell_seconds. `shape` is that of a Weibull distribution, `sigma` the
    standard deviation of the logarithm of a lognormal one, and stays of a uniform one are up to half_width_seconds from
    the mean.
    """

    weight: float
    dwell_seconds: float
    produces: bool = False
    planned: bool = False
    distribution: str = EXPONENTIAL
    shape: float = 1.0
    sigma: float = 1.0
    half_width_seconds: float = 0.0
