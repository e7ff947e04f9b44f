"""Facts about the JSON Schema of the plant's YAML: it explains every key, takes every plant, and refuses slips."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import fastjsonschema
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

import app
from cli.exports.schemas.config_schema import document
from fuzz.campaign import random_for
from fuzz.plantfiles import SHIPPED, mutated
from plant.definition.document import yaml_file
from plant.definition.plant_config import PlantConfigError, load_content, parse
from tests.support.examples import examples
from tests.support.exports import yamlread
from tests.support.factory.laser import entry
from tests.support.factory.plants import ROOT

SCHEMA = document()
PLANTS = [*SHIPPED, ROOT / "deploy" / "overlays" / "load-test" / "message_structure.yaml"]
CNC, PRINTER, TESTING = (("message_types", key) for key in ("cnc_machine", "printer_3d", "testing"))
CALENDAR = {"time_zone": "Europe/Berlin", "shifts": [{"start": "06:00", "end": "14:00"}]}
GONE = object()


@cache
def check() -> Callable[[Any], object]:
    """The schema as a function, which takes a second to make."""
    made: Callable[[Any], object] = fastjsonschema.compile(SCHEMA)
    return made


def as_json(value: object) -> Any:
    """YAML's data as an editor has it: keys and dates are text."""
    if isinstance(value, dict):
        return {str(key): as_json(each) for key, each in value.items()}
    if isinstance(value, list):
        return [as_json(each) for each in value]
    return str(value) if isinstance(value, date) else value


def obeys(data: object) -> bool:
    """Whether the schema takes it."""
    try:
        check()(as_json(data))
    except fastjsonschema.JsonSchemaValueException:
        return False
    return True


def valid(content: bytes) -> bool:
    """Whether `check` takes it."""
    try:
        load_content(content, "plant.yaml")
    except PlantConfigError:
        return False
    return True


def default(*place: str, value: object) -> dict[str, Any]:
    """The default plant with another value at a place, or without one."""
    data: dict[str, Any] = yamlread.value((ROOT / "message_structure.yaml").read_text("utf-8"))
    data["calendar"] = copy.deepcopy(CALENDAR)
    holder = data
    for step in place[:-1]:
        holder = holder.setdefault(step, {})
    if value is GONE:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    return data


