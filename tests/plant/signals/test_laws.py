"""Each kind of signal has the law that is documented, by the statistics of many machines at fixed seeds.

Tolerances are four standard errors of the estimate.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import cache
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt
import pytest

from tests.plant.signals.press import START_MS, compiled, machines

MANY: Final = 10_000
SIGMAS: Final = 4 / math.sqrt(MANY)
"""Four standard errors of a mean of MANY values with the standard deviation 1."""

Values = npt.NDArray[np.float64]

SIGNALS: Final = """
slow: {walk: {sigma: 2, memory_seconds: 60}, decimals: 6}
other: {walk: {sigma: 2, memory_seconds: 60}, decimals: 6}
fast: {walk: {sigma: 1, memory_seconds: 0.05}, decimals: 6}
noise: {noise: 3, decimals: 6}
even: {uniform: [-2, 6], decimals: 6}
own: {base: 100, spread: 0.05, decimals: 6}
lamp: {choice: {green: 6, yellow: 3, red: 1}, every_seconds: 10}
"""
NAMES: Final = ("slow", "other", "fast", "noise", "even", "own", "lamp")


@cache
def sample(after_ms: int) -> dict[str, Values]:
    """Return the values of many machines at a time after the start, by name."""
    signals = _fleet()
    signals.pending.extend(range(MANY), [START_MS + after_ms] * MANY)
    digits = signals.block().digits
    return {name: column / law.unit for name, column, law in zip(NAMES, digits, signals.program.laws, strict=True)}


_fleet = cache(lambda: machines(compiled(SIGNALS), MANY))


def correlation(left: Values, right: Values) -> float:
    """Return the coefficient of correlation."""
    return float(np.corrcoef(left, right)[0, 1])


@pytest.mark.parametrize("after_ms", [0, 1, 123_456, 999_937, 86_400_000])
def test_a_walk_has_the_mean_and_deviation_that_are_declared(after_ms: int) -> None:
    """At any time, also between the points of its grid, where straight lines take off up to 1 %."""
    walk = sample(after_ms)["slow"]

    assert abs(walk.mean()) < 2 * SIGMAS
    assert walk.std() == pytest.approx(2, rel=SIGMAS / math.sqrt(2) + 0.01)


@pytest.mark.parametrize(("seconds", "name", "memory"), [
    *((seconds, "slow", 60) for seconds in (1, 10, 60, 120, 300)),
    *((seconds, "fast", 0.05) for seconds in (0.001, 0.01, 0.05, 0.1, 0.4)),
])  # fmt: skip
def test_a_walk_forgets_exponentially(seconds: float, name: str, memory: float) -> None:
    """The correlation of two moments is e^(-difference / memory)."""
    correlations = [
        correlation(sample(begin_ms)[name], sample(begin_ms + round(seconds * 1000))[name])
        for begin_ms in (0, 55_555, 987_654)
    ]

    assert correlations == [pytest.approx(math.exp(-seconds / memory), abs=SIGMAS + 0.005)] * 3


@pytest.mark.parametrize(("name", "law"), [
    ("noise", NormalDist(0, 3).cdf),
    ("slow", NormalDist(0, 2).cdf),
    ("own", NormalDist(100, 5).cdf),
    ("even", lambda value: (value + 2) / 8),
])  # fmt: skip
def test_values_are_distributed_as_declared(name: str, law: object) -> None:
    """The greatest distance of the distribution function is below the limit of Kolmogorov and Smirnov at 0.1 %."""
    assert callable(law)
    expected = np.array([law(value) for value in np.sort(sample(0)[name]).tolist()])
    distance = np.abs(expected - (np.arange(MANY) + 0.5) / MANY).max()

    assert distance < 1.95 / math.sqrt(MANY)


def test_noise_is_independent_from_one_millisecond_to_the_next() -> None:
    """Neither noise nor even noise has a memory."""
    now, then = sample(0), sample(1)

    assert abs(correlation(now["noise"], then["noise"])) < SIGMAS
    assert abs(correlation(now["even"], then["even"])) < SIGMAS


def test_machines_and_signals_are_independent() -> None:
    """A machine does not depend on its neighbour, nor a signal on one that is declared alike."""
    now = sample(0)

    assert abs(correlation(now["slow"][1:], now["slow"][:-1])) < SIGMAS
    assert abs(correlation(now["noise"][1:], now["noise"][:-1])) < SIGMAS
    assert abs(correlation(now["slow"], now["other"])) < SIGMAS
    assert abs(correlation(now["slow"], now["noise"])) < SIGMAS
    assert abs(correlation(now["own"], now["noise"])) < SIGMAS


def test_the_factor_of_a_machine_stays() -> None:
    """The spread between machines does not change with time."""
    assert (sample(0)["own"] == sample(86_400_000)["own"]).all()


def test_a_choice_has_its_shares_and_lasts_for_its_span() -> None:
    """Texts are drawn by weight, again for every ten seconds."""
    lamps = [sample(after_ms)["lamp"] for after_ms in (0, 9_999, 10_000)]
    shares = np.bincount(lamps[0].astype(int)) / MANY

    assert shares.tolist() == [pytest.approx(share, abs=SIGMAS / 2) for share in (0.6, 0.1, 0.3)]
    assert (lamps[0] == lamps[1]).all()
    assert (lamps[1] != lamps[2]).mean() == pytest.approx(1 - 0.6**2 - 0.1**2 - 0.3**2, abs=SIGMAS / 2)


@pytest.mark.parametrize(
    ("day", "offset_hours"), [(datetime(2026, 1, 15, tzinfo=UTC), 1), (datetime(2026, 7, 15, tzinfo=UTC), 2)]
)
def test_a_daily_wave_has_its_peak_at_the_local_hour(day: datetime, offset_hours: int) -> None:
    """At 15:30 in Berlin it is highest, twelve hours later lowest, in winter and in summer."""
    signals = machines(compiled("a: {base: 20, daily: {amplitude: 5, peak_hour: 15.5}, decimals: 4}"))
    begin_ms = round(day.timestamp() * 1000)
    hours = [hour / 2 - offset_hours for hour in range(48)]
    values = [float(signals.row(0, begin_ms + round(hour * 3_600_000))[0]) for hour in hours]

    assert values == [
        pytest.approx(20 + 5 * math.cos((hour / 2 - 15.5) / 24 * 2 * math.pi), abs=2e-4) for hour in range(48)
    ]


def test_a_yearly_wave_has_its_peak_on_its_day() -> None:
    """Day 200 is the warmest, half a year later it is coldest; a year of the wave is one of the calendar on average."""
    signals = machines(compiled("a: {base: 10, yearly: {amplitude: 10, peak_day: 200}, decimals: 4}"))
    days = [float(signals.row(0, START_MS + 86_400_000 * day + 43_200_000)[0]) for day in range(365)]

    assert days.index(max(days)) + 1 == pytest.approx(200, abs=1)
    assert max(days) == pytest.approx(20, abs=0.01)
    assert min(days) == pytest.approx(0, abs=0.01)
    assert days.index(min(days)) + 1 == pytest.approx(200 - 182.6, abs=1)
