"""Signals that are text: by condition, as JSON's booleans, and with a number in it."""

from __future__ import annotations

from typing import Any, Final

import orjson
import pytest

from cli.exports.schemas.kql_tables import columns
from messages import START, FactoryMessageGenerator
from plant.catalogue.catalogue import catalogue
from plant.definition import plant_config
from plant.definition.document import yaml_file
from plant.definition.plant_config import PlantConfig, PlantConfigError, load_content
from tests.plant.signals.press import IDLE, RUNNING, START_MS, compiled, machines
from tests.support.exports.schemas import checks, refused

PLANT: Final = """
message_types:
  press:
    count: 3
    report_seconds: 5
    states:
      running: {share: 0.7, dwell_seconds: 60, produces: true}
      idle: {share: 0.3, dwell_seconds: 20}
    job: {cycle_seconds: [4, 6]}
    signals:
      load: {base: {running: 0.6, else: 0.1}, walk: {sigma: 0.2, memory_seconds: 60}, limits: [0, 1], decimals: 6}
      cycles: {counter: jobs}
      mode: {texts: {busy: "state == 'running' and load > 0.5", "q\\"ü": "state == 'running'", offline: else}}
      hot: {texts: {true: load > 0.7, false: else}}
      cycle_id: {text: "press_{cycles}_{{a.b}}"}
      load_text: {text: "{load} of 1"}
    sensor_faults: {load: {dropout: {every_hours: 0.05, duration_seconds: 20}}}
"""


def plant() -> PlantConfig:
    """The plant, read as a file is."""
    return load_content(PLANT.encode(), "plant.yaml")


def test_a_text_is_the_first_whose_condition_holds() -> None:
    """Conditions are looked at in their order, with values before they are rounded; the last is for the rest."""
    text = """
        level: {base: {running: 0.54, else: 0.2}, limits: [0, 1], decimals: 1}
        t: {texts: {b: level > 0.5, a: level > 0.3, c: else}}
    """
    signals = machines(compiled(text))
    idle = signals.row(0, START_MS)
    signals.change(0, RUNNING, START_MS)

    assert idle == [b"0.2", b'"c"']
    assert signals.row(0, START_MS) == [b"0.5", b'"b"']


def test_the_keys_true_and_false_are_booleans_of_json() -> None:
    """Their order is that of their conditions; one alone is a constant."""
    text = "a: {texts: {false: \"state == 'running'\", true: else}}\nb: {texts: {true: else}}"
    signals = machines(compiled(text))
    idle = signals.row(0, START_MS)
    signals.change(0, RUNNING, START_MS)

    assert idle == [b"true", b"true"]
    assert signals.row(0, START_MS) == [b"false", b"true"]


def test_a_number_in_a_text_is_that_of_messages() -> None:
    """With its decimals, the sign, and none at the end; two braces stand for one."""
    text = """
        n: {counter: jobs}
        x: {base: {running: -1.25, else: 3}}
        id: {text: 'a"{{{n}}}'}
        level: {text: "{x} bar"}
    """
    signals = machines(compiled(text))
    idle = signals.row(0, START_MS)
    signals.change(0, RUNNING, START_MS)
    signals.count_job(0, "good", is_good=True)

    assert idle[2:] == [rb'"a\"{0}"', b'"3.0 bar"']
    assert signals.row(0, START_MS + 1)[2:] == [rb'"a\"{1}"', b'"-1.25 bar"']
    assert signals.texts_at(0, START_MS + 1)["id"] == rb'"a\"{1}"'


def test_messages_are_as_their_schema_says() -> None:
    """Texts are an enumeration, true and false a boolean, a text with a number a pattern, null where that is null."""
    config = plant()
    sent = FactoryMessageGenerator.of(config, 3, start=START).advance(START + 1800)
    seen: dict[str, set[Any]] = {}
    for message in sent:
        for key, value in orjson.loads(message.payload).items():
            seen.setdefault(key, set()).add(value)
    fields = {field.name: field for field in catalogue(config)[0].fields}

    assert [*refused(checks(config), sent)] == []
    assert seen["mode"] == {*fields["mode"].enum} == {"busy", 'q"ü', "offline"}
    assert (seen["hot"], fields["hot"].json_type) == ({True, False}, "boolean")
    assert {"press_0_{a.b}", "press_1_{a.b}"} < seen["cycle_id"]
    assert None in seen["load_text"]
    assert (fields["cycle_id"].nullable, fields["load_text"].nullable) == (False, True)
    assert fields["cycle_id"].pattern == r"^press_-?[0-9]+_\{a\.b\}$"


