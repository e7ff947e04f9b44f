"""`global.fault_chance_per_day`: faults of machines without a time of their own come by chance, at any time of day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import log1p
from typing import Final

from plant.definition.document.errors import Violation
from plant.definition.faults.fault_type import Causes, FaultType
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.machine_types.reading import SECTION

GREATEST: Final = 0.999
"""The greatest chance a day: 1 would be a fault at each moment."""

_DAY_MS: Final = 86_400_000.0


def with_daily_faults(types: Mapping[str, MachineType], chance: float) -> Mapping[str, MachineType]:
    """Return the types with the faults that come with this chance a day, on each machine; 0: none does."""
    return {key: _with_faults(each, chance) for key, each in types.items()}


def endless(types: Mapping[str, MachineType], chance: float) -> Iterator[Violation]:
    """Yield a violation for each fault that would come by this chance and never end."""
    for key, machine_type in types.items():
        for fault in _of_chance(machine_type.causes) if chance else ():
            if fault.until is None and fault.duration_ms is None:
                rule = "needs an end, as global.fault_chance_per_day lets it come: duration_seconds or until"
                yield Violation((SECTION, key, "faults", fault.name), rule)


def _with_faults(machine_type: MachineType, chance: float) -> MachineType:
    overrides = {number: _with_faults(each, chance) for number, each in machine_type.overrides.items()}
    causes = machine_type.causes
    own = _of_chance(causes)
    mean_ms = len(own) * _DAY_MS / -log1p(-min(chance, GREATEST)) if chance else None
    faults = {each.name: replace(each, mean_ms=mean_ms, at_any_time=bool(chance)) for each in own}
    return replace(machine_type, causes=replace(causes, faults={**causes.faults, **faults}), overrides=overrides)


def _of_chance(causes: Causes) -> list[FaultType]:
    """Return the faults of machines that have neither `every_hours` nor `schedule`."""
    machines = (each for each in causes.faults.values() if not each.sensor and not each.schedule)
    return [each for each in machines if each.mean_ms is None or each.at_any_time]
