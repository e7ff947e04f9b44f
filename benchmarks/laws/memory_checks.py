"""The figures of signals with memory in the plant of probes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from benchmarks.laws.figures import Figure, exact
from benchmarks.laws.sample import Sample, Values
from messages import START

_HALF: Final = 0.5e-6
"""Half of the last of six decimals."""


def switch(sample: Sample) -> Iterator[Figure]:
    """Yield how far a switch with constant rates is away from its zigzag, and from the share of time it rises."""
    values, shares = sample.signals["vessel"], sample.signals["vessel_on"]
    cycle = _Cycle.of(sample)
    seconds = sample.times_ms / 1000 - START
    errors = values - cycle.value(seconds)
    yield exact(("switches", "vessel", "greatest error"), errors, 2 * _HALF, "a last decimal")
    before = np.concatenate([np.zeros((sample.machines, 1)), seconds[:, :-1]], axis=1)
    expected = (cycle.on_seconds(seconds) - cycle.on_seconds(before)) / (seconds - before)
    yield exact(("on_share_of", "vessel_on", "greatest error"), shares - expected, 2 * _HALF, "a last decimal")
    yield exact(("starts", "vessel", "greatest error at first"), errors[:, 0], 2 * _HALF, "a last decimal")
    wrong = np.sign(values[:, 1] - values[:, 0]) - np.sign(cycle.value(seconds[:, 1]) - cycle.value(seconds[:, 0]))
    yield exact(("starts_on", "vessel", "error of the way at first"), wrong, 0.0, "none")


class _Cycle:
    """A switch with constant rates that begins as declared."""

    def __init__(self, low: float, high: float, rises: float, falls: float, begins: float) -> None:
        """begins: seconds since it last came on."""
        self._low, self._high, self._rises, self._falls, self._begins = low, high, rises, falls, begins
        self._on = (high - low) / rises
        self._length = self._on + (high - low) / falls

    @classmethod
    def of(cls, sample: Sample) -> _Cycle:
        """Return that of the vessel."""
        spec = sample.specs["vessel"]
        if spec.switches is None or spec.starts is None:
            raise ValueError("the vessel is no switch with a start")
        low, high = spec.switches.low, spec.switches.high
        rises, falls = float(spec.switches.rises), float(spec.switches.falls)
        up = (spec.starts - low) / rises
        down = (high - low) / rises + (high - spec.starts) / falls
        return cls(low, high, rises, falls, up if spec.starts_on else down)

    def value(self, seconds: Values) -> Values:
        """Return the value after seconds."""
        since_on = (seconds + self._begins) % self._length
        falling = self._high - self._falls * (since_on - self._on)
        return np.where(since_on < self._on, self._low + self._rises * since_on, falling)

    def on_seconds(self, seconds: Values) -> Values:
        """Return how long it has been on since the beginning of its first cycle."""
        cycles, rest = np.divmod(seconds + self._begins, self._length)
        on_seconds: Values = cycles * self._on + np.minimum(rest, self._on)
        return on_seconds


def slew(sample: Sample) -> Iterator[Figure]:
    """Yield how far the fastest change is away from the rate, in the messages of all machines."""
    rate = sample.specs["drive"].slews_per_second or 0.0
    fastest = float(np.abs(np.diff(sample.signals["drive"], axis=1)).max()) / sample.period_seconds
    bound = 2 * _HALF / sample.period_seconds
    place = "slews_per_second", "drive", "fastest change in a second"
    yield Figure(*place, rate, fastest, bound, sample.signals["drive"].size, "a last decimal")


def followed(sample: Sample) -> Iterator[Figure]:
    """Yield how far the lag of a formula is away from the exact solution between two messages."""
    tau = sample.specs["soaked"].follows_seconds or math.inf
    level, soaked = sample.signals["noise"][:, 1:] * 10, sample.signals["soaked"]
    expected = level + (soaked[:, :-1] - level) * math.exp(-sample.period_seconds / tau)
    bound = 12 * _HALF + 3e-9 * 200
    how = "last decimals + the error of the table of e^-x"
    yield exact(("follows_seconds", "soaked", "greatest error of a step"), soaked[:, 1:] - expected, bound, how)


def change(sample: Sample) -> Iterator[Figure]:
    """Yield how far changes are away from those of the meter, and their sum from the meter."""
    energy, used = sample.signals["energy"], sample.signals["energy_used"]
    yield exact(
        ("change_of", "energy_used", "greatest error"), np.diff(energy) - used[:, 1:], 1e-9, "of binary numbers"
    )
    errors = np.round(used * 1e6).sum(axis=1) - np.round(energy[:, -1] * 1e6)
    yield exact(("change_of", "energy_used", "error of the sum, last decimals"), errors, 0.0, "none")
