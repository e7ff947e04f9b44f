"""Facts about the exported KQL, by Microsoft's parser and by running it over the rows of a plant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from cli.exports.common.export import Export, TopicIndex
from cli.exports.schemas.kql import MAPPING, TABLE, columns, identifier, kql, literal, tables_of
from cli.exports.schemas.kql_words import RESERVED
from cli.verify.comparison import Figures, Severity, compare
from cli.verify.counts.message_counts import MessageCounts
from cli.verify.input.ground_truth import GroundTruth
from messages import START
from plant.catalogue.catalogue import FieldSpec, MessageKind, catalogue
from plant.definition import plant_config as plants
from plant.definition.plant_config import PlantConfig
from plant.telemetry import Message
from tests.cli.verify.test_verify import counted as counts_of
from tests.cli.verify.test_verify import record
from tests.support.exports.kusto import PARSER, Database, Parser, Row
from tests.support.factory.plants import COUNTED, config, default, only, original, said

HOUR = 3600

KEYWORDS = re.compile(r'SyntaxKind\.\w+, "([A-Za-z_]\w*)"')
"""Words of the language, as its parser is written."""


def export_of(plant: PlantConfig) -> Export:
    """What a plant exports."""
    kinds = catalogue(plant)
    return Export(kinds, TopicIndex(kinds, "factory"))


def database(plant: PlantConfig) -> Database:
    """What the exported script makes."""
    return Database(kql(export_of(plant))[0].text)


def reporting() -> PlantConfig:
    """The default plant, which also reports its OEE."""
    data = default()
    data["message_types"]["oee"] = {"enabled": True}
    return plants.parse(data)


def ingested(messages: Iterable[Message], into: Database) -> list[Row]:
    """The rows of the table, by its mapping and its types: null is empty text, times are in milliseconds."""
    paths = {each["column"]: each["Properties"]["Path"].removeprefix("$.") for each in into.mappings[TABLE + MAPPING]}
    empty = {name: "" if f" {name}: string" in into.tables[TABLE] else None for name in paths}
    return [_row(orjson.loads(message.payload), paths, empty) for message in messages]


def _row(payload: dict[str, Any], paths: Mapping[str, str], empty: Mapping[str, str | None]) -> Row:
    row = {name: empty[name] if (value := payload.get(path)) is None else value for name, path in paths.items()}
    return row | {"timestamp": datetime.fromisoformat(payload["timestamp"]).timestamp() * 1000}


class Oee:
    """Asks the exported functions about messages."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser

    def __call__(self, made: Database, messages: Iterable[Message], call: str = "FactoryOeeByMachine") -> list[Row]:
        """What a function says of the first hour."""
        since, until = (datetime.fromtimestamp(each, UTC).isoformat()[:19] for each in (START, START + HOUR))
        query = f"{call}(datetime({since}), datetime({until}))"
        return self._parser.run(query, made, {TABLE: ingested(messages, made)})


@pytest.fixture
def oee(parser: Parser) -> Oee:
    """What the functions say."""
    return Oee(parser)


# what it says


@pytest.mark.parametrize("plant", [config(), original(), reporting()], ids=["default", "original", "reports"])
def test_mappings_fill_every_column_from_its_key(plant: PlantConfig) -> None:
    """Every field of every kind is a column of its table, and the mapping names these and no others."""
    made, tables = database(plant), tables_of(catalogue(plant))

    assert tables.keys() == made.tables.keys()
    for table, kinds in tables.items():
        fields = {field.name for kind in kinds for field in kind.fields}
        mapping = {each["column"]: each["Properties"]["Path"] for each in made.mappings[table + MAPPING]}
        assert mapping == {name: f"$.{name}" for name in fields}
        assert fields == {line.split(":")[0].strip() for line in made.tables[table].splitlines()[1:-1]}


