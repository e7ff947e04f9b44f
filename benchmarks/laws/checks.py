"""The figures of each kind of signal in the plant of probes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.laws.discrete_checks import binomial, texts
from benchmarks.laws.figures import (
    Estimate,
    Figure,
    about,
    autocorrelation,
    correlation,
    exact,
    kolmogorov,
    moments,
    normal_law,
    over_machines,
    waves,
)
from benchmarks.laws.memory_checks import change, followed, slew, switch
from benchmarks.laws.sample import Sample, Values, code

Law = Callable[[Sample], Iterator[Figure]]
Cases = npt.NDArray[np.bool]

_DAY_SECONDS: Final = 86_400.0
_YEAR_SECONDS: Final = 365.2425 * _DAY_SECONDS
_HALF: Final = 0.5e-6
"""Half of the last of six decimals."""

_BETWEEN: Final = 0.008
"""What straight lines between the points of a walk's grid take from its variance at most."""

_NORMAL_STEP: Final = 1 / 16_384
"""Normal draws are from a table of so many values."""

_LAGS: Final = (1, 5, 10, 20, 30)


def base(sample: Sample) -> Iterator[Figure]:
    """Yield how far levels are away from those declared for the states in the same messages."""
    expected = _by_state(sample, sample.specs["level"].base or {})
    yield exact(("base", "level", "greatest error"), sample.signals["level"] - expected, _HALF)


def set_point(sample: Sample) -> Iterator[Figure]:
    """Yield how far a set point that no command changes is away from its beginning."""
    errors = sample.signals["point"] - (sample.specs["point"].set_point or 0.0)
    yield exact(("set_point", "point", "greatest error"), errors, _HALF)


def lag(sample: Sample) -> Iterator[Figure]:
    """Yield the time constant: that of the median ratio of distances from the target in messages of one state.

    A median, as some machines leave a state and return to it between two messages.
    """
    spec, status = sample.specs["lag"], sample.signals["status"]
    tau = spec.follows_seconds or 0.0
    distance = sample.signals["lag"] - _by_state(sample, spec.base or {})
    usable = (status[:, 1:] == status[:, :-1]) & (np.abs(distance[:, :-1]) > 1)
    taus = [
        -sample.period_seconds / math.log(np.median(after[chosen] / before[chosen]))
        for before, after, chosen in zip(distance[:, :-1], distance[:, 1:], usable, strict=True)
        if chosen.any()
    ]
    step = sample.period_seconds / tau
    slack = tau * 2 * _HALF * math.exp(step) / step
    estimate = over_machines(np.array(taus), int(usable.sum()))
    yield about(("follows_seconds", "lag", "time constant, s"), tau, estimate, slack, "half a last decimal")


def walk(sample: Sample) -> Iterator[Figure]:
    """Yield mean, deviation, distribution, and the correlation after five spans of time."""
    values, spec = sample.signals["walk"], sample.specs["walk"].walk
    if spec is None:
        return
    yield from moments("walk", "walk", values, 0.0, spec.sigma, _BETWEEN / 2)
    for each in _LAGS:
        seconds = each * sample.period_seconds
        what = f"correlation after {seconds:g} s"
        estimate = autocorrelation(values, spec.sigma, each)
        yield about(
            ("walk", "walk", what), math.exp(-seconds / spec.memory_seconds), estimate, _BETWEEN, "0.8% between points"
        )
    apart = math.ceil(8 * spec.memory_seconds / sample.period_seconds)  # further apart they are independent
    yield kolmogorov(
        "walk", "walk", values[:, ::apart], normal_law(spec.sigma), _BETWEEN / 8 + _NORMAL_STEP, "0.1% between points"
    )


def noise(sample: Sample) -> Iterator[Figure]:
    """Yield mean, deviation and distribution of noise, that it has no memory, and its deviation by state."""
    values, sigma = sample.signals["noise"], (sample.specs["noise"].noise or {})["else"]
    yield from moments("noise", "noise", values, 0.0, sigma)
    yield about(("noise", "noise", "correlation after 60 s"), 0.0, autocorrelation(values, sigma, 1))
    yield kolmogorov("noise", "noise", values, normal_law(sigma), _NORMAL_STEP, "1 / 16,384")
    scaled = sample.signals["noise_by_state"] / _by_state(sample, sample.specs["noise_by_state"].noise or {})
    yield from moments("noise", "noise_by_state", scaled, 0.0, 1.0)


