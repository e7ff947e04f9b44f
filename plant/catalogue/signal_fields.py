"""The specification of signals in messages: type, unit, and the range that follows from their declaration."""

from __future__ import annotations

from plant.catalogue.message_kinds import FieldSpec
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.signals.bounds import last_decimal_range, widest_bounds


def signal_field(key: str, name: str, machine_type: MachineType) -> FieldSpec:
    """Return the specification of a signal in messages. key: of the message."""
    spec = machine_type.signals[name]
    description = spec.description or f"{name.replace('_', ' ').capitalize()}."
    if spec.choice is not None:
        texts = tuple(sorted(text for text, weight in spec.choice.items() if weight))
        return FieldSpec(key, "string", description, enum=texts)
    low, high = _signal_range(name, machine_type)
    json_type = "number" if spec.places else "integer"
    is_nullable = any(each.causes.drops_out(name) for each in (machine_type, *machine_type.overrides.values()))
    return FieldSpec(key, json_type, description, nullable=is_nullable, unit=spec.unit, minimum=low, maximum=high)


def _signal_range(name: str, machine_type: MachineType) -> tuple[float | None, float | None]:
    """Return the least and greatest number of a signal in messages; None where only its digits limit it."""
    variants = [each.signals for each in (machine_type, *machine_type.overrides.values())]
    spec = machine_type.signals[name]
    if spec.change_of is not None:
        spec = machine_type.signals[spec.change_of]
    if spec.counter is not None:
        return 0, None
    if spec.integral_of is not None:
        rate = widest_bounds(each[spec.integral_of] for each in variants)
        return (0 if rate.low >= 0 else None), None
    low, high = last_decimal_range(widest_bounds(each[name] for each in variants), spec.places)
    unit = 10**spec.places
    return (low / unit, high / unit) if spec.places else (low, high)
