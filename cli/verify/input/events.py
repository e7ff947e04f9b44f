"""The events of a machine in the ground truth: state intervals and finished jobs."""

from __future__ import annotations

from typing import Final, NamedTuple

PLANNED_STOP: Final = "planned_stop"
"""The state outside planned time, by its name in messages and ground truth (docs/messages.md)."""


Reason = tuple[str | None, str | None]
"""Text and code of the reason of a stay, or of a result; None without one, empty in a message without a key for it."""

NO_REASON_KEYS: Final[Reason] = ("", "")


def reason_of(declared: str | None) -> Reason:
    """Return text and code of a reason as it is declared: the first word is the code, a single word is both."""
    if declared is None:
        return None, None
    code, _, text = declared.strip().partition(" ")
    return text.strip() or code, code


def agrees(reported: Reason, declared: str | None) -> bool:
    """Return whether a message reports a reason, as far as it has keys for it."""
    return all(each in ("", actual) for each, actual in zip(reported, reason_of(declared), strict=True))


class StateInterval(NamedTuple):
    """A machine's time in one state, in milliseconds since 1970.  reason: as it is declared, None without one."""

    from_ms: int
    to_ms: int
    state: str
    reason: str | None = None


class FinishedJob(NamedTuple):
    """A finished job.  issues, consumed: None if the ground truth does not have them.  reason: of its result.

    lot, order: what it was part of; None without.
    """

    finished_ms: int
    job_id: str
    kind: str
    cycle_seconds: float
    ideal_seconds: float
    result: str
    issues: float | None = None
    consumed: tuple[str, ...] | None = None
    reason: str | None = None
    lot: str | None = None
    order: str | None = None
