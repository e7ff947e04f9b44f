"""Facts about the catalogue of messages and the schemas made from it: what the plant says is what they say."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft7Validator

from cli.exports.schemas.json_schema import delta, payload, schema
from messages import START, FactoryMessageGenerator
from plant.catalogue.catalogue import MessageKind, catalogue
from plant.catalogue.field_specs import MachineTypeContext, field_of
from plant.definition.machine_types.field_sources import Field, FieldSource
from plant.definition.plant_config import PlantConfig, load, parse
from tests.support.examples import THOROUGH, examples
from tests.support.exports import yamlread
from tests.support.exports.schemas import Refused, checks, contents, export_of, fields_of, refused, values
from tests.support.factory.acted_on import PLANTS, played, press, random_log, read
from tests.support.factory.anyplants import CALENDAR, plants
from tests.support.factory.flows import ONE_EACH, plant_data
from tests.support.factory.odd_plants import ODD_PLANTS
from tests.support.factory.plants import ROOT, Row, config, default, original, rows, said

SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))
FILES = [ROOT / "message_structure.yaml", ROOT / "tests" / "data" / "original.yaml", *SCENARIOS]

FIELDS = {
    "cnc_machine": "part_type part_id? cycle_time?:number quality? current_part_id",
    "printer_3d": "part_type part_id? progress:number quality? current_part_id",
    "welding": "assembly_id? assembly_type last_cycle_time?:number quality? current_assembly_id",
    "painting": "part_id? color cycle_time?:number quality? current_part_id",
    "testing": "target_id? target_type test_result? issues_found:integer current_target_id",
    "customer_order": "event_type order_id items:array",
    "dispatch": "event_type order_id destination carrier",
    "oee": "machine_id machine_type planned_seconds:number producing_seconds:number ideal_cycle_seconds:number"
    " jobs:integer good:integer availability?:number performance?:number quality?:number oee?:number",
}
"""The contract with consumers: keys in their order, `?` where null may come, and the type where it is not text."""

SCARCE = {
    "buffers": {"cnc_machine": 1, "printer_3d": 1, "welding": 1, "painting": 1, "testing": 24},
    "initial_fill": 1.0,
}
"""A line with so little room behind each station that all of them have to wait."""


def eventful(**extras: Any) -> PlantConfig:
    """A plant in which everything there is to say is said within an hour."""
    brisk = {key: brisk_states(key) | {"lines": [7], "stations": [1]} for key in ONE_EACH}
    events: dict[str, dict[str, Any]] = {
        "customer_order": {"orders_per_hour": 60.0, "quantity_ranges": {}},
        "dispatch": {"dispatches_per_hour": 60.0},
    }
    data = plant_data(ONE_EACH, None, brisk, events)
    data["message_types"]["oee"] = {"enabled": True, "report_seconds": 300.0}
    return parse(data | extras)


def brisk_states(key: str) -> dict[str, Any]:
    """Values by which a type of machine is in each of its states as often, and never for long."""
    states = default()["message_types"][key]["status_distribution"]
    return {"status_distribution": dict.fromkeys(states, 1.0), "dwell_seconds": dict.fromkeys(states, 10.0)}


def kind_of(plant: PlantConfig, key: str) -> MessageKind:
    """One kind of a plant's catalogue."""
    return next(kind for kind in catalogue(plant) if kind.key == key)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_message_of_a_plant_is_as_its_schema_says(path: Any) -> None:
    """Of the default plant, the original's, and each scenario: of an hour, in haste of a quarter of it."""
    plant = load(path)

    assert list(refused(checks(plant), said(plant, 3600 if THOROUGH else 900))) == []


@settings(max_examples=examples(12), deadline=None)
@given(plants())
def test_every_message_of_any_plant_is_as_its_schema_says(plant: PlantConfig) -> None:
    """Whatever its names, states, weights, and whether there are a calendar, a flow or reports."""
    told = said(plant, 240)

    assert list(refused(checks(plant), told)) == []
    assert {message.kind for message in told} == {kind.key for kind in catalogue(plant)}


@pytest.mark.parametrize("extras", [{}, {"calendar": CALENDAR, "flow": SCARCE}], ids=["plain", "line"])
def test_every_value_that_a_schema_lists_comes(extras: dict[str, Any]) -> None:
    """No state, result, kind, station, product or destination is named that is never said, and null where it may be."""
    plant = eventful(**extras)
    generator = FactoryMessageGenerator.of(plant, 1)
    messages = generator.advance(generator.start + 7200)
    for machine in generator.machines():
        generator.execute({"command": "stop", "machine_id": machine.machine_id})
    told = values([*messages, *generator.advance(generator.now + 300)])
    listed = {(kind.key, field.name): field for kind in catalogue(plant) for field in fields_of(kind) if field.enum}

    never = {place: {*field.enum} - told[place] for place, field in listed.items()}
    assert {place: names for place, names in never.items() if names} == {}
    assert {place for place, field in listed.items() if field.nullable != (None in told[place])} == set()


