"""The least and greatest value of a signal: its limits, otherwise what its parts can add up to.

A signal is cut to its bounds, so each number in a message is within what its schema announces.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

from plant.definition.signals.signal_spec import SignalSpec

MOST_DIGITS: Final = 15
"""The digits that a double precision number has in any case: more could not be written exactly."""

MOST_ITEMS: Final = 1000
"""The most items of a binomial draw: each is drawn for itself."""

NOISE_SIGMAS: Final = 4.0
"""Standard deviations that normal noise can reach: its draws come from a table up to 3.98."""
WALK_SIGMAS: Final = 6.0
"""Standard deviations at which a walk is cut; it is there for 2e-9 of the time."""


class Bounds(NamedTuple):
    """The least and greatest value."""

    low: float
    high: float

    @property
    def magnitude(self) -> float:
        """The greater of the two without signs."""
        return max(abs(self.low), abs(self.high))

    def widened(self, by: float) -> Bounds:
        """Return bounds that are further apart on both sides."""
        return Bounds(self.low - by, self.high + by)


def signal_bounds(spec: SignalSpec) -> Bounds:
    """Return the bounds of a signal that is a number."""
    if spec.limits is not None:
        return Bounds(*spec.limits)
    greatest = (10.0**MOST_DIGITS - 1) / 10**spec.places
    if spec.counter is not None:
        return Bounds(0.0, greatest)
    if spec.binomial is not None:
        return Bounds(0.0, MOST_ITEMS)
    if spec.integral_of is not None:
        return Bounds(-greatest, greatest)
    return usual_bounds(spec)


def usual_bounds(spec: SignalSpec) -> Bounds:
    """Return what the parts of a signal with a level add up to, without limits and causes."""
    return _with_spread(_sum_of_parts(spec), NOISE_SIGMAS * spec.spread)


def widest_bounds(specs: Iterable[SignalSpec]) -> Bounds:
    """Return the bounds of a signal that differs from machine to machine."""
    lows, highs = zip(*map(signal_bounds, specs), strict=True)
    return Bounds(min(lows), max(highs))


def most_items(specs: Iterable[SignalSpec]) -> int:
    """Return how many items a signal counts at most. specs: of the signal, which may differ from machine to machine."""
    return max(0, round(widest_bounds(specs).high))


def last_decimal_range(bounds: Bounds, places: int) -> tuple[int, int]:
    """Return the least and greatest whole number of the last decimal within bounds; low > high if there is none.

    A bound such as 0.07 is slightly more or less than seven hundredths, so it is rounded to a millionth first.
    """
    low, high = (round(bound * 10**places, 6) for bound in bounds)
    return math.ceil(low), math.floor(high)


def _sum_of_parts(spec: SignalSpec) -> Bounds:
    levels = _levels(spec)
    amplitudes = sum(wave.amplitude for wave in (spec.daily, spec.yearly) if wave)
    walk = WALK_SIGMAS * spec.walk.sigma if spec.walk else 0.0
    noise = NOISE_SIGMAS * max(spec.noise.values()) if spec.noise else 0.0
    low, high = spec.uniform or (0.0, 0.0)
    return Bounds(min(levels) + low, max(levels) + high).widened(amplitudes + walk + noise)


def _levels(spec: SignalSpec) -> list[float]:
    """Return every level that a signal may begin with."""
    if spec.timetable is not None:
        return [spec.timetable.else_, *(each.value for each in spec.timetable.times)]
    return [spec.set_point] if spec.set_point is not None else [*(spec.base or {"": 0.0}).values()]


def _with_spread(bounds: Bounds, spread: float) -> Bounds:
    """Return the bounds times any factor from 1 - spread to 1 + spread."""
    factors = 1 - spread, 1 + spread
    return Bounds(min(bounds.low * each for each in factors), max(bounds.high * each for each in factors))
