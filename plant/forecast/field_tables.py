"""What the messages of a plant contain, for `check`: for each kind its rate and its fields with units and ranges.

Below them stands what its machines do: faults, lots, start-ups, the order of states, reasons, and alarms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from plant.catalogue.catalogue import FieldSource, MessageKind, catalogue
from plant.catalogue.message_kinds import FieldSpec, Leaf, leaves
from plant.definition.plant_config import PlantConfig
from plant.forecast.alarm_lines import alarm_lines
from plant.forecast.cause_rates import labels_per_day, labels_per_hour
from plant.forecast.fault_lines import FEWEST_LABELS, fault_rows
from plant.forecast.product_lines import product_lines
from plant.forecast.rate_forecast import Forecast, TypeForecast, brief, duration, rate
from plant.forecast.state_lines import state_lines
from plant.forecast.variation_lines import variation_lines
from plant.orders import ORDER

_MOST_LISTED: Final = 6
_MOST_STATES: Final = 12
"""More than of other values: filters and colours of a dashboard need all states, also those from outside."""

_TYPES: Final = {"string": "text", "number": "number", "integer": "integer", "boolean": "true/false", "array": "list"}


def field_tables(config: PlantConfig, forecast: Forecast) -> str:
    """Return a table for each kind of message, each after an empty line, with what its machines do and suffer below.

    The faults of a type, and how its jobs vary, stand below its last table, before its alarms.
    """
    rates = {each.key: each for each in forecast.types}
    kinds = catalogue(config)
    last = {kind.machine_type: kind.key for kind in kinds if not kind.reports_alarms}
    tables = (f"\n\n{_table(kind, rates[kind.key])}{_below(config, kind, last)}" for kind in kinds)
    return f"{_labels(config)}{''.join(tables)}"


def _labels(config: PlantConfig) -> str:
    """Return a sentence on the labels that are to be expected; empty without any."""
    types = {key: machine_type for key, machine_type, _ in config.machines()}
    found = labels_per_day(config)
    if not found:
        return ""
    worn = math.fsum(labels for (key, name), labels in found.items() if name in types[key].all_wear)
    faults = math.fsum(found.values()) - worn
    parts = [f"{brief(faults)} of faults"] if faults >= FEWEST_LABELS else []
    parts += [f"{brief(worn)} of wear"] if worn >= FEWEST_LABELS else []
    return f"\n\nLabels to be expected in a day: {' and '.join(parts) or 'none by chance'}."


def _below(config: PlantConfig, kind: MessageKind, last: Mapping[str | None, str]) -> str:
    """Return the lines that follow the table of a kind of messages."""
    machine_type = config.machine_type(kind.machine_type) if kind.machine_type else None
    if machine_type is None:
        return _aligned([*product_lines(config)]) if kind.key == ORDER else ""
    if kind.reports_alarms:
        return _aligned(alarm_lines(config, machine_type, kind.key))
    if last.get(kind.machine_type) != kind.key:
        return ""
    labels = {name: 24 * each for name, each in labels_per_hour(config, machine_type).items()}
    lines = [*variation_lines(config, machine_type, len(kind.machines)), *state_lines(machine_type)]
    return f"{_aligned(fault_rows(machine_type, labels))}{_aligned(lines)}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as lines whose columns are aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"\n  {line}".rstrip() for line in lines)


def _table(kind: MessageKind, its: TypeForecast) -> str:
    rows = [_cells(kind, leaf) for leaf in leaves(kind.fields)]
    return f"{kind.key}: {_when(kind, its)}{_aligned(rows)}"


def _when(kind: MessageKind, its: TypeForecast) -> str:
    if kind.reports_alarms:
        events = "raised or cleared" if kind.reports_cleared else "raised"
        return f"when an alarm is {events}, from each of {len(kind.machines):,}"
    regular = [f"every {duration(its.period_seconds)}"] if its.regular_per_second else []
    others = (
        ("at each change of the state", kind.on_change),
        ("when a command sets the state", kind.on_command),
        ("for each finished job", kind.reports_each_job),
    )
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
    most = _MOST_STATES if field.role is FieldSource.STATUS else _MOST_LISTED
    if field.enum:
        return _listed([str(value).lower() if isinstance(value, bool) else str(value) for value in field.enum], most)
    if field.json_type == "array":
        return _range(field, " entries")
    return "RFC 3339" if field.format else _range(field)


def _range(field: FieldSpec, counted: str = "") -> str:
    low, high = field.minimum, field.maximum
    if low is None or high is None:
        return "" if low is None else f"{low:.15g} or more{counted}"
    return f"{low:.15g} to {high:.15g}{counted}"


def _listed(values: Sequence[str], most: int = _MOST_LISTED) -> str:
    return ", ".join(_shortened(values, most))


def _shortened(values: Sequence[str], most: int) -> Iterator[str]:
    """Yield the first values; if there are many, a number stands for the others."""
    shown = values if len(values) <= most else values[: most - 1]
    yield from shown
    if len(values) > len(shown):
        yield f"{len(values) - len(shown):,} more"
