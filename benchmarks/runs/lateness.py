"""How late rows were: of all, and of those that a stall of the broker had nothing to do with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple, Self

_PUNCTUAL_SECONDS = 0.1


class Stall(NamedTuple):
    """When the broker stood still, in Unix seconds."""

    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Late:
    """Percentiles of lateness, in milliseconds; of no rows at all they are infinite."""

    p50_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Self:
        """Of what single rows were late by."""
        ranked = sorted(seconds) or [inf]
        last = len(ranked) - 1
        return cls(*(1000 * ranked[round(share * last)] for share in (0.5, 0.99, 1.0)))


def caught_up(due: Sequence[float], came: Sequence[float], stall: Stall) -> float:
    """When the first row came after the stall that was no more than a tenth of a second late; else infinity."""
    punctual = (at for when, at in zip(due, came, strict=True) if at > stall.end and at - when < _PUNCTUAL_SECONDS)
    return next(punctual, inf)


def outside(due: Sequence[float], came: Sequence[float], stall: Stall) -> list[float]:
    """The lateness, in seconds, of rows that came before the stall or were due after it had been caught up with."""
    again = caught_up(due, came, stall)
    return [at - when for when, at in zip(due, came, strict=True) if at < stall.begin or when >= again]


def by_second(came: Sequence[float], begin: float) -> list[int]:
    """How many came in each second from `begin` on."""
    counts = Counter(int(at - begin) for at in came)
    return [counts[second] for second in range(max(counts, default=-1) + 1)]
