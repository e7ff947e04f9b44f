"""The specification of the keys of messages about alarms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from plant.catalogue.message_kinds import FieldSpec
from plant.catalogue.signal_fields import signal_field
from plant.catalogue.type_context import MachineTypeContext
from plant.definition.alarms.alarm_type import SEVERITIES, Side
from plant.definition.machine_types.field_sources import FieldSource

EVENTS: Final = ("raised", "cleared")
"""What happens to an alarm."""

Describe = Callable[[str, str, MachineTypeContext], FieldSpec]


def _alarm(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    return FieldSpec(name, "string", meaning, enum=tuple(each.name for each in context.machine_type.alarms))


def _signal(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    return FieldSpec(name, "string", meaning, enum=_signals(context))


def _event(name: str, meaning: str, _context: MachineTypeContext) -> FieldSpec:
    return FieldSpec(name, "string", meaning, enum=EVENTS)


def _side(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    used = {each.side for each in context.machine_type.alarms}
    return FieldSpec(name, "string", meaning, enum=tuple(each.yaml_name for each in Side if each in used))


def _severity(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    used = {each.severity for each in context.machine_type.alarms}
    return FieldSpec(name, "string", meaning, enum=tuple(each for each in SEVERITIES if each in used))


def _value(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    """Return the specification of a value of any of the signals."""
    specs = [signal_field(each, each, context.machine_type) for each in _signals(context)]
    lows = [each.minimum for each in specs if each.minimum is not None]
    highs = [each.maximum for each in specs if each.maximum is not None]
    return FieldSpec(
        name,
        _json_type(spec.json_type for spec in specs),
        meaning,
        minimum=min(lows) if specs and len(lows) == len(specs) else None,
        maximum=max(highs) if specs and len(highs) == len(specs) else None,
    )


def _limit(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    limits = dict.fromkeys(each.limit for each in context.machine_type.alarms)
    return FieldSpec(name, "number", meaning, enum=tuple(int(each) if each.is_integer() else each for each in limits))


def _unit(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    units = [context.machine_type.signals[each].unit for each in _signals(context)]
    known = tuple(dict.fromkeys(unit for unit in units if unit is not None))
    return FieldSpec(name, "string", meaning, enum=known, nullable=None in units)


def _json_type(types: Iterable[str]) -> str:
    found = set(types)
    return found.pop() if len(found) == 1 else "number"


def _signals(context: MachineTypeContext) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.signal for each in context.machine_type.alarms))


ALARM_SPECS: Final[Mapping[FieldSource, Describe]] = {
    FieldSource.ALARM: _alarm,
    FieldSource.ALARM_SIGNAL: _signal,
    FieldSource.ALARM_EVENT: _event,
    FieldSource.ALARM_SIDE: _side,
    FieldSource.ALARM_SEVERITY: _severity,
    FieldSource.ALARM_VALUE: _value,
    FieldSource.ALARM_LIMIT: _limit,
    FieldSource.ALARM_UNIT: _unit,
}
"""How to describe the values of each source."""
