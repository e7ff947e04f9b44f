"""The specification of signals in messages: type, unit, and the range that follows from their declaration."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from plant.catalogue.message_kinds import FieldSpec, literal_pattern
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.signals.bounds import last_decimal_range, most_items, widest_bounds
from plant.definition.signals.signal_spec import SignalSpec
from plant.definition.signals.text_rules import around_number

_WHOLE: Final = "-?[0-9]+"
_NUMBER: Final = rf"{_WHOLE}(\.[0-9]+)?(e-[0-9]+)?"
"""Numbers in JSON, as regular expressions."""


def signal_field(key: str, name: str, machine_type: MachineType) -> FieldSpec:
    """Return the specification of a signal in messages. key: of the message."""
    spec = machine_type.signals[name]
    description = spec.description or f"{name.replace('_', ' ').capitalize()}."
    if spec.is_text:
        return _text_field(FieldSpec(key, "string", description), spec, machine_type)
    low, high = _signal_range(name, machine_type)
    json_type, is_nullable = "number" if spec.places else "integer", _drops_out(name, machine_type)
    return FieldSpec(key, json_type, description, nullable=is_nullable, unit=spec.unit, minimum=low, maximum=high)


def _text_field(field: FieldSpec, spec: SignalSpec, machine_type: MachineType) -> FieldSpec:
    """Return the specification of a signal that is text, or true or false. field: without what it may be."""
    if spec.is_flag:
        return replace(field, json_type="boolean")
    if spec.text is not None:
        head, name, tail = around_number(spec.text)
        number = _NUMBER if machine_type.signals[name].places else _WHOLE
        pattern = f"^{literal_pattern(head)}{number}{literal_pattern(tail)}$"
        return replace(field, pattern=pattern, nullable=_drops_out(name, machine_type))
    drawn = sorted(text for text, weight in (spec.choice or {}).items() if weight)
    return replace(field, enum=(*drawn, *(spec.texts or ())))


def _drops_out(name: str, machine_type: MachineType) -> bool:
    """Return whether a signal may have no value."""
    return any(each.causes.drops_out(name) for each in (machine_type, *machine_type.overrides.values()))


def _signal_range(name: str, machine_type: MachineType) -> tuple[float | None, float | None]:
    """Return the least and greatest number of a signal in messages; None where only its digits limit it."""
    variants = [each.signals for each in (machine_type, *machine_type.overrides.values())]
    spec = machine_type.signals[name]
    if spec.counter is not None:
        return 0, None
    if spec.binomial is not None:
        return 0, most_items(each[spec.binomial.of] for each in variants)
    if spec.integral_of is not None:
        rate = widest_bounds(each[spec.integral_of] for each in variants)
        return (0 if rate.low >= 0 else None), None
    low, high = last_decimal_range(widest_bounds(each[name] for each in variants), spec.places)
    unit = 10**spec.places
    return (low / unit, high / unit) if spec.places else (low, high)
