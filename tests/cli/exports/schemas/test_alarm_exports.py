"""Exports describe the messages of alarms, and OEE does not count them."""

from __future__ import annotations

from functools import cache

import orjson
import pytest

from cli.exports.schemas.asyncapi import document
from cli.exports.schemas.json_schema import payload
from cli.exports.schemas.kql import kql
from cli.exports.schemas.kql_tables import columns
from messages import START, FactoryMessageGenerator
from plant.catalogue.catalogue import MessageKind, catalogue
from tests.support.exports.kusto import Database, Parser
from tests.support.exports.schemas import export_of
from tests.support.factory.odd_plants import odd_plant


@cache
def kinds() -> dict[str, MessageKind]:
    """The kinds of message of a plant with alarms, by key."""
    return {kind.key: kind for kind in catalogue(odd_plant("alarms"))}


def test_each_class_of_alarms_has_a_schema_of_its_own_alarms() -> None:
    """With their names, severities and limits, and the unit, null where there is none."""
    found = payload(kinds()["kiln.alarms-pressure"])["properties"]

    assert found["alarm"]["enum"] == ["pressure.hi", "pressure.hihi"]
    assert found["signal"]["enum"] == ["pressure"]
    assert found["event"]["enum"] == ["raised", "cleared"]
    assert found["severity"]["enum"] == ["info", "critical"]
    assert (found["limit"]["enum"], found["value"]["type"]) == ([110, 118], "integer")
    assert found["unit"]["type"] == ["string", "null"]


def test_asyncapi_has_a_channel_for_alarms_with_their_quality_of_service() -> None:
    """Their default is 1, whatever that of the run."""
    operations = document(export_of(odd_plant("alarms")))["operations"]
    bindings = {name.split(".", 1)[1]: each["bindings"]["mqtt"] for name, each in operations.items()}
    found = {name: (each["qos"], each["retain"]) for name, each in bindings.items() if "alarms" in name}

    assert {its for name, its in found.items() if name.endswith("alarms-pressure")} == {(0, True)}
    assert {its for name, its in found.items() if name.endswith("alarms")} == {(1, False)}


def test_alarms_have_a_table_in_kql() -> None:
    """With a column for each key."""
    database = Database(kql(export_of(odd_plant("alarms")))[0].text)

    assert {"FactoryKilnAlarms", "FactoryKilnAlarmsPressure", "FactoryGaugeAlarms"} <= {*database.tables}
    assert columns([kinds()["kiln.alarms"]]) | {"timestamp": "datetime", "value": "real"} == columns(
        [kinds()["kiln.alarms"]]
    )


def test_oee_in_kql_reads_no_table_of_alarms() -> None:
    """An alarm is no time in a state."""
    script, queries = (file.text for file in kql(export_of(odd_plant("alarms"))))
    functions = script.partition("FactoryMachineTypes()")[2]

    assert "Alarms" not in functions
    assert "Alarms" in queries


def test_active_alarms_are_those_whose_last_message_has_raised_them(parser: Parser) -> None:
    """Which is what the query says, in valid KQL."""
    config = odd_plant("alarms")
    plant = FactoryMessageGenerator.of(config, 1)
    messages = plant.advance(START + 1800)
    script, queries = (file.text for file in kql(export_of(config)))
    query = queries.rpartition("\n// ")[2].partition("\n")[2]
    [answer] = parser.parse((Database(script), query))
    last = {}
    for message in messages:
        if ".alarms" in message.kind:
            row = orjson.loads(message.payload)
            last[row["machine_id"], row["alarm"]] = row["event"]

    assert answer.errors == []
    assert {"machine_id", "alarm", "severity", "value"} <= answer.columns.keys()
    assert [*last.values()].count("raised") == sum(plant.snapshot().active_alarms.values()) > 0


@pytest.mark.parametrize("key", ["kiln.alarms", "gauge.alarms"])
def test_alarms_are_no_class_that_reports_jobs_or_states(key: str) -> None:
    """They have no period, and no trigger."""
    kind = kinds()[key]

    assert kind.reports_alarms
    assert (kind.period_seconds, kind.on_change, kind.reports_jobs) == (None, False, False)
