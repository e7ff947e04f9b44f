"""What the keys of a message are for the energy of its machine: consumers find them by role, not by name."""

from __future__ import annotations

from typing import Final

from plant.definition.machine_types.field_sources import FieldSource
from plant.definition.machine_types.machine_type import MachineType, MessageClass

METER: Final = "meter"
"""The meter itself, which grows from message to message."""

GROWTH: Final = "growth"
"""What the meter has grown by since the regular message before."""

POWER: Final = "power"
"""What the meter integrates, in kW: each regular message stands for its period."""

_KILOWATT: Final = "kW"
_SECONDS_IN_AN_HOUR: Final = 3600


def energy_roles(message_class: MessageClass, machine_type: MachineType) -> dict[str, str]:
    """Return the role of each key of a class of messages that is the energy of its machine, by place.

    Only the class that advances registers has such keys: with its messages meters grow. A signal that a fault of its
    sensor may change is none: what it reports is not what has been used.
    """
    if message_class is not machine_type.messages[machine_type.advancing]:
        return {}
    signals = ((field.path, field.detail) for field in message_class.fields if field.source is FieldSource.SIGNAL)
    found = ((path, _role(name, machine_type)) for path, name in signals)
    return {path: role for path, role in found if role is not None}


def _role(name: str, machine_type: MachineType) -> str | None:
    energy = machine_type.energy
    if energy is None or any(each.sensor and each.sensor.signal == name for each in machine_type.all_faults.values()):
        return None
    if name == energy.meter:
        return METER
    if machine_type.signals[name].change_of == energy.meter:
        return GROWTH
    meter = machine_type.signals[energy.meter]
    is_power = meter.integral_of == name and meter.per_seconds == _SECONDS_IN_AN_HOUR
    return POWER if is_power and machine_type.signals[name].unit == _KILOWATT else None
