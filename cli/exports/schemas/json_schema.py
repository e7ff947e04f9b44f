"""Schemas of the messages: JSON Schema draft-07 for consumers, Delta/1.0 for storage.

These are the two formats of the schema registry of Azure IoT Operations: the first for sources of dataflows, the second
for storage destinations. Storage has a column for each value: one in an object is named by its path.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from cli.exports.common.export import Export, File, json_file
from cli.exports.common.names import resource_name, storage_columns
from plant.catalogue.catalogue import FieldSpec, MessageKind

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
DELTA: Final = "Delta/1.0"

_COLUMNS: Final = {"string": "string", "number": "double", "integer": "long", "boolean": "boolean"}
"""JSON type -> type of a Delta column."""


def schema(export: Export) -> list[File]:
    """JSON Schema (draft-07) of each kind of message, and its Delta/1.0 form for storage.

    Two files a kind, schema/KIND.json and schema/KIND.delta.json, for consumers and for the schema registry. Tested
    with messages of the plant (jsonschema); Delta/1.0 is written after Microsoft's page on message schemas.
    """
    return [file for kind in export.kinds for file in _files(kind)]


def _files(kind: MessageKind) -> tuple[File, File]:
    return json_file(f"schema/{kind.key}.json", draft(kind)), json_file(f"schema/{kind.key}.delta.json", delta(kind))


def schema_name(export: Export, kind: MessageKind, form: str) -> str:
    """Return the name of a kind's schema in the schema registry.  form: `json` or `delta`."""
    return resource_name(export.prefix, kind.key, *(["delta"] if form == "delta" else []))


def draft(kind: MessageKind) -> dict[str, Any]:
    """Return the JSON Schema of a kind's messages."""
    return {"$schema": DRAFT, **payload(kind)}


def payload(kind: MessageKind) -> dict[str, Any]:
    """Return the JSON Schema of a kind's messages, without `$schema`."""
    return {"title": kind.key, "description": f"{kind.title}: {kind.description}", **_object(kind.fields)}


def delta(kind: MessageKind) -> dict[str, Any]:
    """Return the Delta schema. Every column is nullable: a dataflow drops a whole batch if one that is not is null."""
    columns = [_nullable(name, field) for name, field in storage_columns(kind.fields).items()]
    return {"$schema": DELTA, "type": "object", "properties": {"type": "struct", "fields": columns}}


def _object(fields: Sequence[FieldSpec]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {field.name: _property(field) for field in fields},
        "required": [field.name for field in fields],
        "additionalProperties": False,
    }


def _property(field: FieldSpec) -> dict[str, Any]:
    if field.json_type == "object":
        return {"description": field.description, **_object(field.parts)}
    values = [*field.enum, None] if field.nullable else [*field.enum]
    unit = f" In {field.unit}." if field.unit else ""
    content = {
        "type": [field.json_type, "null"] if field.nullable else field.json_type,
        "description": field.description + unit,
        "x-unit": field.unit,
        "enum": values if field.enum else None,
        **_bounds(field),
        "pattern": field.pattern,
        "format": field.format,
        "items": _items(field),
    }
    return {key: value for key, value in content.items() if value is not None}


def _bounds(field: FieldSpec) -> dict[str, float | None]:
    least, most = ("minItems", "maxItems") if field.json_type == "array" else ("minimum", "maximum")
    return {least: field.minimum, most: field.maximum}


def _items(field: FieldSpec) -> dict[str, Any] | None:
    if field.items is None:
        return None
    return _object(field.parts) if field.parts else {"type": field.items}


def _nullable(name: str, field: FieldSpec) -> dict[str, Any]:
    return {"name": name, "type": _column(field), "nullable": True, "metadata": {}}


def _column(field: FieldSpec) -> str | dict[str, Any]:
    if field.json_type == "array":
        parts = [_nullable(part.name, part) for part in field.parts]
        inner = {"type": "struct", "fields": parts} if parts else _COLUMNS[field.items or "string"]
        return {"type": "array", "elementType": inner, "containsNull": True}
    return "timestamp" if field.format == "date-time" else _COLUMNS[field.json_type]