def test_a_key_of_two_types_is_dynamic() -> None:
    """What kinds disagree on can hold both."""
    kinds = [
        MessageKind(each, each, each, each, (FieldSpec("size", each, "A size."),), (each,))
        for each in ("string", "number")
    ]

    assert columns(kinds) == {"size": "dynamic"}


def test_the_nameplate_is_that_of_the_plant() -> None:
    """Ideal cycles, periods and producing states come from the YAML; short jobs are said in extra rows."""
    usual, has_additional_messages = (database(each).functions[0][2] for each in (config(), original()))

    assert '"testing", "testing", 10.0, 20.0, false' in usual
    assert '"painting", "running", 3.3333333333333335, 4.0, false' in usual
    assert "true" in has_additional_messages


def test_a_plant_without_machines_has_a_table_alone() -> None:
    """Orders have no OEE."""
    script, queries = kql(export_of(config(dict.fromkeys(COUNTED, 0))))

    assert "order_id: string" in script.text
    assert ".create-or-alter function" not in script.text
    assert "Oee" not in queries.text


# by Microsoft's parser


def test_a_column_may_have_any_name(parser: Parser) -> None:
    """Also that of a word of the language, which is quoted: those that the parser knows, and more."""
    made, words = Database(""), sorted({*KEYWORDS.findall(PARSER.read_text("utf-8")), *RESERVED, "x y", "9", "ä", "-"})
    queries = [f"datatable({name}: string) [] | project a = {name}, {name}" for name in map(identifier, words)]
    answers = parser.parse(*((made, query) for query in queries))

    assert len(words) > 200
    assert {word: answer.errors for word, answer in zip(words, answers, strict=True) if answer.errors} == {}


def test_commands_and_queries_are_right(parser: Parser) -> None:
    """No mistake in any command, function or query: all names are known, all types go together."""
    script, queries = kql(export_of(reporting()))
    made = Database(script.text)
    texts = [*made.commands[1:], *queries.text.split("\n\n")[1:]]

    answers = parser.parse(*((made, text) for text in texts))

    assert {text: answer.errors for text, answer in zip(texts, answers, strict=True) if answer.errors} == {}
    assert len(texts) == 9 + 7


def test_the_script_runs_as_a_whole(parser: Parser) -> None:
    """It is one command of commands, without an empty line that would end it in an editor."""
    script = kql(export_of(reporting()))[0].text

    [answer] = parser.parse((Database(script), script))

    assert answer.errors == []
    assert "\n\n" not in script.strip()


def test_a_mistake_is_found(parser: Parser) -> None:
    """A wrong name in a function, a wrong type in a query: the parser is one that can say no."""
    made = database(config())
    [rows] = [each for each in made.commands if "lookup kind=inner" in each]
    wrong = rows.replace("not(extra_rows", "not(extra_row")

    named, typed = parser.parse((made, wrong), (made, f"{TABLE} | extend twice = not(quality)"))

    assert "The name 'extra_row' does not refer to any known column" in named.errors[0]
    assert typed.errors


@pytest.mark.parametrize("plant", [config(), only("testing", 1)], ids=["all types", "one type"])
def test_figures_come_out_as_columns(plant: PlantConfig, parser: Parser) -> None:
    """What dashboards take from the functions, with its types; of whatever plant."""
    made = database(plant)

    [answer] = parser.parse((made, "FactoryOeeByType(ago(1d), now())"))

    assert answer.errors == []
    assert answer.columns == {
        "machine_type": "string", "begins": "datetime", "machines": "long",
        "planned": "long", "producing": "long", "jobs": "long", "good": "long",
        "availability": "real", "performance": "real", "quality": "real", "oee": "real",
    }  # fmt: skip


