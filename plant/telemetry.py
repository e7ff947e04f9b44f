"""The words that plant and edge share: what a machine says, what it looks like, what is true of it. No behaviour."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple


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

    @property
    def trigger(self) -> str:
        """What made the source report outside its regular period; empty for a regular row, and for an event."""
        return ""


class JobMessage(Message):
    """An extra row, which stands for no time: it comes because a job has finished. A tuple as any other message.

    A class of its own and not one field more, so that the rows of a plant that has none of these cost what they did.
    """

    __slots__ = ()

    @property
    def trigger(self) -> str:
        """A finished job."""
        return "job"


class MachineView(NamedTuple):
    """One machine as of its last row; `number` is its own among those of its type."""

    machine_id: str
    number: int
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


class PieceCount(NamedTuple):
    """What became of all pieces that machines of one type have made, where pieces flow.

    made: those that were there as the flow began, too.  consumed: they went into another job.
    scrapped: bad for good.  shipped: gone to customers.  removed: they lay on a machine that a reload took away.
    in_buffers, on_machines: those that lie there now, waiting for another job to take them.
    made = consumed + scrapped + shipped + removed + in_buffers + on_machines, at any moment.
    """

    kind: str
    made: int
    consumed: int
    scrapped: int
    shipped: int
    removed: int
    in_buffers: int
    on_machines: int


class StateInterval(NamedTuple):
    """A stretch of a machine in one state, over as it is told. Times in milliseconds since the Unix epoch.

    A machine's intervals follow each other without gap or overlap from the moment it is there.
    """

    machine_id: str
    state: str
    from_ms: int
    to_ms: int


class FinishedJob(NamedTuple):
    """A job done, told as it is: rows say it a little later. Times in milliseconds since the Unix epoch.

    started_ms: when it was put on the machine; for the job met at a machine's beginning, as if it had run without stop.
    cycle_ms: the producing time it took.  ideal_ms: the least that such a job takes.
    issues_found: by a failed test.  consumed_ids: what went into it, where pieces flow; else None.
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


class PlacedOrder(NamedTuple):
    """An order as it comes in; `items` as its row has them."""

    order_id: str
    time_ms: int
    items: Sequence[Mapping[str, object]]


class DispatchedOrder(NamedTuple):
    """An order as it leaves; `details` are the other fields of its row: where to, by whom, and which units."""

    order_id: str
    time_ms: int
    details: Mapping[str, object]


Listener = Callable[[StateInterval | FinishedJob], None]
"""Who is told the truth. What one machine does comes in order; machines are not in step with each other."""

OrderListener = Callable[[PlacedOrder | DispatchedOrder], None]
"""Who is told of orders, in order."""

PLANNED_STOP: Final = "planned_stop"
"""The state that is no planned time."""


class MachineTypeView(NamedTuple):
    """What those who process messages have to know of a machine type.

    fields: the keys of its messages, each with its role, such as `finished_result` (plant.definition.field_sources).
    good: the results after which nothing is left to be done, sorted.
    """

    kind: str
    fields: Mapping[str, str]
    good: Sequence[str]


class Which(NamedTuple):
    """Which machines are asked about, of all in order of type and number.

    kind: those of one type.  after: those behind the machine of that id.  limit: so many at most.
    """

    kind: str | None = None
    after: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Oee:
    """What came of a stretch of time, by plain sums, and the figures that follow (ISO 22400-2). None where undefined.

    planned_seconds: all time but planned stops.  producing_seconds: time in the producing state.
    stopped_seconds: time in each other state, planned stops too.  ideal_seconds: the least that the work done could
    have taken: of each job its ideal cycle, times the part of its producing time that lies in the stretch.
    results: finished jobs by result, in the stretch in which they finish.  good: those after which nothing is left to
    be done.
    """

    planned_seconds: float
    producing_seconds: float
    stopped_seconds: Mapping[str, float]
    ideal_seconds: float
    results: Mapping[str, int]
    good: int

    @property
    def jobs(self) -> int:
        """Finished jobs."""
        return sum(self.results.values())

    @property
    def availability(self) -> float | None:
        """Share of the planned time that was producing."""
        return _share(self.producing_seconds, self.planned_seconds)

    @property
    def performance(self) -> float | None:
        """Share of the producing time that the work done in it should have taken: ISO's effectiveness; at most 1."""
        return _share(self.ideal_seconds, self.producing_seconds)

    @property
    def quality(self) -> float | None:
        """Share of the finished jobs that are good."""
        return _share(self.good, self.jobs)

    @property
    def oee(self) -> float | None:
        """Overall equipment effectiveness: availability * performance * quality."""
        if self.availability is None or self.performance is None or self.quality is None:
            return None
        return self.availability * self.performance * self.quality


@dataclass(frozen=True, slots=True)
class MachineOee(Oee):
    """One machine's. `ideal_cycle_seconds` is its shortest job, `period_seconds` that of its regular rows.

    number: its own among those of its type.
    """

    machine_id: str
    number: int
    kind: str
    producing_state: str
    period_seconds: float
    ideal_cycle_seconds: float


@dataclass(frozen=True, slots=True)
class KindOee(Oee):
    """The sum of all machines of one type."""

    kind: str
    machines: int


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
