"""OEE from exported KQL is the truth, where a type has several classes of messages, other keys or another time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from cli.exports.schemas.kql import MAPPING, kql
from cli.exports.schemas.kql_tables import identifier, table_names
from messages import START, FactoryMessageGenerator
from plant.catalogue.catalogue import catalogue
from plant.definition.plant_config import PlantConfig, parse
from plant.telemetry import MachineOee, Message
from tests.support.examples import cases
from tests.support.exports.kusto import INGESTED, Database, Parser, Row
from tests.support.exports.schemas import export_of
from tests.support.factory.odd_plants import ODD_PLANTS, odd_plant

HOUR = 3600
NAMES = ("availability", "performance", "quality", "oee")


@pytest.fixture(scope="module")
def pumps(parser: Parser) -> Hour:
    """The hour of the pumps, which have three classes of messages."""
    return Hour("classes", parser)


@pytest.fixture(scope="module")
def shown(pumps: Hour) -> dict[str, Row]:
    """The figures of each pump in that hour."""
    return {row["machine_id"]: row for row in pumps.ask(pumps.messages)}


def ingested(plant: PlantConfig, made: Database, messages: Iterable[Message]) -> dict[str, list[Row]]:
    """The rows of each table, by its mapping: null is empty text, times are in milliseconds."""
    tables = table_names(catalogue(plant))
    rows: dict[str, list[Row]] = {name: [] for name in made.tables}
    paths = {
        name: {each["column"]: each["Properties"]["Path"] for each in made.mappings[name + MAPPING]}
        for name in tables.values()
    }
    kinds = {
        name: dict(line.strip(" ,").split(": ") for line in made.tables[name].splitlines()[1:-1])
        for name in tables.values()
    }
    for message in messages:
        table = tables[message.kind]
        payload = orjson.loads(message.payload)
        found = {name: _value(payload, path) for name, path in paths[table].items()}
        row = {name: _typed(value, kinds[table][identifier(name)]) for name, value in found.items()}
        rows[table].append(row | {INGESTED: float(message.time_ms)})
    return rows


def _value(message: Mapping[str, Any], path: str) -> Any:
    found: Any = message
    for key in path.removeprefix("$.").split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _typed(value: Any, column: str) -> Any:
    if value is None:
        return "" if column == "string" else None
    return datetime.fromisoformat(value).timestamp() * 1000 if column == "datetime" else value


class Hour:
    """An hour of a plant: its messages, the truth of each machine, and what the exported functions make of them."""

    def __init__(self, plant: str | PlantConfig, parser: Parser, hours: int = 1) -> None:
        self.plant = odd_plant(plant) if isinstance(plant, str) else plant
        generator = FactoryMessageGenerator.of(self.plant, 1)
        self._until = START + hours * HOUR
        self.messages = generator.advance(self._until)
        self.truth: dict[str, MachineOee] = {each.machine_id: each for each in generator.oee()}
        self.made, self._parser = Database(kql(export_of(self.plant))[0].text), parser

    def ask(self, messages: Iterable[Message], call: str = "FactoryOeeByMachine", span: str = "1h") -> list[Row]:
        """The rows that a function gives for the hour."""
        since, until = (datetime.fromtimestamp(each, UTC).isoformat()[:19] for each in (START, self._until))
        query = f"{call}(datetime({since}), datetime({until}), {span})"
        return self._parser.run(query, self.made, ingested(self.plant, self.made, messages))


def test_the_parser_finds_no_mistake_in_queries(parser: Parser) -> None:
    """In none over tables of their own; the functions are parsed wherever they are run."""
    queries = kql(export_of(odd_plant("measuring")))[1]
    made = Database(kql(export_of(odd_plant("measuring")))[0].text)
    texts = queries.text.split("\n\n")[1:]

    answers = parser.parse(*((made, text) for text in texts))

    assert {text: answer.errors for text, answer in zip(texts, answers, strict=True) if answer.errors} == {}


@pytest.mark.parametrize("name", ODD_PLANTS)
def test_no_empty_line_ends_the_script(name: str) -> None:
    """It runs as a whole in the editors of both services."""
    assert "\n\n" not in kql(export_of(odd_plant(name)))[0].text.strip()


TOO_HIGH = {"mill": ("performance", "oee")}
"""Figures of types in which stops scrap jobs, and no message reports for how long these were worked on: each counts as
a whole one (docs/states.md)."""


@pytest.mark.parametrize("name", cases(sorted(ODD_PLANTS), 4))
def test_an_hour_by_query_is_the_truth_of_that_hour(name: str, parser: Parser) -> None:
    """Jobs and good jobs to the last one or two at the ends, every figure within two points."""
    hour = Hour(name, parser)
    shown = {row["machine_id"]: row for row in hour.ask(hour.messages)}
    seen = {key: each for key, each in hour.truth.items() if each.kind != "bare"}

    assert shown.keys() == seen.keys()
    for machine_id, truth in seen.items():
        row = shown[machine_id]
        assert 0 <= truth.jobs - row["jobs"] <= 1
        assert 0 <= truth.good - row["good"] <= 1
        too_high = TOO_HIGH.get(truth.kind, ()) if name == "ordered" else ()
        figures = {each: getattr(truth, each) for each in NAMES if each not in too_high}
        assert all(row[each] > getattr(truth, each) - 0.02 for each in too_high)
        assert {each: row[each] for each in figures} == pytest.approx(figures, abs=0.02)


SCRAPPING: dict[str, Any] = {
    "count": 3,
    "report_seconds": 10,
    "states": {
        "running": {"share": 0.8, "dwell_seconds": 90, "produces": True},
        "jam": {"share": 0.2, "dwell_seconds": 20},
    },
    "job": {
        "cycle_seconds": [20, 60],
        "kinds": {"small": 1, "large": {"weight": 1, "cycle_seconds": [60, 100]}},
        "results": {"good": 1, "torn": 0},
        "on_stop": {"jam": "torn"},
    },
}


@pytest.mark.parametrize("kinds", [{"small": 1}, SCRAPPING["job"]["kinds"]], ids=["one cycle", "cycles by kind"])
def test_a_job_that_a_stop_scraps_counts_for_the_work_that_was_done(kinds: dict[str, Any], parser: Parser) -> None:
    """Every third job here; as whole ones they would raise performance by more than 5 points."""
    plant = parse({"message_types": {"press": SCRAPPING | {"job": SCRAPPING["job"] | {"kinds": kinds}}}})
    hour = Hour(plant, parser, hours=6)
    [by_type] = hour.ask(hour.messages, "FactoryOeeByType", "6h")
    ideal, producing = (sum(getattr(each, name) for each in hour.truth.values()) for name in SUMS)

    for row in hour.ask(hour.messages, span="6h"):
        truth = hour.truth[row["machine_id"]]
        whole = sum(truth.results.values()) * truth.ideal_cycle_seconds / truth.producing_seconds
        assert truth.results["torn"] > truth.jobs / 5
        assert row["performance"] == pytest.approx(truth.performance, abs=0.03)
        assert len(kinds) > 1 or whole > row["performance"] + 0.05
    assert by_type["performance"] == pytest.approx(ideal / producing, abs=0.02)


SUMS = ("ideal_seconds", "producing_seconds")


def test_states_that_are_reported_at_their_changes_are_exact(pumps: Hour, shown: dict[str, Row]) -> None:
    """Time between changes is measured and not counted: availability to a tenth of a point, in both halves together."""
    halves: dict[str, float] = defaultdict(float)
    for row in pumps.ask(pumps.messages, span="30m"):
        halves[row["machine_id"]] += row["planned_seconds"]

    for machine_id, truth in pumps.truth.items():
        assert shown[machine_id]["availability"] == pytest.approx(truth.availability, abs=0.001)
        assert halves[machine_id] == pytest.approx(truth.planned_seconds, abs=2)


def test_messages_that_come_twice_count_once(pumps: Hour, shown: dict[str, Row]) -> None:
    """At-least-once delivery changes no figure, whichever class comes again."""
    again = pumps.ask([*pumps.messages, *pumps.messages[::3]])

    assert {row["machine_id"]: row for row in again} == shown


def test_planned_states_of_a_type_are_no_planned_time(pumps: Hour, shown: dict[str, Row]) -> None:
    """Service is planned for the pumps: the time of it is not in the planned time."""
    serviced = [each for each in pumps.truth.values() if each.stopped_seconds.get("service")]

    assert serviced
    for each in serviced:
        assert shown[each.machine_id]["planned_seconds"] == pytest.approx(each.planned_seconds, abs=2)
