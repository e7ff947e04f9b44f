"""The tables of messages in KQL: which kinds are in which, their columns, and the mappings of JSON to them.

Kinds whose messages have a time in `timestamp` and no objects share a table, in which what one kind does not have is
empty. Every other kind has a table of its own, in which a value in an object is a column named by its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Final

from cli.exports.common.names import placed_columns, storage_columns
from cli.exports.schemas.kql_words import RESERVED
from plant.catalogue.catalogue import FieldSpec, MessageKind

TABLE: Final = "Factory"
"""The table of messages of machines, orders and dispatches; a column that a kind does not have is empty."""

REPORTS: Final = "FactoryReports"
"""The table of OEE reports, whose `quality` is a number."""

MAPPING: Final = "Json"
"""Suffix of a table's ingestion mapping, which maps each value of a message to its column."""

_TYPES: Final = {"string": "string", "number": "real", "integer": "long", "boolean": "bool", "array": "dynamic"}
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def tables_of(kinds: Iterable[MessageKind]) -> dict[str, list[MessageKind]]:
    """Return the tables, and the kinds of message stored in each."""
    kinds = list(kinds)
    names, found = table_names(kinds), dict[str, list[MessageKind]]()
    for kind in kinds:
        found.setdefault(names[kind.key], []).append(kind)
    return found


def table_names(kinds: Iterable[MessageKind]) -> dict[str, str]:
    """Return the table of each kind of message, by the kind's key."""
    names: dict[str, str] = {}
    taken = {TABLE, REPORTS}
    for kind in kinds:
        if _is_alone(kind):
            names[kind.key] = _own_name(kind, taken)
            taken.add(names[kind.key])
        else:
            names[kind.key] = TABLE if kind.machine_type or not kind.retained else REPORTS
    return names


def _is_alone(kind: MessageKind) -> bool:
    """Return whether a kind has a table of its own."""
    usual_time = kind.timestamp == "timestamp" and kind.timestamp_form.startswith("rfc3339")
    nested = any(field.json_type == "object" for field in kind.fields)
    return kind.machine_type is not None and (kind.is_of_several or not usual_time or nested)


def _own_name(kind: MessageKind, taken: Iterable[str]) -> str:
    """Return a name in letters and digits, such as FactoryPressEnergy; names that would be equal get a number."""
    plain = name = TABLE + "".join(part[:1].upper() + part[1:] for part in re.split(r"[._-]+", kind.key))
    numbers = count(2)
    while name in taken:
        name = f"{plain}{next(numbers)}"
    return name


def columns(kinds: Iterable[MessageKind]) -> dict[str, str]:
    """Return the columns of a table with their types: all values of all kinds, dynamic where the kinds differ."""
    found: dict[str, str] = {}
    for name, field in (column for kind in kinds for column in storage_columns(kind.fields).items()):
        its = _column_type(field)
        found[name] = its if found.get(name, its) == its else "dynamic"
    return found


def literal(text: str) -> str:
    """Return a string literal for any text."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def identifier(name: str) -> str:
    """Return a column's name, quoted if necessary."""
    return name if _NAME.fullmatch(name) and name not in RESERVED else f"[{literal(name)}]"


def _column_type(field: FieldSpec) -> str:
    return "datetime" if field.format == "date-time" else _TYPES[field.json_type]


def table_commands(table: str, kinds: Sequence[MessageKind]) -> tuple[str, str]:
    """Return the commands that create a table and its mapping."""
    return _table(table, kinds), _mapping(table, kinds)


def _table(table: str, kinds: Iterable[MessageKind]) -> str:
    lines = ",\n".join(f"    {identifier(name)}: {its}" for name, its in columns(kinds).items())
    return f".create-merge table {table} (\n{lines}\n)"


def _mapping(table: str, kinds: Iterable[MessageKind]) -> str:
    places = {name: leaf.path for kind in kinds for name, leaf in placed_columns(kind.fields).items()}
    entries = [{"column": name, "Properties": {"Path": _path(places[name])}} for name in places]
    lines = ",\n".join(f"    {json.dumps(entry)}" for entry in entries)
    return f".create-or-alter table {table} ingestion json mapping {literal(table + MAPPING)}\n```\n[\n{lines}\n]\n```"


def _path(place: Sequence[str]) -> str:
    """Return a place as JSONPath."""
    return "$" + "".join(f".{key}" if _NAME.fullmatch(key) else f"[{json.dumps(key)}]" for key in place)
