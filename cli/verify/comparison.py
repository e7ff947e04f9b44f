"""Compare the OEE figures of a machine from its messages with those of the ground truth, within bounds.

By ISO 22400-2: availability = producing / planned time, performance (its effectiveness) = ideal cycle * jobs /
producing time, quality = good jobs / jobs, OEE = their product. Throughput is finished jobs per hour of the clock.
From messages, time is the number of messages times their period, and the ideal cycle is the shortest cycle time that
they report. If they report few or none, as those of printers and test rigs do, it is that of the nameplate, which here
is the ground truth.

Bounds apply to a day or more. Messages sample the state once a period, and in a short time sampling alone may cause a
difference above a bound. Only then the bound is widened to the allowance:
- Each change between producing and stopped is visible up to a period late, evenly distributed: a standard deviation of
  period / sqrt(12). Over n messages with k changes, 4 standard deviations are 4 * sqrt(k / 12) / n. Where stays are
  hardly longer than a period, some are not seen at all, and each change that is seen stands for more, up to
  4 * sqrt(k / 2) / n; how often follows from the messages (cli.verify.counts.sampling). The ends of each presence
  add one message, and so does each change of the period.
- Where messages report changes of the state, the state before the first change is unknown. All of u seconds may be
  producing time, or none: over p seconds of planned time, availability changes by u / (p + u) at most.
- A job that finishes in the last period of the span is reported after it: one job more or less, 1 / jobs. The ground
  truth credits work as it is done, and messages report whole jobs: for performance, that is one more, and each may be
  the longest one. If the machine did not exist for a while, each of its presences has such ends.
- The shortest of n cycle times exceeds the shortest possible one by about (their range / n); the chance of 7 times as
  much is 0.1 %. The range is taken as twice the distance from the shortest to the mean. Messages report tenths of a
  second, which may be off by half of one.
- Which part of a job is done that ends early is in no message: 4 standard deviations (cli.verify.counts.job_sums).
If the allowance is above a quarter, a figure is not compared: the span is too short for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from cli.options.verify import BOUNDS, Limits
from cli.verify.counts.message_counts import MessageCounts
from cli.verify.input.reference import MachineTotals

HOUR_MS: Final = 3_600_000.0
_ROUNDING: Final = 1e-9
_MOST_ALLOWED: Final = 0.25


class Figures(NamedTuple):
    """Availability, performance, quality and OEE as shares, throughput in jobs per hour; None if undefined."""

    availability: float | None
    performance: float | None
    quality: float | None
    oee: float | None
    throughput: float | None


Calculator = Callable[[MessageCounts, float], Figures]
"""Computes figures from a machine's counts and the hours of the span."""


class Severity(StrEnum):
    """The rating of a difference, and its mark: within the bound, within the allowance, not comparable in so short a
    span, or exceeding both."""

    WITHIN = " "
    ALLOWED = "~"
    TOO_SHORT = "?"
    EXCEEDED = "*"


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure by messages and by ground truth.  value: the difference; infinity if only one of the two exists.

    applies: whether such a machine has the figure: without jobs it has its availability alone.
    """

    measured: float | None
    actual: float | None
    value: float
    severity: Severity
    applies: bool = True

    @property
    def is_compared(self) -> bool:
        """Whether both figures exist and the span is long enough."""
        return self.severity is not Severity.TOO_SHORT and not self.measured is self.actual is None


_NOT_APPLICABLE: Final = Difference(None, None, 0.0, Severity.WITHIN, applies=False)


class StateShare(NamedTuple):
    """A state's share of a machine's time by messages and by ground truth."""

    state: str
    measured: float
    actual: float


def from_messages(counts: MessageCounts, hours: float) -> Figures:
    """Compute the figures as a consumer does."""
    return _figures(
        _ratio(counts.producing_seconds, counts.planned_seconds),
        _ratio(counts.ideal_seconds, counts.producing_seconds),
        _ratio(counts.good, counts.jobs),
        _ratio(counts.jobs, hours),
    )


def from_ground_truth(totals: MachineTotals) -> Figures:
    """Compute the figures from the ground truth."""
    return _figures(
        _ratio(totals.producing_ms, totals.planned_ms),
        _ratio(totals.ideal_ms, totals.producing_ms),
        _ratio(totals.good, totals.jobs),
        _ratio(totals.jobs, totals.elapsed_ms / HOUR_MS),
    )


def compare(
    counts: MessageCounts,
    totals: MachineTotals,
    bounds: Limits = BOUNDS,
    calculate: Calculator = from_messages,
    *,
    reports_jobs: bool = True,
) -> tuple[Difference, ...]:
    """Return a machine's differences in the order of `Figures`. reports_jobs: whether messages report finished jobs."""
    measured, actual = calculate(counts, totals.elapsed_ms / HOUR_MS), from_ground_truth(totals)
    allowed = allowances(counts, max(counts.jobs, totals.jobs), measured, actual)
    found = zip(Figures._fields, _differences(measured, actual, bounds, allowed), strict=True)
    makes_jobs = reports_jobs and (totals.ideal_seconds > 0 or counts.jobs > 0)
    return tuple(each if makes_jobs or name == "availability" else _NOT_APPLICABLE for name, each in found)


