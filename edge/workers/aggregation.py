"""Sums of the reports of several workers, as one process that did all of it would report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from edge.delivery.queue import Ledger
from edge.lateness import Lateness
from edge.oee_sums import added
from edge.status import NO_ALARMS, NO_STEPS, AlarmStatus, ClockStatus, ConnectionStatus, DeviceStatus
from plant.telemetry import KindOee, Snapshot


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """The state of delivery, sent each second.

    turn_age_seconds: time since the run loop last turned.  active_faults: None if no type has faults.
    """

    ledger: Ledger
    lateness: Lateness
    connection: ConnectionStatus
    turn_age_seconds: float
    clock: ClockStatus = NO_STEPS
    active_faults: int | None = None
    alarms: AlarmStatus = NO_ALARMS


@dataclass(frozen=True, slots=True)
class PlantReport:
    """The plant's figures, sent on request."""

    snapshot: Snapshot
    kinds: Sequence[KindOee]


class Sums:
    """The ledgers and the lateness of all parts, summed when somebody looks. reports: returns the newest of each."""

    def __init__(self, reports: Callable[[], Sequence[DeliveryReport]]) -> None:
        self._reports, self._is_due = reports, False
        self._ledger, self._lateness = Ledger(), Lateness()

    @property
    def ledger(self) -> Ledger:
        """The sum of the ledgers, always the same object."""
        self._sum_up()
        return self._ledger

    @property
    def lateness(self) -> Lateness:
        """The sum of the histograms, and the worst of all; always the same object."""
        self._sum_up()
        return self._lateness

    def on_report(self, report: DeliveryReport) -> None:
        """Take note of a new report."""
        self._is_due = True
        self._lateness.raise_worst(report.lateness.take_worst())

    def abandon(self, report: DeliveryReport) -> None:
        """Count what a worker that has ended had before it as dropped."""
        self._is_due = True
        report.ledger.abandon("worker")

    def _sum_up(self) -> None:
        reports = self._reports() if self._is_due else ()
        self._is_due = False
        if reports:
            sum_ledgers(self._ledger, [report.ledger for report in reports])
            self._lateness.set_to_sum([report.lateness for report in reports])


def sum_ledgers(into: Ledger, parts: Sequence[Ledger]) -> None:
    """Set a ledger to the sum of others."""
    for name in Ledger.__slots__:
        zero = type(getattr(into, name))()
        setattr(into, name, sum((getattr(part, name) for part in parts), zero))


def _sum_devices(parts: Sequence[ConnectionStatus], done: Sequence[ConnectionStatus]) -> DeviceStatus:
    """Return the connections of machines as one; of parts that are over, only what they have counted."""
    over = [replace(part.devices, wanted=0, up=0, refused=0) for part in done if part.devices]
    return sum([*(part.devices for part in parts if part.devices), *over], DeviceStatus())


def sum_connections(parts: Sequence[ConnectionStatus], done: Sequence[ConnectionStatus] = ()) -> ConnectionStatus:
    """Return the sum of connections: connected if all are, and each time the most worrying one.

    done: connections that are over, of which only the counts are added.
    """
    counted = [*parts, *done]
    has_devices = any(part.devices for part in counted)
    disconnected = next((part for part in parts if not part.connected), None)
    return ConnectionStatus(
        connected=disconnected is None,
        connects=sum(part.connects for part in counted),
        token_renewals=sum(part.token_renewals for part in counted),
        token_expiry=min(_known(parts, "token_expiry"), default=None),
        last_reason=(disconnected or parts[0]).last_reason,
        last_ack_age_seconds=max(_known(parts, "last_ack_age_seconds"), default=None),
        waiting_seconds=max(part.waiting_seconds for part in parts),
        blocked=next((part.blocked for part in parts if part.blocked), None),
        clients=max(1, sum(part.clients if part.devices else part.connects > 0 for part in counted)),
        devices=_sum_devices(parts, done) if has_devices else None,
        commands=next((part.commands for part in counted if part.commands), None),
    )


def sum_clocks(parts: Iterable[ClockStatus]) -> ClockStatus:
    """Return the status of the part that is furthest from the wall clock, which is the same for all."""
    return max(parts, key=lambda part: (part.steps, abs(part.ahead_seconds)), default=ClockStatus())


def sum_alarms(parts: Iterable[AlarmStatus]) -> AlarmStatus:
    """Return the sums of alarms."""
    found = list(parts)
    return AlarmStatus(
        any(part.declared for part in found),
        sum(part.raised for part in found),
        sum(part.cleared for part in found),
        added(part.active for part in found),
    )


def sum_snapshots(parts: Sequence[Snapshot]) -> Snapshot:
    """Return the sums of machines, jobs, messages, orders and alarms."""
    return Snapshot(
        time_ms=max((part.time_ms for part in parts), default=0),
        rows=added(part.rows for part in parts),
        states=added(part.states for part in parts),
        jobs=added(part.jobs for part in parts),
        open_orders=sum(part.open_orders for part in parts),
        active_faults=added(part.active_faults for part in parts),
        ended_faults=added(part.ended_faults for part in parts),
        alarm_events=added(part.alarm_events for part in parts),
        active_alarms=added(part.active_alarms for part in parts),
    )


def _known(parts: Iterable[ConnectionStatus], name: str) -> list[float]:
    return [value for value in map(attrgetter(name), parts) if value is not None]
