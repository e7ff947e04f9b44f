"""The query for the alarms that are active, from the tables of messages about alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Template
from typing import Final

from cli.exports.schemas.kql_classes import time_column
from cli.exports.schemas.kql_tables import identifier, literal
from plant.catalogue.catalogue import FieldSource, MessageKind

_COLUMNS: Final = {
    "machine_id": FieldSource.MACHINE_ID,
    "alarm": FieldSource.ALARM,
    "event": FieldSource.ALARM_EVENT,
    "severity": FieldSource.ALARM_SEVERITY,
    "value": FieldSource.ALARM_VALUE,
    "limit": FieldSource.ALARM_LIMIT,
    "unit": FieldSource.ALARM_UNIT,
}


def active_alarms(kinds: Sequence[MessageKind], tables: Mapping[str, str]) -> str:
    """Return the query; empty if no kind says which alarm is raised or cleared.

    kinds: those about alarms.  tables: of each kind of message, by its key.
    """
    telling = [kind for kind in kinds if all(kind.path_of(role) == (name,) for name, role in _COLUMNS.items())]
    if not telling:
        return ""
    parts = ",\n    ".join(f"({_rows(kind, tables[kind.key])})" for kind in telling)
    return Template(_ACTIVE).substitute(parts=parts, raised=literal("raised"))


def _rows(kind: MessageKind, table: str) -> str:
    """Return the messages of a kind, with the columns that all kinds have."""
    columns = [time_column(kind), *map(identifier, _COLUMNS)]
    return f"{table} | project {', '.join(columns)}, machine_type = {literal(kind.machine_type or '')}"


_ACTIVE: Final = """\
// Alarms that are active now: those whose last message has raised them.
union
    $parts
| summarize arg_max(timestamp, *) by machine_id, alarm
| where event == $raised
| order by timestamp desc
"""
