"""Status of the simulator's parts as frozen values, each as of the moment it was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, Literal, NamedTuple, Self

from plant.telemetry import MachineFilter, MachineTypeInfo, Snapshot

Span = Literal["run", "hour", "last_hour"]
"""The time over which OEE figures are summed."""


@dataclass(frozen=True, slots=True)
class OeeQuery:
    """A query for OEE figures: the span, and the machines."""

    span: Span = "run"
    which: MachineFilter = field(default_factory=MachineFilter)


MachineEntry = tuple[tuple[int, int], str, bytes]
"""One machine: its place among all machines, its id, and its figures as JSON."""


class OeeFigures(NamedTuple):
    """OEE figures of machines, in the order of the machines.

    start, now: plant times in seconds since 1970, of the beginning of the run and of these figures.
    more: whether machines follow after these.  types: how to read the messages of each machine type.
    """

    start: float
    now: float
    entries: Sequence[MachineEntry]
    more: bool
    types: Sequence[MachineTypeInfo]


class MachinesFound(NamedTuple):
    """Machines as they are now, in their order. now: plant time in seconds.  more: whether others follow."""

    now: float
    entries: Sequence[MachineEntry]
    more: bool


class MachineFound(NamedTuple):
    """A machine as JSON; None where it is in no part that was asked. unknown: why there is no such machine, or ""."""

    json: bytes | None
    unknown: str = ""


class BadQuery(Exception):
    """A query for machines that do not exist; the text names the parameter and the reason."""


class Busy(Exception):
    """Too many requests for something costly; worth another try in a moment."""


class PortError(Exception):
    """The HTTP port cannot be opened; the text says which, and why."""


@dataclass(frozen=True, slots=True)
class CommandStatus:
    """Commands over MQTT, where they are on.

    subscribed: whether the broker has accepted the subscription on the current connection.  why_not: why it has not.
    counts: messages so far, by outcome.  answers: answers so far, by outcome.
    """

    topics: str
    subscribed: bool = False
    why_not: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    answers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """The connections of machines, where each has its own.

    wanted, up: how many there are, and how many are connected.  wills_expected: connections that ended without our
    DISCONNECT, for each of which the broker publishes a will.  refused: machines that the broker refuses for a reason
    that stays.  resumed: connections for which the broker had kept the session.
    connect_seconds: for a histogram of how long connecting took: upper bound and count up to it.
    """

    wanted: int = 0
    up: int = 0
    wills_expected: int = 0
    refused: int = 0
    resumed: int = 0
    connect_seconds: Sequence[tuple[str, float]] = ()
    connect_seconds_sum: float = 0.0

    def __add__(self, other: DeviceStatus) -> DeviceStatus:
        buckets = [(name, count + more) for (name, count), (_, more) in zip(*self._buckets(other), strict=True)]
        return DeviceStatus(
            self.wanted + other.wanted,
            self.up + other.up,
            self.wills_expected + other.wills_expected,
            self.refused + other.refused,
            self.resumed + other.resumed,
            buckets,
            self.connect_seconds_sum + other.connect_seconds_sum,
        )

    def _buckets(self, other: DeviceStatus) -> tuple[Sequence[tuple[str, float]], Sequence[tuple[str, float]]]:
        mine, its = self.connect_seconds, other.connect_seconds
        return mine or [(name, 0.0) for name, _ in its], its or [(name, 0.0) for name, _ in mine]


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """The connection to the broker, or several connections together.

    clients: how many MQTT clients have been connected, where this is the sum of several.
    connects: accepted connections so far.  token_renewals: AUTH exchanges that succeeded (MQTT 5, 4.12.1).
    token_expiry: the token's `exp` in Unix seconds.  last_reason: the last event of the connection, in words.
    last_ack_age_seconds: time since the last acknowledgement, None before the first.
    waiting_seconds: how long acknowledgements have been due without any arriving; 0 when none is due.
    blocked: why no message has been accepted on this connection for a while although some were sent, or None.
    commands: those over MQTT; None where they are off.  devices: where each machine has a connection of its own.
    """

    connected: bool = False
    connects: int = 0
    token_renewals: int = 0
    token_expiry: float | None = None
    last_reason: str = "connecting"
    last_ack_age_seconds: float | None = None
    waiting_seconds: float = 0.0
    blocked: str | None = None
    clients: int = 1
    commands: CommandStatus | None = None
    devices: DeviceStatus | None = None

    @property
    def reconnects(self) -> int:
        """Connections after the first of each client."""
        return max(0, self.connects - self.clients)

    def described(self) -> dict[str, object]:
        """Return it as plain data, with commands and devices only where there are any."""
        optional = ("commands", "devices")
        return {name: value for name, value in asdict(self).items() if name not in optional or value is not None}


@dataclass(frozen=True, slots=True)
class ClockStatus:
    """How plant time relates to the wall clock, where it follows it.

    steps: how often the wall clock was set, or went on while the machine slept, since the process started.
    ahead_seconds: how far plant time is ahead of the wall clock; negative where it lags behind.
    """

    steps: int = 0
    ahead_seconds: float = 0.0


NO_STEPS: Final = ClockStatus()
"""The status of a clock that was never set."""


@dataclass(frozen=True, slots=True)
class AlarmStatus:
    """The alarms of all machines. declared: whether the plant has any.  active: now, by severity."""

    declared: bool = False
    raised: int = 0
    cleared: int = 0
    active: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """Return it from the counts of a plant."""
        events, active = Counter[str](), Counter[str]()
        for (_, _, event), count in snapshot.alarm_events.items():
            events[event] += count
        for (_, severity), count in snapshot.active_alarms.items():
            active[severity] += count
        return cls(bool(snapshot.alarm_events), events["raised"], events["cleared"], dict(active))


NO_ALARMS: Final = AlarmStatus()
"""The alarms of a plant without any."""


@dataclass(frozen=True, slots=True)
class ReloadStatus:
    """Counts of reloads of the plant's file, and the time of the last accepted one in Unix seconds."""

    accepted: int = 0
    refused: int = 0
    last_success: float | None = None


