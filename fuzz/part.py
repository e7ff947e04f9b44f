"""What a part of the fuzzing is: so many cases made from a seed, and what was found in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random  # noqa: TID251 - makes the attacks; no part of the plant
from typing import Protocol

LONGEST_SECONDS = 2.0
"""A case that keeps anything waiting for longer than this is a finding."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """A case in which something went wrong: its number, by which `--only` runs it again, and what was seen."""

    case: int
    what: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a part has found.

    outcomes: in how many cases what happened, in a few words each (`refused`, `taken`).
    slowest_seconds: the longest that any case kept something waiting.
    """

    cases: int
    outcomes: dict[str, int]
    slowest_seconds: float
    findings: Sequence[Finding]


class Part(Protocol):
    """Runs cases and judges them."""

    def __call__(self, seed: int, cases: range, say: Say) -> Result:
        """Run the cases of these numbers; the same seed and number give the same case."""


def chance(seed: int, case: int) -> Random:
    """The source of all that is random in one case."""
    return Random(f"{seed}/{case}")
