"""What a consumer needs to know about the classes of messages of a machine type, as the ground truth has it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Final

from plant.catalogue.energy_fields import energy_roles
from plant.definition.machine_types.field_sources import Field, FieldSource
from plant.definition.machine_types.machine_type import NO_STATE, MachineType, MessageClass
from plant.definition.plant_config import PlantConfig
from plant.telemetry import MachineTypeInfo, MessageClassInfo

_USUAL_PLACES: Final = {FieldSource.MACHINE_ID: "machine_id", FieldSource.STATUS: "status"}


def with_classes(info: MachineTypeInfo, config: PlantConfig) -> MachineTypeInfo:
    """Return what is known of a type together with its classes of messages, unless the only one is usual."""
    machine_type = config.machine_type(info.kind)
    if machine_type is not None and machine_type.alarms:
        alarms = tuple((each.name, each.side.yaml_name) for each in machine_type.alarms)
        about_alarms = tuple(_class_info(each, config, {}) for each in machine_type.alarm_messages)
        info = info._replace(alarm_messages=about_alarms, alarms=alarms)
    if machine_type is None:
        return info
    energy = [energy_roles(each, machine_type) for each in machine_type.messages]
    if is_usual(machine_type):
        return info._replace(energy=energy[0])
    found = zip(machine_type.messages, energy, strict=True)
    classes = tuple(_class_info(each, config, roles) for each, roles in found)
    has_states = [*machine_type.states] != [NO_STATE]
    # What stops machines from outside is not in messages without a status.
    is_known = not has_states and config.calendar_of(machine_type.site) is None and config.flow is None
    return info._replace(messages=classes, constant_status=machine_type.producing_state if is_known else None)


def is_usual(machine_type: MachineType) -> bool:
    """Return whether a type has one class of messages, with time, machine and status by their usual keys."""
    main, places = machine_type.main, {field.source: field.path for field in machine_type.main.fields}
    usual_time = main.timestamp == "timestamp" and main.form.startswith("rfc3339")
    has_places = all(places.get(source) == path for source, path in _USUAL_PLACES.items())
    flat = not any(field.within for field in main.fields)
    reports = machine_type.job is None or {FieldSource.FINISHED_ID, FieldSource.FINISHED_RESULT} <= places.keys()
    is_regular = not (main.on_change or main.on_command)
    return len(machine_type.messages) == 1 and usual_time and has_places and flat and reports and is_regular


def _class_info(message_class: MessageClass, config: PlantConfig, energy: Mapping[str, str]) -> MessageClassInfo:
    period = config.class_period_seconds(message_class)
    return MessageClassInfo(
        name=message_class.name,
        topic=message_class.topic,
        timestamp=message_class.time_place,
        form=message_class.form,
        fields={field.path: field.source.role for field in message_class.fields},
        constants={field.path: _constant(field) for field in message_class.fields if field.source.is_constant},
        period_seconds=None if math.isinf(period) else period,
        on_change=message_class.on_change,
        energy=energy,
    )


def _constant(field: Field) -> object:
    return json.loads(field.detail)
