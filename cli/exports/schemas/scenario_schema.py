"""JSON Schema of scenario files, generated from their models, by which editors complete, explain and check."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from cli.exports.common.export import Export, File, json_file
from cli.exports.schemas.config_schema import schema_of
from cli.exports.schemas.json_schema import DRAFT
from cli.scenario.definition.models import ScenarioFile

NAME: Final = "scenario.schema.json"
_ABOUT: Final = "A scenario: what is done to a simulated plant, and what is expected of it."


def scenario_schema(_export: Export) -> list[File]:
    """JSON Schema (draft-07) of scenario files, for completion in editors.

    One file, scenario.schema.json, for authors of scenarios. Tested with valid and invalid files against `scenario`.
    """
    return scenario_schema_files()


@cache
def scenario_schema_files() -> list[File]:
    """Return the same without a plant."""
    return [json_file(NAME, document())]


def document() -> dict[str, Any]:
    """Return the JSON Schema of scenario files."""
    return {"$schema": DRAFT, "title": "scenario", **schema_of(ScenarioFile), "description": _ABOUT}
