"""The events of a machine in the ground truth: state intervals and finished jobs."""

from __future__ import annotations

from typing import Final, NamedTuple

PLANNED_STOP: Final = "planned_stop"
"""The state outside planned time, by its name in messages and ground truth (docs/messages.md)."""


class StateInterval(NamedTuple):
    """A machine's time in one state, in milliseconds since 1970."""

    from_ms: int
    to_ms: int
    state: str


class FinishedJob(NamedTuple):
    """A finished job.  issues, consumed: None if the ground truth does not have them."""

    finished_ms: int
    job_id: str
    kind: str
    cycle_seconds: float
    ideal_seconds: float
    result: str
    issues: float | None = None
    consumed: tuple[str, ...] | None = None
