"""Read the faults and the wear of a machine type from its entry."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from plant.definition.document.errors import Place, Violation, describe_value
from plant.definition.document.validation import validated
from plant.definition.faults.fault_type import (
    DRIFT,
    LABEL_FROM,
    ON_MACHINE,
    SPIKE,
    Causes,
    Consequence,
    Effect,
    Effects,
    FaultType,
    Scheduled,
    SensorEffect,
    WearType,
)
from plant.definition.faults.rules import broken
from plant.definition.keys.faults import EffectEntry

_Data = Mapping[str, Any]

CYCLE, RESULTS, DWELL = "cycle_seconds", "results", "dwell_seconds"
_SPIKES: Final = 0.05
"""The share of messages that have a spike, unless declared."""


@dataclass(frozen=True, slots=True)
class Affected:
    """What causes may change and lead to in a machine type.

    signals: those that are measured, with whether they have limits.  states, results: all of the type.
    """

    signals: Mapping[str, bool]
    other_signals: Collection[str]
    states: Collection[str]
    results: Collection[str]
    has_job: bool


def read_causes(entry: _Data, affected: Affected) -> tuple[Causes, list[Violation]]:
    """Return the faults, sensor faults and wear of a complete entry, and the violations."""
    reader = _Reader(affected)
    faults = {name: reader.fault(name, each) for name, each in entry.get("faults", {}).items()}
    for signal, kinds in entry.get("sensor_faults", {}).items():
        for kind, each in kinds.items():
            sensor = reader.sensor_fault(signal, kind, each)
            faults[sensor.name] = sensor
    wear = {name: reader.wear(name, each) for name, each in entry.get("wear", {}).items()}
    causes = Causes(faults, wear, {key: tuple(each) for key, each in entry.get("neighbours", {}).items()})
    wrong = reader.violations or [*broken(entry, causes, affected.states, affected.signals)]
    return (Causes() if wrong else causes), wrong


class _Reader:
    """Reads causes one after the other, and collects what is wrong with their effects."""

    def __init__(self, affected: Affected) -> None:
        self._affected = affected
        self.violations: list[Violation] = []

    def fault(self, name: str, data: _Data) -> FaultType:
        return FaultType(
            name=name,
            mean_ms=_hours_ms(data.get("every_hours")),
            duration_ms=_range_ms(data.get("duration_seconds")),
            until=data.get("until"),
            ramp_ms=round(data.get("onset", {}).get("ramp_seconds", 0.0) * 1000),
            severity=_pair(data.get("severity", 1.0)),
            effects=self._effects(("faults", name, "effects"), data.get("effects", {})),
            leads_to=tuple(map(_consequence, data.get("leads_to", ()))),
            schedule=tuple(map(_scheduled, data.get("schedule", ()))),
            description=data.get("description", ""),
        )

    def sensor_fault(self, signal: str, kind: str, data: _Data) -> FaultType:
        sensor = SensorEffect(
            signal,
            kind,
            per_hour=data.get("per_hour", 0.0) if kind == DRIFT else 0.0,
            amplitude=data.get("amplitude", 0.0) if kind == SPIKE else 0.0,
            chance=data.get("chance", _SPIKES) if kind == SPIKE else 0.0,
        )
        return FaultType(
            name=f"{signal}.{kind}",
            mean_ms=_hours_ms(data.get("every_hours")),
            duration_ms=_range_ms(data.get("duration_seconds")),
            until=None,
            ramp_ms=0,
            severity=_pair(data.get("severity", 1.0)),
            effects=Effects(),
            schedule=tuple(map(_scheduled, data.get("schedule", ()))),
            sensor=sensor,
            at_any_time=True,
            description=data.get("description", ""),
        )

    def wear(self, name: str, data: _Data) -> WearType:
        return WearType(
            name=name,
            life_ms=data["life_hours"] * 3_600_000,
            resets=data["resets"],
            effects=self._effects(("wear", name, "effects"), data.get("effects", {})),
            leads_to=tuple(map(_consequence, data.get("leads_to", ()))),
            label_from=data.get("label_from", LABEL_FROM),
            description=data.get("description", ""),
        )

    def _effects(self, place: Place, data: _Data) -> Effects:
        affected = self._affected
        signals, cycle = dict[str, Effect](), 0.0
        below: dict[str, dict[str, float]] = {RESULTS: {}, DWELL: {}}
        names = {RESULTS: affected.results, DWELL: affected.states}
        for name, each in data.items():
            if name in below:
                below[name] = self._factors((*place, name), each, names[name])
            elif name == CYCLE:
                effect = self._effect((*place, name), each, factor_only=True)
                cycle = effect.more if effect else 0.0
            elif effect := self._signal(place, name, each):
                signals[name] = effect
        if not affected.has_job and (cycle or below[RESULTS]):
            self.violations.append(Violation(place, "changes jobs, and the machines have none"))
        return Effects(signals, cycle, below[RESULTS], below[DWELL])

    def _signal(self, place: Place, name: str, data: object) -> Effect | None:
        affected = self._affected
        if name in affected.other_signals:
            rule = "cannot be changed: it is counted, integrated or chosen; change what it follows from"
            self.violations.append(Violation((*place, name), rule))
        elif name not in affected.signals:
            known = [*affected.signals, CYCLE, RESULTS, DWELL]
            self.violations.append(Violation((*place, name), "is no signal of this type that can be changed", known))
        elif not affected.signals[name]:
            rule = f"needs limits in signals.{name}: a fault may take the signal anywhere"
            self.violations.append(Violation((*place, name), rule))
        return self._effect((*place, name), data, factor_only=False)

    def _factors(self, place: Place, data: object, known: Collection[str]) -> dict[str, float]:
        """Return effects by the names of states or results."""
        if not isinstance(data, Mapping):
            rule = f"must be a mapping by name, each with times, got {describe_value(data)}"
            self.violations.append(Violation(place, rule))
            return {}
        found = {}
        for name, each in data.items():
            what = "a result" if place[-1] == RESULTS else "a state"
            if name not in known:
                self.violations.append(Violation((*place, name), f"is not {what} of this type", [*known]))
            if effect := self._effect((*place, name), each, factor_only=True):
                found[name] = effect.more
        return found

    def _effect(self, place: Place, data: object, *, factor_only: bool) -> Effect | None:
        if not isinstance(data, Mapping):
            keys = "times" if factor_only else "times or plus"
            rule = f"must be a mapping with {keys}, got {describe_value(data)}"
            self.violations.append(Violation(place, rule))
            return None
        entry, wrong = validated(EffectEntry, data, {}, place)
        self.violations += wrong
        if entry is None:
            return None
        if entry.times is None and entry.plus is None:
            self.violations.append(Violation(place, "needs times or plus"))
        if factor_only and entry.plus is not None:
            self.violations.append(Violation((*place, "plus"), "is for signals: use times here"))
        return Effect((1.0 if entry.times is None else entry.times) - 1.0, entry.plus or 0.0)


def _consequence(data: _Data) -> Consequence:
    after = data.get("after_seconds", (0.0, 0.0))
    severity = data.get("severity")
    return Consequence(
        state=data.get("state"),
        fault=data.get("fault"),
        spreads_to=data.get("spreads_to", ON_MACHINE),
        after_ms=(round(after[0] * 1000), round(after[1] * 1000)),
        at=data.get("at", 1.0),
        chance=data.get("chance", 1.0),
        severity=None if severity is None else _pair(severity),
    )


def _scheduled(data: _Data) -> Scheduled:
    after, duration = data.get("after_seconds"), data.get("duration_seconds")
    return Scheduled(
        at_ms=data.get("at"),
        after_ms=None if after is None else round(after * 1000),
        machine=data.get("machine"),
        severity=data.get("severity"),
        duration_ms=None if duration is None else max(1, round(duration * 1000)),
    )


def _hours_ms(hours: float | None) -> float | None:
    return None if hours is None else hours * 3_600_000


def _range_ms(seconds: tuple[float, float] | None) -> tuple[int, int] | None:
    return None if seconds is None else (round(seconds[0] * 1000), round(seconds[1] * 1000))


def _pair(value: float | tuple[float, float]) -> tuple[float, float]:
    return (value[0], value[1]) if isinstance(value, tuple | list) else (value, value)
