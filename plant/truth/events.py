"""The events of the ground truth: stays, jobs, faults, orders; and what receives them. No behaviour."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class StateInterval(NamedTuple):
    """A stay of a machine in one state, reported when it ends. Times in milliseconds since the Unix epoch.

    A machine's intervals follow each other without gap or overlap from the moment it is created.
    cause: the fault, or the wear, that has led to it; None if it came by itself.
    reason: code and text, as declared; None without one.
    """

    machine_id: str
    state: str
    from_ms: int
    to_ms: int
    cause: str | None = None
    reason: str | None = None


class FinishedJob(NamedTuple):
    """A finished job, reported when it finishes; its message follows later. Times in milliseconds since the Unix epoch.

    started_ms: when it was started; for the job in progress when a machine is created, as if it had run without a stop.
    cycle_ms: the producing time that it took.  ideal_ms: the shortest that a job of its type takes.
    issues_found: by a failed test.  consumed_ids: pieces that went into it, where pieces flow; otherwise None.
    lot: that of the job, where there are lots; None for a repair.
    causes: the faults that were there when it started, and change jobs.
    reason: of the result, code and text, as declared; None without one.
    """

    machine_id: str
    job_id: str
    kind: str
    started_ms: int
    finished_ms: int
    cycle_ms: int
    ideal_ms: int
    result: str
    issues_found: int = 0
    consumed_ids: Sequence[str] | None = None
    lot: str | None = None
    order: str | None = None
    causes: Sequence[str] = ()
    reason: str | None = None


class FaultEpisode(NamedTuple):
    """A fault of a machine, from its begin to its end, reported at its end. Times in milliseconds since 1970.

    ramp_ms: time in which its effects have grown to what they are at its severity.
    why: `chance`, `schedule` or `command`, otherwise what has led to it, as machine/fault.
    effects: what it changes, such as `vibration` and `results.scrap`.  signal: of a sensor fault, otherwise None.
    is_open: whether it had not ended at `to_ms`, where the report ends.
    """

    machine_id: str
    fault: str
    from_ms: int
    to_ms: int
    severity: float
    ramp_ms: int
    why: str
    effects: Sequence[str]
    signal: str | None = None
    is_open: bool = False


class PlacedOrder(NamedTuple):
    """An order, reported when it is placed; `items` as in its message."""

    order_id: str
    time_ms: int
    items: Sequence[Mapping[str, object]]


class DispatchedOrder(NamedTuple):
    """A dispatched order; `details` are the other fields of its message: destination, carrier, and units."""

    order_id: str
    time_ms: int
    details: Mapping[str, object]


TruthEvent = StateInterval | FinishedJob | FaultEpisode
Listener = Callable[[TruthEvent], None]
"""Receives the ground truth. The events of one machine come in order; those of different machines may not."""

OrderListener = Callable[[PlacedOrder | DispatchedOrder], None]
"""Receives orders and dispatches, in order."""

CommandListener = Callable[[int, Mapping[str, object]], None]
"""Receives each command that was executed, with its time in milliseconds since 1970."""
