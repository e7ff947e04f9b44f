"""The types that plant and edge share: messages, snapshots, ground truth and OEE figures. No behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple


class Message(NamedTuple):
    """A message that the plant emits, encoded once.

    kind: the type's key in the YAML, such as `press`, or `press.energy` where it declares classes of messages.
    source: what sends messages of this kind, numbered by `sequence`: the machine's id; id/class, where its type
    declares classes of messages; the kind for orders and dispatches.
    station: the machine's station, or None.
    time_ms: plant time in whole milliseconds since the Unix epoch; the `timestamp` in the payload.
    sequence: 1, 2, 3 ... over the messages of this source since the start of the run.
    payload: JSON in UTF-8.
    """

    kind: str
    source: str
    station: str | None
    time_ms: int
    sequence: int
    payload: bytes

    @property
    def trigger(self) -> str:
        """Why a machine reports outside its regular period; empty for regular messages, orders and dispatches."""
        return ""


class JobMessage(Message):
    """A message outside the regular period, emitted because a job has finished; a class, as a field would cost all."""

    __slots__ = ()

    @property
    def trigger(self) -> str:
        """Always `job`."""
        return "job"


class ChangeMessage(Message):
    """A message outside the regular period, emitted because the state of a machine has changed."""

    __slots__ = ()

    @property
    def trigger(self) -> str:
        """Always `change`."""
        return "change"


def class_source(machine_id: str, class_name: str) -> str:
    """Return the source of a machine's messages of a class. class_name: "" where its type declares none."""
    return f"{machine_id}/{class_name}" if class_name else machine_id


def machine_of(message: Message) -> str:
    """Return the id of the machine that a message is from; other messages have none, and give their source."""
    _, _, class_name = message.kind.partition(".")
    return message.source.removesuffix(f"/{class_name}") if class_name else message.source


class MachineSnapshot(NamedTuple):
    """A machine as of its last message or event. number: counted from 1 within its type."""

    machine_id: str
    number: int
    kind: str
    station: str
    status: str
    job_id: str | None
    job_kind: str | None
    progress: float
    jobs_finished: int

    def described(self) -> dict[str, object]:
        """Return it as plain data, without its id."""
        return {
            "type": self.kind,
            "status": self.status,
            "station_id": self.station,
            "current_part": self.job_id,
            "current_part_type": self.job_kind,
            "progress": round(self.progress, 2),
            "part_count": self.jobs_finished,
        }


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Counts over the plant at one moment.

    time_ms: plant time since the Unix epoch.  rows: messages, by kind.  states: machines, by (kind, state).
    jobs: finished, by (kind, result).  open_orders: not yet dispatched.
    alarm_events: raised and cleared, by (kind, alarm, event).  active_alarms: by (kind, severity).
    active_faults, ended_faults: episodes of faults that go on, and that have ended, by (kind, fault).
    """

    time_ms: int
    rows: Mapping[str, int]
    states: Mapping[tuple[str, str], int]
    jobs: Mapping[tuple[str, str], int]
    open_orders: int
    alarm_events: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    active_alarms: Mapping[tuple[str, str], int] = field(default_factory=dict)
    active_faults: Mapping[tuple[str, str], int] = field(default_factory=dict)
    ended_faults: Mapping[tuple[str, str], int] = field(default_factory=dict)


class PieceCount(NamedTuple):
    """Where all pieces are that the machines of one type have made, where pieces flow.

    made: including those in the buffers when the flow started.  consumed: used by another job.
    scrapped: bad, not reworked.  shipped: sent to customers.  removed: on a machine that a reload has removed.
    in_buffers, on_machines: there now, available for another job.
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


PLANNED_STOP: Final = "planned_stop"
"""The state whose time does not count as planned time."""


NO_ENERGY: Final[Mapping[str, str]] = {}
"""No values of a message are energy; a plain mapping, as workers send it to each other."""


