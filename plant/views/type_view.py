"""A machine type as plain data: what its machines may do, report and suffer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from plant.definition.machine_types.machine_type import MachineType, MessageClass
from plant.definition.plant_config import EVENTS, PlantConfig
from plant.machines.states import BLOCKED, CHANGEOVER, LATE_START, PLANNED_STOP, STARVED, STOPPED, WAITING

IMPOSED = tuple(each.name for each in (STOPPED, PLANNED_STOP, BLOCKED, STARVED, CHANGEOVER, LATE_START, WAITING))
"""The states that a machine of any type may be in because of something outside."""


def type_views(config: PlantConfig) -> Iterator[dict[str, Any]]:
    """Yield each machine type in the YAML, also one that is switched off or has no machines."""
    for key, machine_type, count in config.declared():
        yield {
            "machine_type": key,
            "title": machine_type.title,
            "count": count,
            "enabled": machine_type.enabled,
            "first_machine_id": machine_type.id_of(1),
            "states": _states(machine_type),
            "job": _job(machine_type),
            "signals": _signals(machine_type),
            "set_points": _set_points(machine_type),
            "commands": _commands(machine_type),
            "faults": _faults(machine_type),
            "wear": [{"name": name, "effects": [*each.effects.names]} for name, each in machine_type.all_wear.items()],
            "alarms": _alarms(machine_type),
            "messages": [_message(config, each) for each in machine_type.all_messages],
        }


def event_views(config: PlantConfig) -> list[dict[str, Any]]:
    """Return the keys in message_types that are no machine types, as orders, and whether each is switched on."""
    found = ((key, getattr(config.message_types, key)) for key in EVENTS)
    return [{"message_type": key, "enabled": section.enabled} for key, section in found if section is not None]


def known_states(config: PlantConfig) -> list[str]:
    """Return the names of all states that a machine of the plant may be in."""
    own = (name for _, machine_type, _ in config.declared() for name in machine_type.states)
    return [*dict.fromkeys((*own, *IMPOSED))]


def known_causes(config: PlantConfig) -> list[str]:
    """Return the names of all faults, and of all wear, that a machine of the plant may have."""
    return [*dict.fromkeys(name for _, machine_type, _ in config.declared() for name in machine_type.labelled_causes)]


def _states(machine_type: MachineType) -> list[dict[str, Any]]:
    shares = machine_type.shares
    return [
        {
            "name": name,
            "share": round(shares[name], 6),
            "dwell_seconds": each.dwell_seconds,
            "produces": each.produces,
            "planned": each.planned,
        }
        for name, each in machine_type.states.items()
    ]


def _job(machine_type: MachineType) -> dict[str, Any] | None:
    job = machine_type.job
    if job is None:
        return None
    results = {name: {"good": name in job.good} for name in job.possible_results}
    return {"product": job.product, "kinds": [*job.kinds], "results": results}


def _signals(machine_type: MachineType) -> dict[str, Any]:
    return {
        name: {
            "unit": spec.unit,
            "limits": None if spec.limits is None else [*spec.limits],
            "set_point": spec.set_point,
            "decimals": None if spec.is_text else spec.places,
            "description": spec.description,
            "shown": spec.shown,
        }
        for name, spec in machine_type.signals.items()
    }


def _set_points(machine_type: MachineType) -> dict[str, float]:
    points = {name: spec.set_point for name, spec in machine_type.signals.items()}
    return {name: point for name, point in points.items() if point is not None}


def _commands(machine_type: MachineType) -> list[dict[str, Any]]:
    own = machine_type.commands.items()
    return [{"name": name, "state": each.state, "latched": each.is_latched} for name, each in own]


def _faults(machine_type: MachineType) -> list[dict[str, Any]]:
    return [
        {"name": name, "effects": [*fault.effects.names], "signal": fault.sensor.signal if fault.sensor else None}
        for name, fault in machine_type.all_faults.items()
    ]


def _alarms(machine_type: MachineType) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "signal": each.signal,
            "side": each.side.yaml_name,
            "limit": each.limit,
            "clear": each.clear,
            "severity": each.severity,
            "delay_seconds": each.delay_ms / 1000,
        }
        for each in machine_type.alarms
    ]


def _message(config: PlantConfig, each: MessageClass) -> dict[str, Any]:
    period = config.class_period_seconds(each)
    regular = each.is_regular and not each.reports_alarms
    return {"kind": each.kind, "topic": each.topic, "period_seconds": round(period, 6) if regular else None}
