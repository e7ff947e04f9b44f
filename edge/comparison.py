"""The figures of a machine from its rows and from the truth, and how far they may lie apart.

By ISO 22400-2: availability = producing / planned time, performance (its effectiveness) = ideal cycle * jobs /
producing time, quality = good jobs / jobs, OEE = their product. Throughput is finished jobs per hour of the clock.
From rows, time is rows times their period, and the ideal cycle the shortest cycle time that they say; rows of printers
and rigs say none, so that theirs is taken from the truth, like the nameplate that a consumer would look it up on.

Bounds hold over a day or more. Rows sample the state once a period, and over a short time a difference above a bound
may be due to that alone; only then is the bound widened, to the allowance:
- Each change between producing and stopped is seen up to a period late, evenly spread: a standard deviation of
  period / sqrt(12). Over n rows with k changes, 4 standard deviations are 4 * sqrt(k / 12) / n, and the ends of the
  time add one row: 1 / n.
- A job that finishes in the last period of the time is reported after it: one job more or less, 1 / jobs.
- The shortest of n cycle times exceeds the shortest possible one by about (their range / n); the chance of 7 times as
  much is 0.1 %. The range is taken as twice the distance from the shortest to the mean. Rows say tenths of a second,
  which may be off by half of one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from edge.reference import Truth
from edge.rows import MachineRows

HOUR_MS: Final = 3_600_000.0
_ROUNDING: Final = 1e-9
_FEW_CYCLES: Final = 8


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

Calculator = Callable[[MachineRows, float, float], Figures]
"""Makes figures from a machine's rows, its ideal cycle in seconds as the truth has it (nan: unknown), and hours."""


class Mark(StrEnum):
    """What is to be said of a difference: nothing, that only the allowance lets it pass, or that it does not."""

    FINE = " "
    ALLOWED = "~"
    TOO_FAR = "*"


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure twice.  value: how far the rows are off; infinity where only one side says anything."""

    rows: float | None
    truth: float | None
    value: float
    mark: Mark


def from_rows(rows: MachineRows, ideal_seconds: float, hours: float) -> Figures:
    """The figures as a consumer computes them."""
    ideal = rows.shortest_seconds if rows.cycles else ideal_seconds
    producing_seconds = rows.producing * rows.beat.period_ms / 1000
    return _figures(
        _ratio(rows.producing, rows.planned),
        None if math.isnan(ideal) else _ratio(ideal * rows.jobs, producing_seconds),
        _ratio(rows.good, rows.jobs),
        _ratio(rows.jobs, hours),
    )


def from_truth(truth: Truth) -> Figures:
    """The figures as they are."""
    return _figures(
        _ratio(truth.producing_ms, truth.planned_ms),
        _ratio(truth.ideal_seconds * 1000 * truth.jobs, truth.producing_ms),
        _ratio(truth.good, truth.jobs),
        _ratio(truth.jobs, truth.elapsed_ms / HOUR_MS),
    )


def compare(
    rows: MachineRows, truth: Truth, bounds: Limits = BOUNDS, calculate: Calculator = from_rows
) -> tuple[Difference, ...]:
    """A machine's differences, in the order of `Figures`."""
    shown, true = calculate(rows, truth.ideal_seconds, truth.elapsed_ms / HOUR_MS), from_truth(truth)
    return tuple(_differences(shown, true, bounds, allowances(rows, max(rows.jobs, truth.jobs), shown, true)))


def allowances(rows: MachineRows, jobs: int, shown: Figures, true: Figures) -> Limits:
    """What sampling alone may make of a time so short, see the module's text. `jobs`: by rows or truth, the more."""
    job = 1 / jobs if jobs > 1 else math.inf
    time = _ratio_or(4 * math.sqrt(rows.switches / 12) + 1, rows.planned, math.inf)
    share = _ratio_or(time, true.availability or 0.0, math.inf) + job + _ideal_allowance(rows)
    performance = share * max(shown.performance or 0.0, true.performance or 0.0) if share < 1 else math.inf
    return Limits(time, performance, job, performance * (true.availability or 1.0), job)


def _ideal_allowance(rows: MachineRows) -> float:
    """How far off the ideal cycle may be, relatively, that comes from the shortest of a few."""
    if not rows.cycles:
        return 0.0
    if rows.cycles < _FEW_CYCLES:
        return math.inf
    shortest = rows.shortest_seconds
    excess = 7 * 2 * (rows.cycle_seconds / rows.cycles - shortest) / rows.cycles
    return (excess + 0.05) / max(shortest, 0.05)


def _differences(rows: Figures, truth: Figures, bounds: Limits, allowed: Limits) -> Iterator[Difference]:
    for name, bound, allowance in zip(Figures._fields, bounds, allowed, strict=True):
        shown, true = getattr(rows, name), getattr(truth, name)
        value = _off(shown, true, relative=name == "throughput")
        yield Difference(shown, true, value, _mark(abs(value), bound, allowance))


def _off(shown: float | None, true: float | None, *, relative: bool) -> float:
    if shown is None or true is None:
        return 0.0 if shown is true else math.inf
    return _ratio_or(shown - true, max(shown, true), 0.0) if relative else shown - true


def _mark(off: float, bound: float, allowance: float) -> Mark:
    if off <= bound:
        return Mark.FINE
    return Mark.ALLOWED if off <= allowance + _ROUNDING else Mark.TOO_FAR


def _figures(
    availability: float | None, performance: float | None, quality: float | None, throughput: float | None
) -> Figures:
    parts = [part for part in (availability, performance, quality) if part is not None]
    return Figures(availability, performance, quality, math.prod(parts) if len(parts) == 3 else None, throughput)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _ratio_or(part: float, whole: float, otherwise: float) -> float:
    return part / whole if whole else otherwise