def test_any_text_can_stand_in_a_literal_and_in_a_name(parser: Parser) -> None:
    """Quotes, backslashes, controls and braces end nothing: a parser reads one literal, one column, and no more."""
    odd = ['a"b', "a'b", "a\\b", "a\nb", "```", "a'] | count", "${x} // no", "größe \U0001f600", "\x7f\x00", "by"]
    literals = [f"print said = {literal(text)}" for text in odd]
    names = [f"print {identifier(text)} = 1" for text in odd if text.isprintable()]
    made = database(config())

    answers = parser.parse(*((made, text) for text in (*literals, *names)))

    assert [answer.errors for answer in answers] == [[]] * len(answers)
    assert [[*answer.columns] for answer in answers[len(odd) :]] == [[text] for text in odd if text.isprintable()]


# by running it


def test_an_hour_by_query_is_the_truth_of_that_hour(oee: Oee, tmp_path: Path) -> None:
    """Every machine's figures are as near to the truth as `verify` wants them: bounds, and what sampling may do."""
    kept = record(config(), HOUR, tmp_path / "truth")
    truth = GroundTruth(tmp_path / "truth")
    shown = {row["machine_id"]: row for row in oee(database(config()), kept.rows)}
    rows = counts_of(kept.lines, truth)

    def by_query(machine: MessageCounts, hours: float) -> Figures:
        row = shown[machine.machine_id]
        return Figures(row["availability"], row["performance"], row["quality"], row["oee"], row["jobs"] / hours)

    marks = {
        machine_id: [each.severity for each in compare(rows[machine_id], its, calculate=by_query)]
        for machine_id, its in truth.machines(*truth.span).items()
    }
    assert len(marks) == 22
    assert {machine_id: its for machine_id, its in marks.items() if Severity.EXCEEDED in its} == {}


def counted(shown: Iterable[Row]) -> dict[str, tuple[int, ...]]:
    """The plain counts of each machine."""
    return {
        each["machine_id"]: tuple(each[name] for name in ("planned", "producing", "jobs", "good")) for each in shown
    }


def test_queries_count_as_verify_does(oee: Oee, tmp_path: Path) -> None:
    """Beats, producing beats, jobs and good jobs are the same numbers, also where jobs are said in extra rows."""
    plant = original()
    kept = record(plant, HOUR // 2, tmp_path / "truth")
    machines = counts_of(kept.lines, GroundTruth(tmp_path / "truth")).values()

    found = counted(oee(database(plant), kept.rows))

    assert found == {each.machine_id: (each.planned, each.producing, each.jobs, each.good) for each in machines}
    assert sum(each.additional for each in machines) > 100


def test_rows_that_come_twice_count_once(oee: Oee) -> None:
    """At-least-once delivery changes no figure."""
    made, messages = database(original()), said(original(), HOUR // 4)

    assert counted(oee(made, [*messages, *messages[::3]])) == counted(oee(made, messages))


def test_planned_stops_are_no_loss_and_an_hour_of_them_has_no_figures(oee: Oee) -> None:
    """They lower planned time; and where that is nothing, nothing is shown."""
    made = database(only("cnc_machine", 1))
    row = {"timestamp": "2026-01-01T00:10:00.000Z", "machine_id": "CNC-01", "status": "planned_stop"}
    stop = Message("cnc_machine", "CNC-01", None, 0, 0, orjson.dumps(row))

    [shown] = oee(made, [stop])

    assert [shown[name] for name in ("planned", "availability", "performance", "quality", "oee")] == [0, *[None] * 4]


def test_the_figures_of_a_type_are_those_of_its_machines_together(oee: Oee) -> None:
    """Sums before ratios, not means of ratios."""
    made, messages = database(config()), said(config(), HOUR // 4)
    machines = [each for each in oee(made, messages) if each["machine_type"] == "welding"]

    [welding] = [each for each in oee(made, messages, "FactoryOeeByType") if each["machine_type"] == "welding"]

    assert welding["machines"] == len(machines) == 4
    assert welding["good"] == sum(each["good"] for each in machines)
    assert welding["oee"] == pytest.approx(6.0 * welding["good"] / (5.0 * welding["planned"]))