class MessageClassInfo(NamedTuple):
    """What a consumer needs to know about one class of messages of a machine type.

    name: "" if it is the only one.  topic: its template.  timestamp, form: key and form of the time; None without one.
    fields: each value's place, such as `data.power`, with its role.  constants: by place.
    period_seconds: of regular messages; None without.  on_change: whether changes of the state are reported.
    energy: what values are for the energy of the machine, by their place (plant.catalogue.energy_fields).
    """

    name: str
    topic: str
    timestamp: str | None
    form: str
    fields: Mapping[str, str]
    constants: Mapping[str, object]
    period_seconds: float | None
    on_change: bool
    energy: Mapping[str, str] = NO_ENERGY

    def described(self) -> dict[str, object]:
        """Return it as JSON has it, without what it does not have."""
        return {name: value for name, value in self._asdict().items() if name != "energy" or value}


class MachineTypeInfo(NamedTuple):
    """What a consumer of messages needs to know about a machine type.

    fields: the keys of its messages, each with its role, such as `finished_result` (machine_types.field_sources).
    good: the results that count as good, sorted.  planned_stops: the states outside planned working time, sorted.
    messages: its classes of messages; empty where the only one is usual: time, machine and status by their usual keys.
    constant_status: the state of machines without states.  alarm_messages: the classes of messages about alarms.
    alarms: their names, each with `high` or `low`, where it is raised.
    constant_status: the state of machines that have no states, which their messages do not report.
    ends_early: results of jobs that may end before their time, sorted.  restarts: whether a job may start again.
    energy: as in a class of messages, where the only one is usual.
    """

    kind: str
    fields: Mapping[str, str]
    good: Sequence[str]
    planned_stops: Sequence[str] = (PLANNED_STOP,)
    messages: Sequence[MessageClassInfo] = ()
    constant_status: str | None = None
    alarm_messages: Sequence[MessageClassInfo] = ()
    alarms: Sequence[tuple[str, str]] = ()
    ends_early: Sequence[str] = ()
    restarts: bool = False
    energy: Mapping[str, str] = NO_ENERGY

    def described(self) -> dict[str, object]:
        """Return it as JSON has it, without what is usual."""
        unusual = (
            ("planned_stops", self.planned_stops, [*self.planned_stops] != [PLANNED_STOP]),
            ("messages", [each.described() for each in self.messages], bool(self.messages)),
            ("constant_status", self.constant_status, self.constant_status is not None),
            ("alarm_messages", [each.described() for each in self.alarm_messages], bool(self.alarms)),
            ("alarms", dict(self.alarms), bool(self.alarms)),
            ("ends_early", self.ends_early, bool(self.ends_early)),
            ("restarts", self.restarts, self.restarts),
            ("energy", self.energy, bool(self.energy)),
        )
        return {"fields": self.fields, "good": self.good, **{key: value for key, value, applies in unusual if applies}}


class MachineFilter(NamedTuple):
    """Some machines, in order of type and number: of a type, after the one of an id, so many; None is no limit."""

    kind: str | None = None
    after: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Oee:
    """The sums of a time span, and the OEE figures that follow from them (ISO 22400-2); None where undefined.

    planned_seconds: all time except planned stops.  producing_seconds: time in the producing state.
    stopped_seconds: time by other state, planned stops included.  ideal_seconds: the ideal time of the work done:
    for each job its ideal cycle, times the share of its producing time that is in the span.
    results: jobs that finish in the span, by result.  good: those whose result counts as good.
    """

    planned_seconds: float
    producing_seconds: float
    stopped_seconds: Mapping[str, float]
    ideal_seconds: float
    results: Mapping[str, int]
    good: int

    @property
    def jobs(self) -> int:
        """Number of finished jobs."""
        return sum(self.results.values())

    @property
    def availability(self) -> float | None:
        """Share of the planned time that was producing."""
        return _share(self.producing_seconds, self.planned_seconds)

    @property
    def performance(self) -> float | None:
        """Ideal time of the work done as a share of the producing time: ISO's effectiveness; at most 1."""
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
    """The OEE figures of one machine.

    number: counted from 1 within its type.  period_seconds: between two regular messages.
    ideal_cycle_seconds: the shortest producing time of its jobs.  ideal_cycles: that of each kind, in seconds, where
    they are no longer what a consumer can see in the messages of one machine; otherwise None.
    """

    machine_id: str
    number: int
    kind: str
    producing_state: str
    period_seconds: float
    ideal_cycle_seconds: float
    ideal_cycles: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class KindOee(Oee):
    """The OEE figures of all machines of one type together."""

    kind: str
    machines: int


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
