"""The figures of a machine from its rows and from the truth, and how far they may lie apart.

By ISO 22400-2: availability = producing / planned time, performance (its effectiveness) = ideal cycle * jobs /
producing time, quality = good jobs / jobs, OEE = their product. Throughput is finished jobs per hour of the clock.
From rows, time is rows times their period, and the ideal cycle the shortest cycle time that they say; where they say
few or none, as those of printers and rigs, it is taken from the nameplate, which the truth stands for here.

Bounds hold over a day or more. Rows sample the state once a period, and over a short time a difference above a bound
may be due to that alone; only then is the bound widened, to the allowance:
- Each change between producing and stopped is seen up to a period late, evenly spread: a standard deviation of
  period / sqrt(12). Over n rows with k changes, 4 standard deviations are 4 * sqrt(k / 12) / n, and the ends of the
  time add one row: 1 / n.
- A job that finishes in the last period of the time is reported after it: one job more or less, 1 / jobs. The truth
  credits work as it is done, and rows tell of whole jobs: for performance that is another one. Where the machine was
  gone in between, each of the times in which it was there has such ends.
- The shortest of n cycle times exceeds the shortest possible one by about (their range / n); the chance of 7 times as
  much is 0.1 %. The range is taken as twice the distance from the shortest to the mean. Rows say tenths of a second,
  which may be off by half of one.
Where the allowance is above a quarter, a figure is not judged: it is too short a time for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from cli.verify.input.reference import Truth
from cli.verify.row_counts import MachineRows

HOUR_MS: Final = 3_600_000.0
_ROUNDING: Final = 1e-9
_MOST_ALLOWED: Final = 0.25


class Figures(NamedTuple):
    """Availability, performance, quality and OEE as shares, throughput in jobs an hour; None where there is none."""

    availability: float | None
    performance: float | None
    quality: float | None
    oee: float | None
    throughput: float | None


class Limits(NamedTuple):
    """How far each figure may be off: shares absolutely, throughput by share of the greater one."""

    availability: float
    performance: float
    quality: float
    oee: float
    throughput: float


BOUNDS = Limits(0.01, 0.02, 0.01, 0.02, 0.01)

Calculator = Callable[[MachineRows, float], Figures]
"""Makes figures from a machine's rows, and hours."""


class Severity(StrEnum):
    """What is to be said of a difference: nothing, that only the allowance lets it pass, that the time is too short to
    judge it, or that it is too great."""

    FINE = " "
    ALLOWED = "~"
    SHORT = "?"
    TOO_FAR = "*"


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure twice.  value: how far the rows are off; infinity where only one side says anything."""

    rows: float | None
    truth: float | None
    value: float
    mark: Severity

    @property
    def is_judged(self) -> bool:
        """Whether there was something to compare, and enough of it."""
        return self.mark is not Severity.SHORT and not self.rows is self.truth is None


class StateShare(NamedTuple):
    """A state's share of a machine's time by rows and by the truth, where they lie too far apart."""

    state: str
    rows: float
    truth: float


def from_rows(rows: MachineRows, hours: float) -> Figures:
    """The figures as a consumer computes them."""
    return _figures(
        _ratio(rows.producing_seconds, rows.planned_seconds),
        _ratio(rows.ideal_seconds, rows.producing_seconds),
        _ratio(rows.good, rows.jobs),
        _ratio(rows.jobs, hours),
    )


def from_truth(truth: Truth) -> Figures:
    """The figures as they are."""
    return _figures(
        _ratio(truth.producing_ms, truth.planned_ms),
        _ratio(truth.ideal_ms, truth.producing_ms),
        _ratio(truth.good, truth.jobs),
        _ratio(truth.jobs, truth.elapsed_ms / HOUR_MS),
    )


def compare(
    rows: MachineRows, truth: Truth, bounds: Limits = BOUNDS, calculate: Calculator = from_rows
) -> tuple[Difference, ...]:
    """A machine's differences, in the order of `Figures`."""
    shown, true = calculate(rows, truth.elapsed_ms / HOUR_MS), from_truth(truth)
    return tuple(_differences(shown, true, bounds, allowances(rows, max(rows.jobs, truth.jobs), shown, true)))


def wrong_states(rows: MachineRows, truth: Truth, bound: float = BOUNDS.availability) -> list[StateShare]:
    """The states whose share of the time is further off than the bound, and than sampling may be."""
    beats, seconds = sum(rows.beats.values()), sum(rows.seconds.values())
    if not beats or not truth.elapsed_ms:
        return []
    allowed = max(bound, _sampling(rows.changes, beats)) + _ROUNDING
    states = sorted(rows.seconds.keys() | truth.states.keys())
    shares = (
        StateShare(each, rows.seconds.get(each, 0.0) / seconds, truth.states.get(each, 0.0) / truth.elapsed_ms)
        for each in states
    )
    return [each for each in shares if abs(each.rows - each.truth) > allowed]


def allowances(rows: MachineRows, jobs: int, shown: Figures, true: Figures) -> Limits:
    """What sampling alone may make of a time so short, see the module's text. `jobs`: by rows or truth, the more."""
    job = rows.stretches / jobs if jobs > 1 else math.inf
    time = _sampling(rows.switches, rows.planned)
    share = _ratio_or(time, true.availability or 0.0, math.inf) + 2 * job + rows.ideal_doubt
    performance = share * max(shown.performance or 0.0, true.performance or 0.0) if share < 1 else math.inf
    return Limits(time, performance, job, performance * (true.availability or 1.0), job)


def _sampling(changes: int, rows: int) -> float:
    """How far off the share of a state may be that is seen in so many rows, between which it changed so often."""
    return _ratio_or(4 * math.sqrt(changes / 12) + 1, rows, math.inf)


def _differences(rows: Figures, truth: Figures, bounds: Limits, allowed: Limits) -> Iterator[Difference]:
    for name, bound, allowance in zip(Figures._fields, bounds, allowed, strict=True):
        shown, true = getattr(rows, name), getattr(truth, name)
        value = _off(shown, true, relative=name == "throughput")
        yield Difference(shown, true, value, _mark(abs(value), bound, allowance))


def _off(shown: float | None, true: float | None, *, relative: bool) -> float:
    if shown is None or true is None:
        return 0.0 if shown is true else math.inf
    return _ratio_or(shown - true, max(shown, true), 0.0) if relative else shown - true


def _mark(off: float, bound: float, allowance: float) -> Severity:
    if off > max(bound, allowance + _ROUNDING):
        return Severity.TOO_FAR
    if allowance > _MOST_ALLOWED:
        return Severity.SHORT
    return Severity.FINE if off <= bound else Severity.ALLOWED


def _figures(
    availability: float | None, performance: float | None, quality: float | None, throughput: float | None
) -> Figures:
    parts = [part for part in (availability, performance, quality) if part is not None]
    return Figures(availability, performance, quality, math.prod(parts) if len(parts) == 3 else None, throughput)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _ratio_or(part: float, whole: float, otherwise: float) -> float:
    return part / whole if whole else otherwise