@pytest.mark.parametrize("name", [*PLANTS, *ODD_PLANTS])
def test_messages_of_a_plant_that_gets_commands_are_as_its_schema_says(name: str) -> None:
    """Stopped machines report `stopped`, and a state may be set that no machine enters by itself."""
    data = {**PLANTS, **ODD_PLANTS}[name]
    log = [each for each in random_log(3, 60, 240, data, 0) if each[1]["command"] not in ("scale", "rate")]
    heard = played(read(data), log, 240)

    assert list(refused(checks(read(data)), heard.messages)) == []
    assert any(b'"stopped"' in each.payload for each in heard.messages) or name in UNTOLD


UNTOLD = ("measuring",)
"""Plants in which no message reports a state of a machine that was stopped."""


def test_a_state_that_only_a_command_sets_is_in_the_schema() -> None:
    """Its share is 0, so no machine enters it by itself."""
    data = press(faults=None, sensor_faults=None, wear=None, messages=None)
    data["message_types"]["press"]["states"] |= {"faulted": {"share": 0, "dwell_seconds": 15}}
    heard = played(read(data), [(round(START * 1000) + 60_000, SET_STATE)], 300)

    assert any(b'"faulted"' in each.payload for each in heard.messages)
    assert list(refused(checks(read(data)), heard.messages)) == []


SET_STATE = {"command": "set_state", "machine_id": "PRESS-01", "state": "faulted", "seconds": 60}


def test_the_fields_are_those_that_consumers_know() -> None:
    """Names, order, types and where null may come: whoever changes one breaks a consumer."""
    data = default()
    data["message_types"]["oee"] = {"enabled": True}

    for kind in catalogue(parse(data)):
        said_first = ["timestamp"] + ["machine_id", "station_id", "status"] * bool(kind.machines)
        marks = [f"{f.name}{'?' * f.nullable}" + f":{f.json_type}" * (f.json_type != "string") for f in kind.fields]
        assert marks == [*said_first, *FIELDS[kind.key].split()]


def one_of_each() -> dict[str, Row]:
    """A row of each kind, one that reports a job where there are jobs."""
    told = said(eventful(), 900)
    return {message.kind: row for message, row in zip(told, rows(told), strict=True) if _reports(row)}


def _reports(row: Row) -> bool:
    return row.get("quality", row.get("test_result", row.get("event_type"))) is not None


@pytest.mark.parametrize("key", FIELDS)
def test_a_row_with_a_field_more_or_less_or_of_another_type_is_refused(key: str) -> None:
    """For each field of each kind: left out, renamed, or with a value of another type; and one that is new."""
    check, row = checks(eventful())[key], one_of_each()[key]
    check(row)
    for name, value in row.items():
        left = {other: each for other, each in row.items() if other != name}
        for changed in (left, left | {f"{name}_": value}, row | {name: {}}, row | {name: True}):
            with pytest.raises(Refused):
                check(changed)
    with pytest.raises(Refused):
        check(row | {"speed": 1.0})


@pytest.mark.parametrize("key", FIELDS)
def test_a_value_that_the_plant_does_not_know_is_refused(key: str) -> None:
    """Text that is no state, result, kind, id or time of it, numbers below their least."""
    check, row = checks(eventful())[key], one_of_each()[key]
    for name, value in row.items():
        wrong: Any = "nonsense" if isinstance(value, str) else -1
        with pytest.raises(Refused):
            check(row | {name: wrong})