def wrong_states(counts: MessageCounts, totals: MachineTotals, bound: float = BOUNDS.availability) -> list[StateShare]:
    """Return the states whose share of the time is off by more than the bound and more than sampling can cause."""
    seconds = sum(counts.seconds.values())
    if not seconds or not totals.elapsed_ms:
        return []
    allowed = max(bound, counts.states.most_seconds_off / seconds + counts.unseen_share(seconds)) + _ROUNDING
    states = sorted(counts.seconds.keys() | totals.states.keys())
    shares = (
        StateShare(each, counts.seconds.get(each, 0.0) / seconds, totals.states.get(each, 0.0) / totals.elapsed_ms)
        for each in states
    )
    return [each for each in shares if abs(each.measured - each.actual) > allowed]


def allowances(counts: MessageCounts, jobs: int, measured: Figures, actual: Figures) -> Limits:
    """Return the differences that sampling alone can cause, see the module.  jobs: the greater of both counts."""
    job = counts.presences_seen / jobs if jobs > 1 else math.inf
    planned = counts.planned_seconds
    time = _ratio_or(counts.categories.most_seconds_off, planned, math.inf) + counts.unseen_share(planned)
    ends = 2 * max(job, counts.presences_seen * counts.longest_share)
    share = _ratio_or(time, actual.availability or 0.0, math.inf) + ends + counts.ideal_excess
    performance = share * max(measured.performance or 0.0, actual.performance or 0.0) if share < 1 else math.inf
    return Limits(time, performance, job, performance * (actual.availability or 1.0), job)


def _differences(measured: Figures, actual: Figures, bounds: Limits, allowed: Limits) -> Iterator[Difference]:
    for name, bound, allowance in zip(Figures._fields, bounds, allowed, strict=True):
        by_messages, by_truth = getattr(measured, name), getattr(actual, name)
        value = _difference(by_messages, by_truth, relative=name == "throughput")
        yield Difference(by_messages, by_truth, value, _severity(abs(value), bound, allowance))


def _difference(measured: float | None, actual: float | None, *, relative: bool) -> float:
    if measured is None or actual is None:
        return 0.0 if measured is actual else math.inf
    return _ratio_or(measured - actual, max(measured, actual), 0.0) if relative else measured - actual


def _severity(off: float, bound: float, allowance: float) -> Severity:
    if off > max(bound, allowance + _ROUNDING):
        return Severity.EXCEEDED
    if allowance > _MOST_ALLOWED:
        return Severity.TOO_SHORT
    return Severity.WITHIN if off <= bound else Severity.ALLOWED


def _figures(
    availability: float | None, performance: float | None, quality: float | None, throughput: float | None
) -> Figures:
    parts = [part for part in (availability, performance, quality) if part is not None]
    return Figures(availability, performance, quality, math.prod(parts) if len(parts) == 3 else None, throughput)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _ratio_or(part: float, whole: float, otherwise: float) -> float:
    return part / whole if whole else otherwise