def uniform(sample: Sample) -> Iterator[Figure]:
    """Yield mean, deviation and distribution of uniform noise, and that it has no memory."""
    values, (low, high) = sample.signals["uniform"], sample.specs["uniform"].uniform or (0.0, 1.0)
    mean, deviation = (low + high) / 2, (high - low) / math.sqrt(12)
    yield from moments("uniform", "uniform", values, mean, deviation)
    yield about(("uniform", "uniform", "correlation after 60 s"), 0.0, autocorrelation(values - mean, deviation, 1))
    yield kolmogorov("uniform", "uniform", values, lambda each: (each - low) / (high - low))


def daily(sample: Sample) -> Iterator[Figure]:
    """Yield amplitude and hour of the peak of a sine over the day under noise; local time is UTC."""
    spec = sample.specs["daily"].daily
    if spec is None:
        return
    angle = 2 * math.pi * (sample.times_ms / 1000 % _DAY_SECONDS) / _DAY_SECONDS
    amplitudes, peaks = waves(sample.signals["daily"] - 20.0, angle)
    hours = peaks % (2 * math.pi) * 24 / (2 * math.pi)
    yield about(("daily", "daily", "amplitude"), spec.amplitude, over_machines(amplitudes, angle.size))
    yield about(("daily", "daily", "hour of the peak"), spec.peak_hour, over_machines(hours, angle.size))


def yearly(sample: Sample) -> Iterator[Figure]:
    """Yield how far a sine over the year is away from the one that is declared."""
    spec = sample.specs["yearly"].yearly
    if spec is None:
        return
    days = sample.times_ms / 1000 % _YEAR_SECONDS / _DAY_SECONDS
    expected = spec.amplitude * np.cos(2 * math.pi * (days - spec.peak_day + 0.5) / 365.2425)
    bound = _HALF + 3e-7 * spec.amplitude
    how = "half a last decimal + the error of the sine's table"
    yield exact(("yearly", "yearly", "greatest error"), sample.signals["yearly"] - expected, bound, how)


def ramp(sample: Sample) -> Iterator[Figure]:
    """Yield the growth in an hour, and that it is reset: by the median of steps, as some steps have a reset in them."""
    hours = sample.period_seconds / 3600
    for name in ("wear", "fill"):
        spec = sample.specs[name].ramp
        steps = np.diff(sample.signals[name], axis=1)
        growth = [np.median(each[each > 0]) / hours for each in steps if (each > 0).any()]
        rate = spec.per_hour if spec else 0.0
        slack = 2 * _HALF / hours
        estimate = over_machines(np.array(growth), int((steps > 0).sum()))
        yield about(("ramp", name, "growth in an hour"), rate, estimate, slack, "a last decimal")
    in_service = sample.signals["wear"][sample.signals["status"] == code("service")]
    yield exact(("ramp", "wear", "greatest in its state"), in_service, _HALF)
    yield from _job_ramp(sample)


def _job_ramp(sample: Sample) -> Iterator[Figure]:
    """Yield the mean length of jobs that began since the last message, by their age and how much is done of them.

    Age is what the ramp gives. Only jobs are taken that no other state has interrupted, of any length alike.
    """
    age = sample.signals["fill"] * 3600 / 30
    progress, seconds = sample.signals["progress"], sample.period_seconds
    since_last = (age < seconds) & (progress > 0.01)
    uninterrupted = np.diff(sample.signals["running"], axis=1, prepend=0.0) > seconds - 0.0015
    chosen = since_last & uninterrupted
    lengths = [
        float((of[some] / done[some]).mean())
        for of, done, some in zip(age, progress, chosen, strict=True)
        if some.any()
    ]
    estimate = over_machines(np.array(lengths), int(chosen.sum()))
    yield about(("ramp", "fill", "mean length of jobs, s"), 90.0, estimate)


