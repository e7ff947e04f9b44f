"""What the machines of a type make, and what makes jobs take longer, with every default filled in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from plant.definition.jobs.variation import KindType

USUALLY_GOOD: Final = frozenset({"good", "pass"})
"""The results that count as good unless the YAML says otherwise."""


@dataclass(frozen=True, slots=True)
class JobType:
    """What the machines of a type make.

    product: its name in texts and keys.  id: a job's id up to its number, over {initials} and {kind}; `nicknames`
    replace kinds in it.  code: begins the number in the ids, so that types with the same `id` have different ids.
    seconds: producing time, [shortest, longest]; None where `period_share` is given: the share of a job done in one
    period of messages.  kinds, results: each with its weight.  good: results that count as good, here or elsewhere.
    issues: the fewest and most issues of each result that has issues.  phases: shares of the cycle, in order.
    kind_types: what is different for single kinds.
    on_stop: by state, the result with which a job ends when the machine enters it; None: the job starts again.
    """

    product: str
    id: str
    code: int | None
    kinds: Mapping[str, float]
    seconds: tuple[float, float] | None
    period_share: float | None
    results: Mapping[str, float]
    good: frozenset[str] = USUALLY_GOOD
    issues: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    nicknames: Mapping[str, str] = field(default_factory=dict)
    phases: Mapping[str, float] = field(default_factory=dict)
    kind_types: Mapping[str, KindType] = field(default_factory=dict)
    on_stop: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def may_be_scrapped(self) -> bool:
        """Whether a job may end before its time."""
        return any(result is not None for result in self.on_stop.values())

    @property
    def possible_results(self) -> Mapping[str, float]:
        """The weights of results, with those of jobs that end before their time."""
        return {**self.results, **{result: 1.0 for result in self.on_stop.values() if result is not None}}

    @property
    def type_code(self) -> str:
        """The digits of the code in a job's number: its own, after a 0 for each digit except one; "" without a code.

        No code is a prefix of another one (1, 9, 010, 011, 00100), so the machine's number, which follows, cannot be
        mistaken for a part of it.
        """
        digits = "" if self.code is None else str(self.code)
        return "0" * (len(digits) - 1) + digits

    def id_head(self, kind: str) -> str:
        """Return the id of a job of that kind, up to the type's code."""
        called = self.nicknames.get(kind, kind)
        initials = "".join(filter(str.isupper, called)) or called[:2].upper()
        return self.id.format(initials=initials, kind=called)

    @property
    def has_own_cycles(self) -> bool:
        """Whether a kind that there is takes a time of its own."""
        return any(each.seconds for kind, each in self.kind_types.items() if self.kinds.get(kind))

    def seconds_at(self, period_seconds: float) -> tuple[float, float]:
        """Return the shortest and longest producing time of any kind."""
        each = [self.seconds_of(kind, period_seconds) for kind, weight in self.kinds.items() if weight]
        return min(low for low, _ in each), max(high for _, high in each)

    def seconds_of(self, kind: str, period_seconds: float) -> tuple[float, float]:
        """Return the same of one kind. period_seconds: between two messages, by weight."""
        if (own := self.kind_types.get(kind)) and own.seconds:
            return own.seconds
        if self.period_share is None:
            return self.seconds or (math.inf, math.inf)
        return period_seconds / self.period_share, period_seconds / self.period_share

    def mean_seconds_at(self, period_seconds: float) -> float:
        """Return the mean producing time over all kinds, without losses."""
        total = math.fsum(self.kinds.values())
        each = ((self.seconds_of(kind, period_seconds), weight) for kind, weight in self.kinds.items() if weight)
        return math.fsum(sum(seconds) / 2 * weight for seconds, weight in each) / total


@dataclass(frozen=True, slots=True)
class LossesType:
    """Micro-stops and slow cycles, by which jobs take longer than they should; see the keys of the same names."""

    micro_stops_per_hour: float
    micro_stop_seconds_range: tuple[float, float]
    slow_cycle_share: float
    slow_cycle_factor_range: tuple[float, float]

    @property
    def exist(self) -> bool:
        """Whether there are any."""
        return self.micro_stops_per_hour > 0 or self.slow_cycle_share > 0

    @property
    def lengthening(self) -> float:
        """Factor by which micro-stops and slow cycles lengthen the mean job."""
        slow = self.slow_cycle_share * (sum(self.slow_cycle_factor_range) / 2 - 1)
        return (1 + slow) * (1 + self.micro_stops_per_hour / 3600 * sum(self.micro_stop_seconds_range) / 2)
