"""The words that plant and edge share: what a machine says, what it is told, what it looks like. No behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Message(NamedTuple):
    """One row that the plant says, encoded once.

    kind: the type's key in the YAML, such as `cnc_machine`.
    source: who says it: the machine's id, or the kind for business events.
    station: the machine's station, or None.
    time_ms: plant time in whole milliseconds since the Unix epoch; the row's `timestamp`.
    sequence: 1, 2, 3 ... over the rows of this source since the start of the run.
    payload: the row as JSON in UTF-8.
    """

    kind: str
    source: str
    station: str | None
    time_ms: int
    sequence: int
    payload: bytes


class MachineView(NamedTuple):
    """One machine as of its last row."""

    machine_id: str
    kind: str
    station: str
    status: str
    job_id: str | None
    job_kind: str | None
    progress: float
    jobs_finished: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The plant at one moment, for those who look and never touch.

    time_ms: plant time in milliseconds since the Unix epoch.
    rows: messages said, by kind.  states: machines now in a state, by (kind, state).
    jobs: finished jobs, by (kind, result).  open_orders: placed and not yet dispatched.
    """

    time_ms: int
    rows: Mapping[str, int]
    states: Mapping[tuple[str, str], int]
    jobs: Mapping[tuple[str, str], int]
    open_orders: int
