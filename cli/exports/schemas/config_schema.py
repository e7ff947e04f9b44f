"""JSON Schema of the plant's YAML, made from its models: for editors, which complete, explain and check by it.

Draft-07, as it is the newest that all of them take: yaml-language-server has read later drafts since 2026 only. There
the keywords beside a `$ref` do not count, so nothing is referred to. It refuses nothing that `check` takes; rules that
a schema cannot say are left to `check`.
"""

from __future__ import annotations

from typing import Any, Final

from cli.exports.common.export import Export, File, json_file
from cli.exports.schemas.json_schema import DRAFT
from plant.definition.plant_config import PlantConfig

NAME: Final = "message_structure.schema.json"


def config_schema(_export: Export) -> list[File]:
    """JSON Schema (draft-07) of message_structure.yaml itself, for completion in editors."""
    return files_of_program()


def files_of_program() -> list[File]:
    """Give the same, which no plant has to be there for."""
    return [json_file(NAME, document())]


def document() -> dict[str, Any]:
    """The JSON Schema of the plant's YAML."""
    made = PlantConfig.model_json_schema(by_alias=True)
    schema: dict[str, Any] = _simplified(made, made.pop("$defs"))
    about = "A simulated plant: which machines there are, what they make, and how often they send messages."
    return {"$schema": DRAFT, "title": "message_structure.yaml", **schema, "description": about}


def _simplified(schema: Any, parts: dict[str, Any]) -> Any:
    """What pydantic has made, with parts in place of references, without what no YAML has and nobody needs to read."""
    if isinstance(schema, list):
        return [_simplified(each, parts) for each in schema]
    if not isinstance(schema, dict):
        return schema
    for step in (_resolved, _without_null, _pair):
        schema = step(schema, parts)
    return {key: _simplified(value, parts) for key, value in schema.items() if not _is_needless(key, value)}


def _resolved(schema: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """The part that is referred to; what stands beside the reference goes before."""
    if "$ref" not in schema:
        return schema
    return {**parts[schema["$ref"].rpartition("/")[2]], **{key: schema[key] for key in schema if key != "$ref"}}


def _without_null(schema: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """A key that may be left out must not be empty."""
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) != 1:
        return {**schema, "anyOf": choices} if choices else schema
    return {**_resolved(choices[0], parts), **{key: schema[key] for key in schema if key != "anyOf"}}


def _pair(schema: dict[str, Any], _parts: dict[str, Any]) -> dict[str, Any]:
    """A range in the words of draft-07: both ends obey the same rule."""
    if "prefixItems" not in schema:
        return schema
    return {**{key: schema[key] for key in schema if key != "prefixItems"}, "items": schema["prefixItems"][0]}


def _is_needless(key: str, value: object) -> bool:
    """Whether it is a title that only repeats the key, or the default of a key that has none."""
    return (key == "title" and isinstance(value, str)) or (key == "default" and value is None)
