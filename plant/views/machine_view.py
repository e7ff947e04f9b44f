"""A machine as it is now: its state, its job, what is wrong with it, and what its signals are.

All is read, nothing is drawn from a stream and nothing is emitted: a machine is advanced to now, which it would be with
its next message in any case, and signals are functions of the machine, its record and the time. A register, such as an
energy meter, has what the last regular message has brought it to, and an alarm is as that message has left it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from orjson import loads

from plant.definition.machine_types.message_classes import readings_of
from plant.fleets.fleet import Fleet
from plant.jobs.jobs import NULL
from plant.machines.machine import Machine


class JobView(NamedTuple):
    """The job that a machine works on, or goes on with after a stop.

    started_ms: when it began.  progress: the share that is done.  lot, order: the ids of what it belongs to, if any.
    operator: who works at it.
    """

    id: object
    kind: str | None
    started_ms: int
    progress: float
    lot: object
    order: object
    operator: object


class CauseView(NamedTuple):
    """A fault, or wear that is labelled, of a machine.

    why: what has begun it.  level: what its effects are multiplied by now.  signal: of a sensor fault.
    """

    name: str
    since_ms: int
    severity: float
    level: float
    why: str
    signal: str | None


class MachineView(NamedTuple):
    """A machine as it is at `now_ms`.

    number: counted from 1 within its type.  since_ms: when its state began.  because: the fault or wear that has led to
    it.  reason: the reason of its stay.  job: None where machines make nothing.  alarms: the names of those that are
    active.
    """

    machine_id: str
    kind: str
    number: int
    station: str
    state: str
    now_ms: int
    since_ms: int
    because: str | None
    reason: str | None
    job: JobView | None
    jobs_finished: int
    causes: tuple[CauseView, ...]
    alarms: tuple[str, ...]


class SignalView(NamedTuple):
    """A signal as a message would have it now. value: its JSON.  set_point: the one in force; None without."""

    name: str
    value: bytes
    unit: str | None
    limits: tuple[float, float] | None
    set_point: float | None
    description: str | None
    shown: bool


class ReadingsView(NamedTuple):
    """The messages that a machine sends once in each period. sent: so far.  last_ms: the last one; None without."""

    period_seconds: float
    sent: int
    last_ms: int | None


class MachineDetails(NamedTuple):
    """A machine with its signals. readings: None where it sends nothing at a regular period."""

    machine: MachineView
    signals: tuple[SignalView, ...]
    readings: ReadingsView | None = None


def view_of(fleet: Fleet, slot: int, now_ms: int) -> MachineView:
    """Return a machine of a fleet, by its place among its machines, after it has been advanced to now."""
    machine = fleet.machines[slot]
    if machine.next_ms <= now_ms:
        machine.advance_to(now_ms)
    return MachineView(
        machine.id,
        fleet.key,
        machine.number,
        machine.station,
        machine.state.name,
        now_ms,
        fleet.accounts.stay_began_ms(machine),
        machine.stay_cause,
        machine.stay_reason,
        _job(machine, now_ms),
        machine.job.number - machine.first_job_number,
        tuple(_causes(machine, now_ms)),
        tuple(_alarms(fleet, slot)),
    )


def details_of(fleet: Fleet, slot: int, now_ms: int) -> MachineDetails:
    """Return the same with its signals."""
    view = view_of(fleet, slot, now_ms)
    return MachineDetails(view, tuple(_signals(fleet, slot, now_ms)), _readings(fleet, slot, now_ms))


def _job(machine: Machine, now_ms: int) -> JobView | None:
    job = machine.job
    if job.id_json is NULL:
        return None
    series = job.series
    lot, order, operator = map(loads, (series.id_json, series.order_json, series.operator_json))
    progress = min(1.0, machine.progress(now_ms))
    return JobView(loads(job.id_json), job.kind.name or None, job.started_ms, progress, lot, order, operator)


def _causes(machine: Machine, now_ms: int) -> Iterator[CauseView]:
    conditions = machine.conditions
    for each in conditions.open_episodes(now_ms) if conditions is not None else ():
        level = conditions.level(each.fault).at(now_ms) if conditions is not None else 0.0
        yield CauseView(each.fault, each.from_ms, each.severity, level, each.why, each.signal)


def _alarms(fleet: Fleet, slot: int) -> Iterator[str]:
    alarms = fleet.reporting.alarms if fleet.reporting else None
    for limit in alarms.states.limits if alarms else ():
        if alarms and alarms.states.active[limit.place][slot]:
            yield limit.alarm.name


def _readings(fleet: Fleet, slot: int, now_ms: int) -> ReadingsView | None:
    reporting, sent = fleet.reporting, readings_of(fleet.machine_type)
    ring = reporting.ring_of(sent.name) if reporting and sent else None
    if reporting is None or sent is None or ring is None:
        return None
    machine = fleet.machines[slot]
    # The machines of a plain type count for themselves: to list the counts of all takes too long.
    count = machine.message_count if fleet.machine_type.is_plain else reporting.counts_of(sent.name)[slot]
    return ReadingsView(ring.period_seconds, count, ring.last_ms(machine, now_ms) if count else None)


def _signals(fleet: Fleet, slot: int, now_ms: int) -> Iterator[SignalView]:
    measurements = fleet.reporting.measurements if fleet.reporting else None
    if measurements is None:
        return
    specs = fleet.machine_type.of(fleet.machines[slot].number).signals
    values: Mapping[str, bytes] = measurements.texts_at(slot, now_ms)
    points = measurements.signals.set_points(slot)
    for name, spec in specs.items():
        known = spec.unit, spec.limits, points.get(name), spec.description, spec.shown
        yield SignalView(name, values[name], *known)
