"""JSON Schema of the plant's YAML, generated from its models, by which editors complete, explain and check.

Draft-07 is the newest that all editors support: yaml-language-server reads later drafts only since 2026. In draft-07,
keywords beside a `$ref` are ignored, so there are no references. The schema rejects nothing that `check` accepts; rules
that a schema cannot express are left to `check`.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from pydantic import BaseModel

from cli.exports.common.export import Export, File, json_file
from cli.exports.schemas.json_schema import DRAFT
from plant.definition.machine_types.entry import MachineEntry, entry_model
from plant.definition.machine_types.library import LibraryType, library
from plant.definition.plant_config import PlantConfig

NAME: Final = "message_structure.schema.json"


def config_schema(_export: Export) -> list[File]:
    """JSON Schema (draft-07) of message_structure.yaml itself, for completion in editors.

    One file, message_structure.schema.json, for authors of plants. Tested with valid and
    invalid plants against `check`.
    """
    return config_schema_files()


def config_schema_files() -> list[File]:
    """Return the same without a plant."""
    return [_file()]


@cache
def _file() -> File:
    """Return the one file: every plant has the same, and it takes a quarter of a second."""
    return json_file(NAME, document())


def document() -> dict[str, Any]:
    """Return the JSON Schema of the plant's YAML."""
    schema = schema_of(PlantConfig)
    types = schema["properties"]["message_types"]
    types["properties"] |= {key: _library_type(key, known) for key, known in library().items() if known.spellings}
    others = ", ".join(key for key, known in library().items() if not known.spellings)
    about = f"A machine type of one's own, or another one of the library: {others}."
    types["additionalProperties"] = {**schema_of(MachineEntry), "description": about}
    about = "A simulated plant: which machines there are, what they make, and how often they send messages."
    return {"$schema": DRAFT, "title": "message_structure.yaml", **schema, "description": about}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of a model of the YAML, without references."""
    made = model.model_json_schema(by_alias=True)
    schema: dict[str, Any] = _simplified(made, made.pop("$defs", {}))
    return schema


def _library_type(key: str, known: LibraryType) -> dict[str, Any]:
    """Return the schema of a type of the library, with the rules of its older keys as far as a schema can have them."""
    schema = schema_of(entry_model(known.spellings))
    title: str = known.entry.get("title", key)
    producing = [name for name, state in known.entry.get("states", {}).items() if state.get("produces")]
    if "statuses" in schema["properties"] and producing:
        schema["properties"]["statuses"]["contains"] = {"const": producing[0]}
    given = {each.form: each.key for each in known.spellings}
    if "cycle" in given and "period_share" in given:
        schema["allOf"] = [{"not": {"required": [given["cycle"], given["period_share"]]}}]
    return {**schema, "description": f"{title[:1].upper()}{title[1:]}s."}


def _simplified(schema: Any, parts: dict[str, Any]) -> Any:
    """Return pydantic's schema with references replaced by their parts, and without null and redundant titles."""
    if isinstance(schema, list):
        return [_simplified(each, parts) for each in schema]
    if not isinstance(schema, dict):
        return schema
    for step in (_resolved, _without_null, _pair):
        schema = step(schema, parts)
    return {key: _simplified(value, parts) for key, value in schema.items() if not _is_needless(key, value)}


def _resolved(schema: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """Replace a reference by its part; keywords beside the reference take precedence."""
    if "$ref" not in schema:
        return schema
    return {**parts[schema["$ref"].rpartition("/")[2]], **{key: schema[key] for key in schema if key != "$ref"}}


def _without_null(schema: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """Remove null: an optional key may be absent, but not empty."""
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) != 1:
        return {**schema, "anyOf": choices} if choices else schema
    return {**_resolved(choices[0], parts), **{key: schema[key] for key in schema if key != "anyOf"}}


def _pair(schema: dict[str, Any], _parts: dict[str, Any]) -> dict[str, Any]:
    """Express a range in draft-07: both ends obey the same rule."""
    if "prefixItems" not in schema:
        return schema
    return {**{key: schema[key] for key in schema if key != "prefixItems"}, "items": schema["prefixItems"][0]}


def _is_needless(key: str, value: object) -> bool:
    """Return whether it is a title that repeats the key, or the null default of a key without one."""
    return (key == "title" and isinstance(value, str)) or (key == "default" and value is None)