@pytest.mark.parametrize(
    "fields",
    [
        {"shift": FieldSource.STATION},
        {"quality": FieldSource.JOB_KIND},
        {"machine_id": FieldSource.STATION},
        {"part_id": FieldSource.MACHINE_ID},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_plant_that_says_something_else_than_its_schemas_is_found_out(
    fields: dict[str, FieldSource],
) -> None:
    """A type is changed after the schemas were made, as by a new release: rows no longer pass."""
    plant = config()
    check = checks(plant)
    machines = dict(plant.message_types.machines)
    cnc = machines["cnc_machine"]
    changed = {field.name: field for field in cnc.main.fields}
    changed |= {key: Field(key, source) for key, source in fields.items()}
    main = dataclasses.replace(cnc.main, fields=[*changed.values()])
    machines["cnc_machine"] = dataclasses.replace(cnc, messages=[main])
    other = plant.model_copy(update={"message_types": plant.message_types.model_copy(update={"machines": machines})})

    assert {payload[:80] for payload, _ in refused(check, said(other, 60))}


def test_every_field_source_is_specified() -> None:
    """Whatever a machine type can report has a type, bounds and a meaning."""
    context = MachineTypeContext(config().machines()[0][1], 1, config())
    details = {FieldSource.TIMESTAMP: "epoch_s"}
    sources = (
        Field("key", source, detail=details.get(source, "1"))
        for source in FieldSource
        if source is not FieldSource.SIGNAL
    )

    assert all(field_of(field, context).description for field in sources)


def test_every_schema_is_a_schema_of_draft_07() -> None:
    """Of each kind, with a sentence on each key, and the unit where there is one."""
    for name, content in contents(schema(export_of(eventful()))).items():
        if not name.endswith(".delta.json"):
            Draft7Validator.check_schema(content)
            assert content["$schema"] == "http://json-schema.org/draft-07/schema#"
            assert all(each["description"] for each in content["properties"].values())


def test_seconds_say_that_they_are_seconds() -> None:
    """In a word for programs and in the sentence for people."""
    cycle = payload(kind_of(config(), "cnc_machine"))["properties"]["cycle_time"]

    assert cycle["x-unit"] == "s"
    assert cycle["description"].endswith("In s.")
    assert cycle["minimum"] == 10.0


def test_a_status_that_is_imposed_is_listed_where_it_can_come() -> None:
    """planned_stop with a calendar, blocked with a flow, starved where material is taken, stopped everywhere."""
    line = eventful(flow={}, calendar=CALENDAR)
    statuses = {kind.key: kind.fields[3].enum for kind in catalogue(line) if kind.machines}

    assert statuses["cnc_machine"][-3:] == ("planned_stop", "blocked", "stopped")
    assert statuses["welding"][-4:] == ("planned_stop", "blocked", "starved", "stopped")
    assert {"planned_stop", "blocked", "starved"}.isdisjoint(kind_of(config(), "welding").fields[3].enum)


def test_where_pieces_flow_rows_say_what_went_in() -> None:
    """consumed_ids at the end of a machine's row, unit_ids at the end of a dispatch's."""
    line = eventful(flow={})
    last = {kind.key: kind.fields[-1].name for kind in catalogue(line)}

    assert [last[key] for key in ("welding", "painting", "testing")] == ["consumed_ids"] * 3
    assert (last["cnc_machine"], last["dispatch"]) == ("current_part_id", "unit_ids")


def test_silent_types_are_not_in_the_catalogue() -> None:
    """Switched off, of weight 0, without machines, without a rate; and no dispatch is without an order."""
    silent: dict[str, Any] = {
        "welding": {"enabled": False},
        "painting": {"frequency_weight": 0},
        "customer_order": {"enabled": False},
    }
    keys = [kind.key for kind in catalogue(config({"testing": 0}, **silent))]

    assert keys == ["cnc_machine", "printer_3d"]


def test_a_kind_knows_its_machines_and_their_tempo() -> None:
    """Ids and stations as rows have them, the period, and the shortest cycle as the truth has it."""
    plant = original()
    told = said(plant, 120)

    for kind in (kind for kind in catalogue(plant) if kind.machines):
        spoken = {(message.source, message.station) for message in told if message.kind == kind.key}
        assert {machine[:2] for machine in kind.machines} == spoken
    reports = {figures.kind: figures for figures in FactoryMessageGenerator.of(plant, 1).oee()}
    known = {kind.key: (kind.ideal_cycle_seconds, kind.producing_state) for kind in catalogue(plant) if kind.machines}
    assert known == {key: (each.ideal_cycle_seconds, each.producing_state) for key, each in reports.items()}


def test_kinds_that_are_retained_are_those_that_the_plant_says_so_of() -> None:
    """The catalogue and the sender agree of which kinds the broker keeps the last message."""
    plant = FactoryMessageGenerator.of(eventful())

    assert {kind.key for kind in catalogue(eventful()) if kind.retained} == plant.retained_kinds


def test_the_tables_have_the_columns_of_the_rows() -> None:
    """The Delta form: the same keys in the same order, a type that holds each value, null everywhere."""
    takes = {"string": str, "double": int | float, "long": int, "timestamp": str}
    for kind in catalogue(eventful(flow={})):
        content = delta(kind)
        columns = content["properties"]["fields"]
        assert (content["$schema"], content["type"], content["properties"]["type"]) == ("Delta/1.0", "object", "struct")
        assert [column["name"] for column in columns] == [field.name for field in kind.fields]
        assert all(column["nullable"] and column["metadata"] == {} for column in columns)
    for key, row in one_of_each().items():
        for column in delta(kind_of(eventful(), key))["properties"]["fields"]:
            value, kind_of_column = row[column["name"]], column["type"]
            held = list if isinstance(kind_of_column, dict) else takes[kind_of_column]
            assert value is None or isinstance(value, held)


def test_lists_are_columns_too() -> None:
    """Of text, or of structs, as the Delta protocol writes them."""
    line = eventful(flow={})
    items = delta(kind_of(line, "customer_order"))["properties"]["fields"][-1]["type"]
    consumed = delta(kind_of(line, "welding"))["properties"]["fields"][-1]["type"]

    assert consumed == {"type": "array", "elementType": "string", "containsNull": True}
    assert [each["type"] for each in items["elementType"]["fields"]] == ["string", "long"]


def test_a_plant_from_a_file_needs_nothing_else() -> None:
    """Every plant that comes with the project has a catalogue whose every kind has both forms."""
    for path in FILES:
        plant = parse(yamlread.value(path.read_text("utf-8")))
        assert len(schema(export_of(plant))) == 2 * len(catalogue(plant)) > 0