def test_columns_of_tables_are_string_and_bool() -> None:
    """A table in KQL has a bool for true and false."""
    types = columns(catalogue(plant()))

    assert {name: types[name] for name in ("mode", "hot", "cycle_id")} == {
        "mode": "string",
        "hot": "bool",
        "cycle_id": "string",
    }


@pytest.mark.parametrize(
    ("piece", "rule"),
    [
        ("yes: else", 'texts.yes: is read by YAML as true or false, but keys are text: write "yes"'),
        ("a: 5, b: else", "texts.a: must be text, got 5: put it in quotes"),
        ("", "texts: needs at least one entry"),
    ],
)
def test_other_words_for_booleans_are_refused(piece: str, rule: str) -> None:
    """Only true and false, as JSON has them, are keys without quotes."""
    content = f"message_types:\n  press:\n    signals:\n      hot: {{texts: {{{piece}}}}}\n"
    with pytest.raises(PlantConfigError) as raised:
        load_content(content.encode(), "plant.yaml")

    assert [f"{each.path}: {each.rule}" for each in raised.value.mistakes] == [
        f"message_types.press.signals.hot.{rule}"
    ]


def test_true_is_no_key_elsewhere() -> None:
    """A state that is called true without quotes is reported as before."""
    assert [each.rule for each in yaml_file.parse("states: {true: 1}").violations] == [
        'is read by YAML as true or false, but keys are text: write "true"'
    ]


def test_a_text_has_no_alarms_and_no_faults() -> None:
    """Both need a number."""
    entry = {
        "states": {"running": {"share": 1.0, "produces": True}},
        "signals": {"mode": {"texts": {"on": "age_seconds > 5", "off": "else"}}},
        "alarms": {"mode": {"high": 1.0}},
        "sensor_faults": {"mode": {"dropout": {"every_hours": 1.0, "duration_seconds": 5.0}}},
    }
    with pytest.raises(PlantConfigError) as raised:
        plant_config.parse({"message_types": {"press": entry}})

    assert [f"{each.path}: {each.rule}" for each in raised.value.mistakes] == [
        "message_types.press.sensor_faults.mode: is no measured signal of this type",
        "message_types.press.alarms.mode: cannot have alarms: the signal is text",
    ]


def test_a_reload_changes_texts_of_running_machines() -> None:
    """Other conditions hold from the reload on; nothing else of the machine changes."""
    before = machines(compiled("n: {counter: jobs}\nt: {texts: {a: n > 5, b: else}}"))
    before.count_job(0, "good", is_good=True)
    after = machines(compiled("n: {counter: jobs}\nt: {texts: {a: n > 0, b: else}}"))
    after.carry_over(before, [0], START_MS + 10)

    assert before.row(0, START_MS + 10) == [b"1", b'"b"']
    assert after.row(0, START_MS + 10) == [b"1", b'"a"']
    assert after.is_in(0, IDLE)


def test_what_a_type_that_extends_another_uses_comes_first() -> None:
    """A text, a number in a text and a draw of the other type may use signals of its own."""
    text = """
message_types:
  press:
    signals:
      n: {base: 5, decimals: 0}
      mode: {texts: {high: n > 5, low: else}}
      id: {text: "n {n}"}
      k: {binomial: {of: n, chance: 0.5}}
  other:
    extends: press
    signals:
      level: {base: 9, decimals: 0}
      chance: {base: 1}
      mode: {texts: {high: level > 5, low: else}}
      id: {text: "mode {level}"}
      k: {binomial: {of: level, chance: chance}}
"""
    config = load_content(text.encode(), "plant.yaml")
    (message,) = [
        each for each in FactoryMessageGenerator.of(config, 1, start=START).advance(START + 10) if each.kind == "other"
    ]

    assert orjson.loads(message.payload) | {"timestamp": "", "machine_id": ""} == {
        "timestamp": "",
        "machine_id": "",
        "n": 5,
        "level": 9,
        "mode": "high",
        "id": "mode 9",
        "chance": 1.0,
        "k": 9,
    }
