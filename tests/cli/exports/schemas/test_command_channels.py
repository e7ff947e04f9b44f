"""Facts about commands in the AsyncAPI export: described where they are on, and nothing where they are off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import fastjsonschema
from jsonschema import Draft7Validator

from cli.exports.schemas.asyncapi import document
from plant.definition.plant_config import load
from tests.support.exports.asyncapi import DOCUMENT, references, resolved
from tests.support.exports.schemas import export_of
from tests.support.factory.plants import ROOT

EXPORT = export_of(load(ROOT / "message_structure.yaml"))
ON = replace(EXPORT, commands="plant/{machine_id}/do")


def accepts(schema: Any, value: object) -> bool:
    """Whether a value passes a schema."""
    try:
        fastjsonschema.validate(schema, value)
    except fastjsonschema.JsonSchemaValueException:
        return False
    return True


def test_off_nothing_is_received() -> None:
    """Every operation is a `send`."""
    assert {each["action"] for each in document(EXPORT)["operations"].values()} == {"send"}


def test_on_the_document_is_valid_and_each_reference_leads_somewhere() -> None:
    """With the parameters that the topic has, and a reply."""
    found = document(ON)
    assert [error.message for error in Draft7Validator(DOCUMENT).iter_errors(found)] == []

    assert all(resolved(found, reference) for reference in references(found) if reference.startswith("#/c"))
    assert found["channels"]["command-requests"]["address"] == "plant/{machine_id}/do"
    assert [*found["channels"]["command-requests"]["parameters"]] == ["machine_id"]
    assert found["operations"]["command-requests"]["action"] == "receive"
    assert found["channels"]["command-answers"]["address"] is None


def test_the_payload_is_a_command_as_it_is_taken() -> None:
    """The machine may be left out; unknown keys and values out of range are refused."""
    schema = document(ON)["components"]["messages"]["command"]["payload"]

    assert accepts(schema, {"command": "stop"})
    assert accepts(schema, {"command": "inject", "fault": "tool_breakage", "command_id": 3, "reason": "drill"})
    assert not accepts(schema, {"command": "stop", "force": True})
    assert not accepts(schema, {"command": "reload", "content": ""})
    assert not accepts(schema, {"command": "inject", "fault": "x", "severity": 99})
