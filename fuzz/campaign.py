"""The types of a fuzzing campaign: a number of cases made from a seed, and its findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random  # noqa: TID251 - makes the attacks; no part of the plant
from typing import Protocol

LONGEST_SECONDS = 2.0
"""A case that blocks anything for longer is a finding."""

Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """A case that failed: its number, by which `--only` runs it again, and the observation."""

    case: int
    what: str


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a campaign.

    outcomes: the number of cases by outcome.  slowest_seconds: the longest that any case blocked something.
    """

    cases: int
    outcomes: dict[str, int]
    slowest_seconds: float
    findings: Sequence[Finding]


class Campaign(Protocol):
    """A function that runs cases and checks them."""

    def __call__(self, seed: int, cases: range, say: Log) -> Result:
        """Run the cases of these numbers; the same seed and number give the same case."""


def random_for(seed: int, case: int) -> Random:
    """Return the random generator of a case."""
    return Random(f"{seed}/{case}")