def spread(sample: Sample) -> Iterator[Figure]:
    """Yield mean and deviation over machines, and that a machine keeps its own."""
    values, relative = sample.signals["own"], sample.specs["own"].spread
    level = (sample.specs["own"].base or {})["else"]
    yield exact(("spread", "own", "greatest change"), values - values[:, :1], _HALF)
    first, root = values[:, 0], math.sqrt(sample.machines)
    mean = Estimate(float(first.mean()), relative * level / root, sample.machines)
    deviation = Estimate(float(first.std()), relative * level / root / math.sqrt(2), sample.machines)
    yield about(("spread", "own", "mean"), level, mean)
    yield about(("spread", "own", "s.d."), relative * level, deviation)


def choice(sample: Sample) -> Iterator[Figure]:
    """Yield the share of each text, and how often it is the same within a span and in the next one."""
    weights, every = sample.specs["lamp"].choice or {}, sample.specs["lamp"].every_seconds or 1.0
    lamps, total = sample.signals["lamp"], sum(weights.values())
    for text, weight in weights.items():
        shares = over_machines((lamps == code(text)).mean(axis=1), lamps.size)
        yield about(("choice", "lamp", f"share of {text}"), weight / total, shares)
    spans = sample.times_ms // round(every * 1000)
    same, within = lamps[:, 1:] == lamps[:, :-1], spans[:, 1:] == spans[:, :-1]
    kept = over_machines(_share(same, within), int(within.sum()))
    again = over_machines(_share(same, ~within), int((~within).sum()))
    chance = sum((weight / total) ** 2 for weight in weights.values())
    yield about(("every_seconds", "lamp", "kept in a span"), 1.0, kept)
    yield about(("every_seconds", "lamp", "the same in the next span"), chance, again)


def formula(sample: Sample) -> Iterator[Figure]:
    """Yield how far a formula is away from its value for the signals in the same message, and others' laws."""
    errors = sample.signals["power"] - (2 + 0.1 * sample.signals["lag"])
    yield exact(("formula", "power", "greatest error"), errors, 1.1 * _HALF, "half of last decimals")
    progress = over_machines(sample.signals["progress"].mean(axis=1), sample.times_ms.size)
    yield about(("formula", "progress", "mean"), 0.5, progress)
    order = np.argsort(sample.times_ms, axis=None)
    times, outdoor = sample.times_ms.ravel()[order], sample.signals["outdoor"].ravel()[order]
    between = np.interp(times[1::2], times[::2], outdoor[::2])
    # A median, as the walk turns at the points of its grid; elsewhere it is straight from one message to another.
    error = float(np.median(np.abs(outdoor[1::2] - between)))
    place = "formula", "outdoor", "median error, by other machines"
    yield Figure(*place, 0.0, error, 2 * _HALF, len(between), "a last decimal")


def output(sample: Sample) -> Iterator[Figure]:
    """Yield how far an output of a model is away from its equation, for the inputs in the same message."""
    load = sample.signals["steam_demand"].clip(0.0, 5.0) / 5.0
    errors = sample.signals["steam_pressure"] - 10.0 * (1.0 - 0.08 * load**2)
    bound = _HALF + 10.0 * 0.16 / 5.0 * _HALF
    yield exact(("output", "steam_pressure", "greatest error"), errors, bound, "half of last decimals")


def integral(sample: Sample) -> Iterator[Figure]:
    """Yield how far registers are away from the sums of what they integrate, after the whole time."""
    power, energy = sample.signals["power"], sample.signals["energy"]
    hours = sample.period_seconds / (sample.specs["energy"].per_seconds or 1.0)
    errors = energy[:, -1] - energy[:, 0] - power[:, 1:].sum(axis=1) * hours
    bound = power.shape[1] * (_HALF * hours + _HALF / 1000) + 2 * _HALF
    how = "half a last decimal of each message"
    yield exact(("integral_of", "energy", "greatest error of the sum"), errors, bound, how)
    yield exact(("per_seconds", "energy", "greatest error of a step"), np.diff(energy) - power[:, 1:] * hours,
                2 * _HALF + _HALF * hours + _HALF / 1000, "last decimals")  # fmt: skip


