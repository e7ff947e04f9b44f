"""What the messages of a plant contain: for each kind its fields with units and ranges, and its rate, for `check`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from plant.catalogue.catalogue import FieldSource, MessageKind, catalogue
from plant.catalogue.message_kinds import FieldSpec, Leaf, leaves
from plant.definition.plant_config import PlantConfig
from plant.forecast.fault_lines import fault_lines
from plant.forecast.rate_forecast import Forecast, TypeForecast, duration, rate

_MOST_LISTED: Final = 6
_TYPES: Final = {"string": "text", "number": "number", "integer": "integer", "boolean": "true/false", "array": "list"}


def field_tables(config: PlantConfig, forecast: Forecast) -> str:
    """Return a table for each kind of message, each after an empty line, and the faults of a type before its alarms."""
    rates = {each.key: each for each in forecast.types}
    kinds = catalogue(config)
    last = {kind.machine_type: kind.key for kind in kinds if not kind.reports_alarms}
    return "".join(
        f"\n\n{_table(kind, rates[kind.key])}"
        f"{_faults(config, kind.machine_type) if kind.machine_type and last.get(kind.machine_type) == kind.key else ''}"
        for kind in kinds
    )


def _faults(config: PlantConfig, key: str) -> str:
    """Return the faults and the wear of a type as text that follows its last table; empty if it has none."""
    machine_type = config.machine_type(key)
    lines = fault_lines(machine_type) if machine_type and (machine_type.causes or machine_type.all_faults) else []
    return "".join(f"\n  {line}" for line in lines)


def _table(kind: MessageKind, its: TypeForecast) -> str:
    rows = [_cells(kind, leaf) for leaf in leaves(kind.fields)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join([f"{kind.key}: {_when(kind, its)}", *(f"  {line}".rstrip() for line in lines)])


def _when(kind: MessageKind, its: TypeForecast) -> str:
    if kind.reports_alarms:
        return f"when an alarm is raised or cleared, from each of {len(kind.machines):,}"
    regular = [f"every {duration(its.period_seconds)}"] if its.regular_per_second else []
    others = (("at each change of the state", kind.on_change), ("for each finished job", kind.reports_each_job))
    more = [when for when, applies in others if applies]
    sources = f" from each of {len(kind.machines):,}" if len(kind.machines) > 1 else ""
    return f"{' and '.join((*regular, *more))}{sources}, {rate(its.per_second).strip()} messages/s"


def _cells(kind: MessageKind, leaf: Leaf) -> tuple[str, str, str, str]:
    field = leaf.field
    null = " or null" if field.nullable else ""
    return leaf.name, _TYPES[field.json_type] + null, field.unit or "", _expected(kind, field)


def _expected(kind: MessageKind, field: FieldSpec) -> str:
    """Return the values to be expected: a list, ids, or a range."""
    if field.role is FieldSource.MACHINE_ID:
        return _listed([machine.machine_id for machine in kind.machines])
    if field.enum:
        return _listed([str(value).lower() if isinstance(value, bool) else str(value) for value in field.enum])
    if field.json_type == "array":
        return _range(field, " entries")
    return "RFC 3339" if field.format else _range(field)


def _range(field: FieldSpec, counted: str = "") -> str:
    low, high = field.minimum, field.maximum
    if low is None or high is None:
        return "" if low is None else f"{low:.15g} or more{counted}"
    return f"{low:.15g} to {high:.15g}{counted}"


def _listed(values: Sequence[str]) -> str:
    return ", ".join(_shortened(values))


def _shortened(values: Sequence[str]) -> Iterator[str]:
    """Yield the first values; if there are many, a number stands for the others."""
    shown = values if len(values) <= _MOST_LISTED else values[: _MOST_LISTED - 1]
    yield from shown
    if len(values) > len(shown):
        yield f"{len(values) - len(shown):,} more"
