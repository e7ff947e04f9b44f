"""Verdicts on steps, and what all judges have in common."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """How a step ended. OPEN: the scenario ended before it was decided."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    OPEN = "OPEN"


class Verdict(NamedTuple):
    """A decision. time_ms: the plant time of what decided it.  seen: what was seen, in words.  example: a message."""

    outcome: Outcome
    time_ms: int
    seen: str
    example: str = ""

    @property
    def failed(self) -> bool:
        """Whether the expectation is not met."""
        return self.outcome is Outcome.FAIL


def passed(time_ms: int, seen: str, example: str = "") -> Verdict:
    """Return the verdict that the expectation is met."""
    return Verdict(Outcome.PASS, time_ms, seen, example)


def failed(time_ms: int, seen: str, example: str = "") -> Verdict:
    """Return the verdict that it is not."""
    return Verdict(Outcome.FAIL, time_ms, seen, example)