def properties(schema: dict[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every key that the schema knows, wherever it is."""
    for name, each in schema.get("properties", {}).items():
        yield (*place, name), each
        yield from properties(each, (*place, name))
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), dict):
            yield from properties(schema[inner], (*place, inner))


def test_it_is_a_schema_of_draft_07_without_references() -> None:
    """Beside a reference, editors of draft-07 see no description; nor is `null` a value of any key."""
    Draft7Validator.check_schema(SCHEMA)

    text = orjson.dumps(SCHEMA).decode()
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert re.findall(r'\$ref|\$defs|prefixItems|"null"|:null', text) == []


@pytest.mark.parametrize(("place", "schema"), [*properties(SCHEMA)], ids=lambda value: ".".join(value)[:80])
def test_every_key_is_explained(place: tuple[str, ...], schema: dict[str, Any]) -> None:
    """It has a sentence, a type, and a number its bounds; a mapping takes no unknown keys, or names that users give."""
    assert re.fullmatch(r"[A-Z\[f3t].+\.", schema["description"])
    kinds = [schema, *schema.get("anyOf", ())]
    assert any("type" in each for each in kinds)
    for each in kinds:
        if each.get("type") in {"number", "integer"}:
            assert {"minimum", "exclusiveMinimum"} & {*each}
            assert "maximum" in each
        assert each.get("type") != "object" or each["additionalProperties"] is not True


@pytest.mark.parametrize("path", PLANTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_plant_that_comes_along_passes(path: Path) -> None:
    """The default one, the scenarios, the load test, and that of the original simulator."""
    Draft7Validator(SCHEMA).validate(as_json(yamlread.value(path.read_bytes())))


@pytest.mark.parametrize("path", [path for path in PLANTS if path.name != "original.yaml"], ids=lambda path: path.name)
def test_a_plant_that_comes_along_names_its_schema(path: Path) -> None:
    """In its first line, by a path from where it lies to the file in the top level."""
    first = path.read_text("utf-8").splitlines()[0]

    assert path.read_text("utf-8").count("yaml-language-server") == 1
    found = path.parent / first.removeprefix("# yaml-language-server: $schema=")
    assert found.resolve() == ROOT / "message_structure.schema.json"


@pytest.mark.parametrize(
    "slip",
    [
        default("golbal", value={}),
        default("message_types", value=GONE),
        default("global", "machine_counts", "cnc", value=2.5),
        default("global", "machine_counts", "cnc", value=-1),
        default("global", "base_interval", value=0),
        default("global", "target_rate", value=None),
        default("message_types", "laser", value={"staets": {}}),
        default("message_types", "laser", value={"part_types": ["A"]}),
        default("message_types", "laser", value={"job": {"results": {"good": "most"}}}),
        default("message_types", "laser", value={"states": {"idle": {"share": 1, "dwell": 5}}}),
        default(*CNC, "frequency_wieght", value=2),
        default(*CNC, "frequency_weight", value="2"),
        default(*CNC, "enabled", value="yes"),
        default(*CNC, "report_seconds", value=5),
        default(*CNC, "status_distribution", value={}),
        default(*CNC, "status_distribution", "idle", value="0.2"),
        default(*CNC, "statuses", value=["idle", "faulted"]),
        default(*CNC, "dwell_seconds", "idle", value=0.01),
        default(*CNC, "cycle_time_range", value=[10.0, 12.0, 15.0]),
        default(*CNC, "cycle_time_range", value=12.0),
        default(*CNC, "part_types", value=[]),
        default(*CNC, "part_types", value=["A", "B", "A"]),
        default(*CNC, "lines", value=[1.5]),
        default(*CNC, "station_pattern", value="LINE-{lane}"),
        default(*CNC, "topic", value="factory/#"),
        default(*CNC, "topic", value="/factory/cnc"),
        default(*CNC, "slow_cycle_share", value=3),
        default(*PRINTER, "progress_increment", value=0.05),
        default(*TESTING, "issues_range", value=[0, 5]),
        default("message_types", "dispatch", "carriers", value="SpaceX"),
        default("calendar", "time_zone", value="Europe/Berln"),
        default("calendar", "shifts", value=[{"start": "25:00", "end": "14:00"}]),
        default("calendar", "shifts", value=[{"start": "06:00"}]),
        default("calendar", "shifts", value=[{"start": "06:00", "end": "14:00", "days": ["Monday"]}]),
        default("calendar", "holidays", value=["24.12.2026"]),
        default("calendar", "maintenance", value=[{"weekday": "mon", "from": "2026-12-24"}]),
        default("flow", "initial_fill", value=50),
        default("flow", "buffers", "welding", value=0),
        default("flow", "parts", "cnc", value=2),
        default("flow", "assembles", "welding", value={"cnc_machine": "two"}),
        default("flow", value={"parts": {"cnc_machine": 2}, "processes": {"painting": "welding"}}),
    ],
    ids=range(41),
)
def test_a_slip_is_refused_by_the_schema_and_by_check(slip: dict[str, Any]) -> None:
    """Unknown keys, wrong types, numbers out of bounds or as text, missing parts, what excludes each other."""
    with pytest.raises(PlantConfigError):
        parse(slip)
    assert not obeys(slip)


@settings(max_examples=examples(10))
@given(seed=st.integers(0, 2**32))
def test_what_the_schema_refuses_check_refuses(seed: int) -> None:
    """In plants that editors and merges have changed, the schema marks nothing that could be used."""
    content = mutated(random_for(seed, 0))

    assert not valid(content) or obeys(yaml_file.decode(content).data)


def test_a_type_of_ones_own_is_in_the_schema() -> None:
    """Its entry is valid as `check` has it, and may extend another type, but has no keys of older files."""
    assert obeys(default("message_types", "laser", value=entry()))
    assert obeys(default("message_types", "mill", value={"extends": "cnc_machine", "count": 2}))
    assert not obeys(default("message_types", "mill", value={"quality_distribution": {"good": 1}}))


@pytest.mark.parametrize("content", [None, "global: 1\n"], ids=["without a plant", "with a wrong one"])
def test_the_command_needs_no_plant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    """It is the same for all of them, and there before the first one is right."""
    monkeypatch.chdir(tmp_path)
    if content:
        (tmp_path / "message_structure.yaml").write_text(content, encoding="utf-8")

    assert app.main(["export", "config-schema"], {}) == 0
    said = capsys.readouterr()
    assert said.out == (ROOT / "message_structure.schema.json").read_text("utf-8")
    assert said.err == ""
