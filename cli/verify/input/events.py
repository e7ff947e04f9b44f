"""What the ground truth tells of a machine: its time in each state, and its finished jobs."""

from __future__ import annotations

from typing import NamedTuple


class Stay(NamedTuple):
    """A machine's time in one state."""

    from_ms: int
    to_ms: int
    state: str


class Job(NamedTuple):
    """A finished job; issues and consumed: None where the truth does not say them."""

    finished_ms: int
    job_id: str
    kind: str
    cycle_seconds: float
    ideal_seconds: float
    result: str
    issues: float | None = None
    consumed: tuple[str, ...] | None = None
