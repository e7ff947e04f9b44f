"""The finished jobs of a machine under the same parameters, and the ideal time of their work.

A job that ends before its time has done a part of it. How much that is no message reports, only for how long it was
worked on. A stop is as likely at any moment of work, so it meets jobs in proportion to their cycle c and, on average,
half done: d seconds of such work have the ideal time d * sum(c i) / sum(c c), over the whole jobs with the ideal cycle
i. The mean cycle in place of sum(c c) / sum(c) would be too short, as longer jobs are met more often. Where stops come
at a rate h that is no more small beside 1 / c, the whole jobs are the shorter ones of those that began: exp(h c) began
for each, and its weight c c becomes (exp(h c) - 1 - h c) * 2 / (h h), whose first two terms are c c (1 + h c / 3).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from cli.verify.input.timeline import MachineParameters

FEW_CYCLES: Final = 8
"""With fewer cycle times than this, the shortest is no estimate of the ideal one."""

_CARRIED_OVER: Final = 2
_DEVIATIONS: Final = 4


class _Moments:
    """The number of some cycle times, and the sums of their first three powers."""

    __slots__ = ("count", "cubes", "seconds", "squares")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = self.squares = self.cubes = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds
        self.squares += seconds**2
        self.cubes += seconds**3


class JobSums:
    """The finished jobs under the same machine parameters: their number, and the cycle times that are reported.

    kinds: jobs by kind, None where messages do not report it.
    early_jobs, early_seconds: those that may have ended before their time, and their cycle times, which are no part of
    the others. The first jobs after a change of parameters were begun before it, so their cycle times are skipped.
    """

    __slots__ = (
        "_cycles_by_kind", "_parameters", "_skipped", "early_jobs", "early_seconds", "jobs", "kinds",
        "shortest_seconds",
    )  # fmt: skip

    def __init__(self, parameters: MachineParameters, *, first: bool) -> None:
        self._parameters = parameters
        self.jobs = self.early_jobs = 0
        self.early_seconds = 0.0
        self.shortest_seconds = math.inf
        self.kinds: defaultdict[str | None, int] = defaultdict(int)
        self._cycles_by_kind: defaultdict[str | None, _Moments] = defaultdict(_Moments)
        self._skipped = 0 if first else _CARRIED_OVER

    def add(self, kind: str | None, result: str | None, cycle: float | None) -> None:
        """Add a job.  cycle: in seconds, None if it is not reported."""
        if result in self._parameters.ends_early:
            self.early_jobs += 1
            self.early_seconds += cycle or 0.0
            return
        self.jobs += 1
        self.kinds[kind] += 1
        if self._skipped:
            self._skipped -= 1
        elif cycle is not None:
            self._cycles_by_kind[kind].add(cycle)
            self.shortest_seconds = min(cycle, self.shortest_seconds)

    @property
    def cycles(self) -> int:
        """How many cycle times are reported."""
        return sum(each.count for each in self._cycles_by_kind.values())

    @property
    def cycle_seconds(self) -> float:
        """The sum of the cycle times."""
        return math.fsum(each.seconds for each in self._cycles_by_kind.values())

    @property
    def ideal_seconds(self) -> float:
        """The ideal time of the jobs: by the shortest cycle time, or by the nameplate if few are reported."""
        whole = math.fsum(jobs * self._ideal_of(kind) for kind, jobs in self.kinds.items())
        if self.cycles < FEW_CYCLES:
            return whole + self.early_jobs * self._parameters.ideal_seconds
        return whole + self.early_seconds * self._ideal_per_second

    @property
    def longest_seconds(self) -> float:
        """The ideal time of the job that has the longest one."""
        return max(map(self._ideal_of, self.kinds), default=0.0)

    @property
    def excess(self) -> float:
        """The share by which the shortest of n cycle times may exceed the ideal one, times the number of jobs."""
        return (self.jobs + self.early_jobs) * self._excess_per_job

    @property
    def early_variance(self) -> float:
        """The variance of the ideal time of the jobs that may have ended early, in squares of seconds."""
        if not self.early_jobs or self.cycles < FEW_CYCLES:
            return 0.0
        rate, seconds = self._ideal_per_second, self.cycle_seconds
        off = self._sum(lambda each, ideal: ideal**2 * each.seconds - 2 * rate * ideal * each.squares)
        cubes = self._sum(lambda each, _ideal: each.cubes)
        return self.early_jobs * max(0.0, off + rate**2 * cubes) / (3 * seconds) if seconds else 0.0

    @property
    def early_bias(self) -> float:
        """By how many seconds of ideal time those jobs may be wrong in sum: as much as frequent stops make of them."""
        return self.early_seconds * abs(self._ideal_per_second - self._weighted(0.0)) if self.early_jobs else 0.0

    @property
    def _excess_per_job(self) -> float:
        parameters = self._parameters
        if self.early_jobs and self.cycles < FEW_CYCLES:  # how much of them was done is unknown
            return math.inf
        if parameters.ideal_cycles:
            told = None not in self.kinds or len({seconds for _, seconds in parameters.ideal_cycles}) == 1
            return 0.0 if told else math.inf
        if self.cycles < FEW_CYCLES:
            return 0.0
        shortest = self.shortest_seconds
        excess = 7 * 2 * (self.cycle_seconds / self.cycles - shortest) / self.cycles
        return (excess + 0.05) / max(shortest, 0.05)

    @property
    def _ideal_per_second(self) -> float:
        worked = self.early_seconds + self.cycle_seconds
        return self._weighted(self.early_jobs / worked if worked else 0.0)

    def _weighted(self, stops_per_second: float) -> float:
        third = stops_per_second / 3
        ideals = self._sum(lambda each, ideal: ideal * (each.seconds + third * each.squares))
        weights = self._sum(lambda each, _ideal: each.squares + third * each.cubes)
        return ideals / weights if weights else 0.0

    def _sum(self, of: Callable[[_Moments, float], float]) -> float:
        return math.fsum(of(each, self._ideal_of(kind)) for kind, each in self._cycles_by_kind.items())

    def _ideal_of(self, kind: str | None) -> float:
        """Return the ideal cycle of a kind. Where kinds have their own, that is of the nameplate."""
        parameters = self._parameters
        if parameters.ideal_cycles:
            return dict(parameters.ideal_cycles).get(kind or "", parameters.ideal_seconds)
        return self.shortest_seconds if self.cycles >= FEW_CYCLES else parameters.ideal_seconds


def most_seconds_off(variance: float) -> float:
    """Return how far a sum of that variance may be off."""
    return _DEVIATIONS * math.sqrt(variance)
