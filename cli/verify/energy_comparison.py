"""Compare the energy that messages report with the ground truth, by machine and by site.

Meters grow with the regular messages of one class, so the energy of a span is what its messages have added, and from
complete messages it is known exactly: by what the meter shows, by what it has grown by with each message, or by the
power of each message times its period. Compared are the lines of the ground truth that the messages cover. What a
lost message would have reported is missing, unless the meter itself shows it later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from cli.verify.forms.message_keys import GROWTH, METER, ClassInfo, EnergyKey
from cli.verify.input.energy_records import EnergyReading, EnergySpan
from cli.verify.input.ground_truth import GroundTruth
from cli.verify.input.machine_readings import Machine
from cli.verify.input.received_messages import ReceivedMessages
from cli.verify.input.reference import Span
from cli.verify.input.timeline import MachineParameters, Presence, Timeline
from cli.verify.time_tolerance import COARSE_MS

_ROUNDING: Final = 1e-6
_MS_IN_AN_HOUR: Final = 3_600_000.0


class EnergyDifference(NamedTuple):
    """The energy of a machine, or of all that are compared of a site, in kWh.

    machine_id: None of a site.  measured: by messages.  actual: by the ground truth.
    """

    machine_id: str | None
    site: str | None
    measured: float
    actual: float

    @property
    def share(self) -> float:
        """The difference as a share of the true energy; infinity where that is none."""
        off = self.measured - self.actual
        if abs(off) <= _ROUNDING:
            return 0.0
        return off / abs(self.actual) if self.actual else math.copysign(math.inf, off)


class _Source(NamedTuple):
    """Where the messages of a machine report its energy, and since when."""

    key: EnergyKey
    class_name: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class _Covered:
    """The time of a machine that is compared, and what reports its energy in it."""

    machine: Machine | None
    timeline: Timeline
    source: _Source
    from_ms: int
    to_ms: int

    def contains(self, reading: EnergyReading) -> bool:
        """Return whether a reading is of the source, and of the time that is compared."""
        return self.from_ms < reading.time_ms <= self.to_ms and self.is_of_source(reading)

    def is_of_source(self, reading: EnergyReading) -> bool:
        """Return whether a reading is of the source."""
        return (reading.key, reading.class_name) == self.source[:2]

    def parameters(self, reading: EnergyReading) -> MachineParameters | None:
        """Return those of the class of a message at its time."""
        timeline = self.timeline if self.machine is None else self.machine.class_timelines[reading.class_name]
        return timeline.at(reading.time_ms)

    @property
    def classes(self) -> Sequence[ClassInfo]:
        """What is known of the class over time; nothing where messages are usual."""
        return [*self.machine.classes_named(self.source.class_name)] if self.machine else ()


def energy_differences(
    messages: ReceivedMessages,
    truth: GroundTruth,
    span: Span,
    machines: Mapping[str, Machine],
    is_compared: Callable[[str], bool],
) -> list[EnergyDifference]:
    """Return the energy of each machine whose messages report it, then that of each site together.

    machines: those that have classes of messages, by id.
    """
    found: list[EnergyDifference] = []
    for machine_id, site in truth.energy.sites.items():
        source = _source(messages.energy.readings(machine_id), span) if is_compared(machine_id) else None
        if source is None or _may_hide_changes(machine_id, source, machines.get(machine_id), messages):
            continue
        timeline = truth.timelines[machine_id]
        spans = [each for each in truth.energy.spans(machine_id) if _is_known(each, span, source, timeline)]
        if spans:
            covered = _Covered(machines.get(machine_id), timeline, source, spans[0].from_ms, spans[-1].to_ms)
            measured = math.fsum(_parts(messages.energy.readings(machine_id), covered))
            found.append(EnergyDifference(machine_id, site, measured, math.fsum(each.kwh for each in spans)))
    return [*found, *_by_site(found)]


def _by_site(machines: Sequence[EnergyDifference]) -> Iterator[EnergyDifference]:
    for site in dict.fromkeys(each.site for each in machines):
        of_site = [each for each in machines if each.site == site]
        sums = (math.fsum(each.measured for each in of_site), math.fsum(each.actual for each in of_site))
        yield EnergyDifference(None, site, *sums)


def _source(readings: Iterable[EnergyReading], span: Span) -> _Source | None:
    """Return what reports the energy of a machine; None if nothing does, or not the same thing all the time."""
    since_ms: dict[tuple[EnergyKey, str], int] = {}
    for each in readings:
        if each.time_ms <= span[1]:
            since_ms.setdefault((each.key, each.class_name), each.time_ms)
    if len(since_ms) != 1:
        return None
    [((key, class_name), first_ms)] = since_ms.items()
    return _Source(key, class_name, first_ms)


def _is_known(energy: EnergySpan, span: Span, source: _Source, timeline: Timeline) -> bool:
    """Return whether the messages cover a line; before the first reading of a meter, what it showed is not known."""
    if not span[0] <= energy.from_ms < energy.to_ms <= span[1]:
        return False
    presence = timeline.presence(energy.to_ms)
    begins = presence is not None and presence.since_ms >= energy.from_ms
    return source.key.role != METER or begins or energy.from_ms >= source.since_ms


def _may_hide_changes(machine_id: str, source: _Source, machine: Machine | None, messages: ReceivedMessages) -> bool:
    """Return whether regular messages look like those that report a change of the state."""
    if machine is None or source.key.role == METER:
        return False
    own = [each for each in messages.by_machine[machine_id] if each.class_name == source.class_name]
    reports_changes = any(each.on_change for each in machine.classes_named(source.class_name))
    return reports_changes and not any(each.with_trigger for each in own)


def _parts(readings: Iterable[EnergyReading], covered: _Covered) -> Iterator[float]:
    """Return the energies by messages whose sum is that of the time."""
    role = covered.source.key.role
    if role == METER:
        return _grown(readings, covered)
    energy_of = _growth if role == GROWTH else partial(_power, covered)
    return map(energy_of, _regular(readings, covered))


def _grown(readings: Iterable[EnergyReading], covered: _Covered) -> Iterator[float]:
    """Yield what a meter has grown by from reading to reading; it begins at 0 with its machine."""
    before = _Before(covered.timeline, covered.from_ms)
    for each in filter(covered.is_of_source, readings):
        grown = before.grown(each)
        if covered.contains(each):
            yield grown


class _Before:
    """The reading before, which is 0 where a machine begins."""

    def __init__(self, timeline: Timeline, from_ms: int) -> None:
        self._timeline, self._from_ms = timeline, from_ms
        self._presence: Presence | None = None
        self._parameters: MachineParameters | None = None
        self._value = 0.0

    def grown(self, reading: EnergyReading) -> float:
        """Return what the meter has grown by since; 0 where that is not known."""
        presence, parameters = self._timeline.presence(reading.time_ms), self._timeline.at(reading.time_ms)
        if presence is not self._presence:
            # Without a reading before the beginning, what the meter showed then is not known.
            begins = presence is not None and presence.since_ms >= self._from_ms
            before = 0.0 if begins else reading.value
        else:
            # A reload may have made another register of it, which begins at 0.
            restarted = parameters is not self._parameters and reading.value < self._value
            before = 0.0 if restarted else self._value
        self._presence, self._parameters, self._value = presence, parameters, reading.value
        return reading.value - before


def _regular(readings: Iterable[EnergyReading], covered: _Covered) -> Iterator[EnergyReading]:
    """Yield the readings of regular messages, each once: with others meters do not grow."""
    are_coarse = any(each.resolution_ms >= COARSE_MS for each in covered.classes)
    before: EnergyReading | None = None
    for each in filter(covered.contains, readings):
        parameters = covered.parameters(each)
        is_additional = parameters is not None and each.has_result and parameters.has_additional_messages
        if not (each.is_outside or is_additional) and (each != before or are_coarse):
            yield each
        before = each


def _growth(reading: EnergyReading) -> float:
    return reading.value


def _power(covered: _Covered, reading: EnergyReading) -> float:
    parameters = covered.parameters(reading)
    return reading.value * parameters.period_ms / _MS_IN_AN_HOUR if parameters else 0.0
