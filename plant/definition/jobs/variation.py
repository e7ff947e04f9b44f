"""What makes the jobs of a machine type differ from each other, as it is declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

CHANGEOVER: Final = "changeover"
"""The state of machines between two lots of different kinds."""

LATE_START: Final = "late_start"
"""The state of machines that do not start with the shift."""

WAITING: Final = "waiting"
"""The state of machines that make fewer jobs than they could, by the load of the calendar."""

DEFAULT: Final = "default"
"""Stands for all pairs of kinds without a changeover of their own."""

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class KindType:
    """What is different for the jobs of a kind.

    seconds: its producing time, [shortest, longest]; None for that of the type.
    results: factors of the weights of results.
    """

    seconds: Range | None = None
    results: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LotsType:
    """Jobs of one kind follow each other for a lot. size: jobs of a lot, [fewest, most].

    changeover_seconds: between lots of different kinds, [shortest, longest] by pair of kinds such as `a>b`, or DEFAULT.
    per_order: lots of an order, all of one kind, [fewest, most].
    """

    size: tuple[int, int]
    changeover_seconds: Mapping[str, Range] = field(default_factory=dict)
    per_order: tuple[int, int] = (1, 1)

    def changeover(self, before: str, after: str) -> Range | None:
        """Return the shortest and longest changeover from one kind to another; None without any."""
        times = self.changeover_seconds
        return None if before == after else times.get(f"{before}>{after}", times.get(DEFAULT))

    @property
    def mean_jobs(self) -> float:
        """The mean number of jobs of an order."""
        return sum(self.size) / 2 * sum(self.per_order) / 2

    def changeovers(self, kinds: Mapping[str, float]) -> Mapping[Range, float]:
        """Return the share of orders that begin with a changeover of each length. kinds: their weights."""
        total, shares = sum(kinds.values()), dict[Range, float]()
        for before, after in ((before, after) for before in kinds for after in kinds):
            if seconds := self.changeover(before, after):
                shares[seconds] = shares.get(seconds, 0.0) + kinds[before] * kinds[after] / total**2
        return shares

    def changeovers_per_job(self, kinds: Mapping[str, float]) -> tuple[float, float]:
        """Return how many changeovers there are for each job on average, and how many seconds they take together."""
        shares = self.changeovers(kinds)
        seconds = sum(share * sum(each) / 2 for each, share in shares.items())
        return sum(shares.values()) / self.mean_jobs, seconds / self.mean_jobs


@dataclass(frozen=True, slots=True)
class StartUpType:
    """How the first jobs after a stop differ: the first one fully, the following ones less and less.

    after_stop_seconds: length of such a stop.  jobs: how many jobs differ.
    cycle: factor of the cycle of the first one.  results: factors of its weights of results.
    """

    after_stop_seconds: float
    jobs: int
    cycle: float = 1.0
    results: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EffectType:
    """What is different for some jobs. cycle: factor of the cycle.  results: factors of the weights of results."""

    cycle: float = 1.0
    results: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OperatorsType:
    """Who works at the machines. names: of which one is drawn for each machine and shift.

    cycle_seconds, results: relative standard deviations of the factors that each of them has, as in SpreadType.
    """

    names: Sequence[str]
    cycle_seconds: float = 0.0
    results: float = 0.0


@dataclass(frozen=True, slots=True)
class SpreadType:
    """How machines differ: relative standard deviations of the factors that each of them has.

    shares: of the share of each state that does not produce.  cycle_seconds: of the cycle.
    results: of the weight of each result that is not good.
    """

    shares: float = 0.0
    cycle_seconds: float = 0.0
    results: float = 0.0