def counter(sample: Sample) -> Iterator[Figure]:
    """Yield jobs by producing time, the share of good ones, and the share of time in a state."""
    jobs, good, scrap, running = (
        sample.signals[name][:, -1] - sample.signals[name][:, 0] for name in ("jobs", "good", "scrap", "running")
    )
    elapsed = (sample.times_ms[:, -1] - sample.times_ms[:, 0]) / 1000
    count = int(jobs.sum())
    ratio = float(jobs.sum() / running.sum())
    error = float((jobs - ratio * running).std(ddof=1)) * math.sqrt(len(jobs)) / float(running.sum())
    yield about(("counter", "jobs", "jobs in a producing hour"), 3600 / 90,
                Estimate(3600 * ratio, 3600 * error, count))  # fmt: skip
    share = float(good.sum() / jobs.sum())
    binomial = Estimate(share, math.sqrt(0.9 * 0.1 / count), count)
    yield about(("counter", "good", "share of good jobs"), 0.9, binomial)._replace(how="4.5 s.e. of a share")
    yield exact(("counter", "scrap", "good and scrap less jobs"), good + scrap - jobs, 0.0, "none")
    yield about(("counter", "running", "share of time running"), 0.6, over_machines(running / elapsed, jobs.size))


def limits(sample: Sample) -> Iterator[Figure]:
    """Yield the share of values that are cut at each end, which a normal distribution has beyond it."""
    values, (low, high) = sample.signals["cut"], sample.specs["cut"].limits or (0.0, 0.0)
    yield exact(("limits", "cut", "greatest beyond"), np.maximum(low - values, values - high).clip(0), 0.0, "none")
    for what, end, share in (("low", low, NormalDist().cdf(low)), ("high", high, 1 - NormalDist().cdf(high))):
        estimate = over_machines((values == end).mean(axis=1), values.size)
        yield about(("limits", "cut", f"share at the {what} end"), share, estimate, _NORMAL_STEP, "1 / 16,384")


def decimals(sample: Sample) -> Iterator[Figure]:
    """Yield how far values are away from those with as many decimals, and the deviation that rounding adds."""
    values, unit = sample.signals["rounded"], 10 ** sample.specs["rounded"].places
    yield exact(("decimals", "rounded", "greatest rest"), values - np.round(values * unit) / unit, 1e-12, "none")
    yield from moments("decimals", "rounded", values, 0.0, math.sqrt(1 + 1 / (12 * unit**2)))


def independence(sample: Sample) -> Iterator[Figure]:
    """Yield the correlation of neighbours, of signals that are declared alike, and of different parts."""
    walks, others, noises = (sample.signals[name] for name in ("walk", "other_walk", "noise"))
    pairs = slice(0, None, 2), slice(1, None, 2)
    even = sample.machines // 2 * 2
    for name, values, product in (("walk", walks, 4.0), ("noise", noises, 9.0)):
        estimate = correlation(values[:even][pairs[0]], values[:even][pairs[1]], product)
        yield about((name, name, "correlation of two machines"), 0.0, estimate)
    yield about(("walk", "walk", "correlation with one declared alike"), 0.0, correlation(walks, others, 4.0))
    yield about(("noise", "noise", "correlation with a walk"), 0.0, correlation(walks, noises, 6.0))


LAWS: Final[tuple[Law, ...]] = (
    base, set_point, lag, walk, noise, uniform, daily, yearly, ramp, spread, choice, formula, output, integral, counter,
    limits, decimals, independence, switch, slew, followed, change, binomial, texts,
)  # fmt: skip


def _share(what: Cases, among: Cases) -> Values:
    """Return by machine the share of some cases in which something is so."""
    shares: Values = (what & among).sum(axis=1) / among.sum(axis=1)
    return shares


def _by_state(sample: Sample, levels: dict[str, float]) -> Values:
    """Return what is declared for the states of all messages."""
    expected = np.full(sample.times_ms.shape, levels.get("else", math.nan))
    for state, level in levels.items():
        expected[sample.signals["status"] == code(state)] = level
    return expected
