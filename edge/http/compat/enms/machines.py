"""Machines as EnMS shows them, whatever their types: by their constants, the values of their messages, and their state.

A type says what its machines are called by the constants `machine_name`, `machine_type` and `factory_id` in its
`properties`. What they do is in messages with the keys `is_running`, `operating_mode` and `current_power_kw`, as one
sent now would have them; without such keys it follows from the state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import orjson

from plant.definition.machine_types.field_sources import Field, FieldSource
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.machine_types.message_classes import readings_of
from plant.definition.machine_types.overrides import number_of
from plant.definition.plant_config import PlantConfig
from plant.machines.states import PLANNED_STOP, STOPPED

RUNNING, IDLE, MAINTENANCE, FAULT, OFFLINE = "running", "idle", "maintenance", "fault", "offline"
_MODES: Final = (IDLE, RUNNING, MAINTENANCE, FAULT, OFFLINE)
_IS_RUNNING, _MODE, _POWER, _OTHER_POWER = "is_running", "operating_mode", "current_power_kw", "power_kw"
_KEYS: Final = (_IS_RUNNING, _MODE, _POWER, _OTHER_POWER)
_SIGNS: Final[Mapping[str, tuple[str, ...]]] = {
    FAULT: ("fault", "fail", "error", "broken", "breakdown"),
    MAINTENANCE: ("maintenance", "service", "repair", "cleaning", "calibrat"),
    OFFLINE: ("offline", "stopped", "switched_off"),
}
"""Parts of names of states that tell what they are."""

Shown = Mapping[str, Any]
"""A machine as the API shows it."""


class Found(NamedTuple):
    """A machine of the plant by its id: its type, as it is for it, and its number."""

    machine_type: MachineType
    number: int


def find(config: PlantConfig, machine_id: str) -> Found | None:
    """Return the machine of an id; None if there is none."""
    for _, machine_type, count in config.machines():
        number = number_of(machine_id, machine_type)
        if number is not None and number <= count:
            return Found(machine_type.of(number), number)
    return None


def constant(machine_type: MachineType, number: int, name: str) -> str | None:
    """Return a constant of a machine as text; None if its type does not have it."""
    value = machine_type.properties.get(name)
    return machine_type.property_of(value, number) if isinstance(value, str) else None


def type_name(machine_type: MachineType) -> str:
    """Return what EnMS calls a type."""
    return constant(machine_type, 1, "machine_type") or machine_type.key


def factories(machine_type: MachineType, number: int) -> list[str]:
    """Return the names of the factory of a machine: its site, and its constant."""
    return [name for name in (machine_type.site, constant(machine_type, number, "factory_id")) if name]


def factories_count(config: PlantConfig) -> int:
    """Return how many factories there are; a plant that names none is one."""
    named = (factories(machine_type, 1)[:1] for _, machine_type, _ in config.machines())
    return max(1, len({name for names in named for name in names}))


def total(config: PlantConfig, rows: Mapping[str, int]) -> int:
    """Return how many readings there have been. rows: messages so far, by kind."""
    sent = (readings_of(machine_type) for _, machine_type, _ in config.declared())
    return sum(rows.get(each.kind, 0) for each in sent if each is not None)


def shown_machine(config: PlantConfig, machine: Shown) -> dict[str, object] | None:
    """Return a machine as EnMS shows it; None where its type has gone meanwhile."""
    usual = config.machine_type(machine["machine_type"])
    if usual is None:
        return None
    machine_type, number = usual.of(machine["number"]), machine["number"]
    values = dict(_values(machine_type, machine))
    mode = values.get(_MODE)
    mode = mode if mode in _MODES else _mode_of(machine["state"], machine_type)
    readings = machine["readings"] or {"period_seconds": 0, "sent": 0, "last": None}
    return {
        "machine_id": machine["machine_id"],
        "machine_name": constant(machine_type, number, "machine_name") or machine["machine_id"],
        "machine_type": type_name(machine_type),
        "is_running": bool(values.get(_IS_RUNNING, mode != OFFLINE)),
        "operating_mode": mode,
        "current_power_kw": _number(values.get(_POWER, values.get(_OTHER_POWER))),
        "data_interval_seconds": round(readings["period_seconds"]),
        "readings_generated": readings["sent"],
        "last_reading_time": readings["last"],
        "anomaly_active": bool(machine["faults"]),
    }


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _values(machine_type: MachineType, machine: Shown) -> Iterator[tuple[str, object]]:
    """Yield the keys that messages of a type have, each with the value that one would have now."""
    for key, field in _fields(machine_type).items():
        value = _value(field, machine)
        if value is not None:
            yield key, value


def _fields(machine_type: MachineType) -> Mapping[str, Field]:
    """Return the fields with the keys, of the class that has the most of them where several do."""
    by_class = [{field.path: field for field in each.fields if field.path in _KEYS} for each in machine_type.messages]
    fewest_first = sorted(by_class, key=len)
    return {key: field for each in fewest_first for key, field in each.items()}


def _value(field: Field, machine: Shown) -> object:
    if field.source is FieldSource.SIGNAL:
        return machine["signals"].get(field.detail, {}).get("value")
    if field.source is FieldSource.STATUS:
        return machine["state"]
    return orjson.loads(field.detail) if field.source is FieldSource.CONSTANT else None


def _mode_of(state: str, machine_type: MachineType) -> str:
    """Return the mode of a state by its role and its name."""
    if state in (STOPPED.name, PLANNED_STOP.name):
        return OFFLINE
    if state == machine_type.producing_state:
        return RUNNING
    named = next((mode for mode, signs in _SIGNS.items() if any(sign in state.lower() for sign in signs)), None)
    return named or (MAINTENANCE if state in machine_type.planned_stops else IDLE)