class PlantError(NamedTuple):
    """An error of a plant's YAML. line: counted from 1, if it has one.  path: the place as text.  rule: in words."""

    line: int | None
    path: str
    rule: str


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """The result of one reload: the machines now running by type, or the errors because of which nothing changed.

    places: the same errors in parts.  is_busy: whether another try with the same content may succeed.
    saved, backup: the names of the plant's file, and of the one with what it had before, where it was saved.
    """

    machines: Mapping[str, int] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    places: tuple[PlantError, ...] = ()
    is_busy: bool = False
    saved: str = ""
    backup: str = ""


class PlantFileStatus(NamedTuple):
    """The plant's file. name: without its folder, None for a pipe.  why_not_writable: None where it can be saved."""

    name: str | None
    why_not_writable: str | None


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What a YAML describes: machines by type, and messages a second in the long run; or all its errors."""

    machines: Mapping[str, int] = field(default_factory=dict)
    messages_per_second: float = 0.0
    notes: tuple[str, ...] = ()
    errors: tuple[PlantError, ...] = ()


def why_not_alive(connection: ConnectionStatus, *, turn_age_seconds: float, patience_seconds: float) -> str | None:
    """Return why the process should be restarted, or None while it works.

    turn_age_seconds: time since the run loop last turned.  patience_seconds: how long the run loop, or a connection on
    which acknowledgements are due, may make no progress. An unreachable broker is no reason: a restart would not help.
    """
    if turn_age_seconds > patience_seconds:
        return f"the run loop has not turned for {turn_age_seconds:.1f} s"
    if connection.connected and connection.waiting_seconds > patience_seconds:
        return f"connected, but acknowledgements have been due for {connection.waiting_seconds:.1f} s"
    return None


def why_not_ready(connection: ConnectionStatus) -> str | None:
    """Return why messages cannot be delivered now, or None while they can."""
    return connection.blocked if connection.connected else f"not connected to the broker: {connection.last_reason}"
