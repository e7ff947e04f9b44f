"""Facts about scenario files: what they may have, and that every mistake is reported at once with its line and rule."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from cli.exports.schemas.scenario_schema import document
from cli.scenario.definition.conditions import MISSING, Bounds, Condition, value_at
from cli.scenario.definition.plan import Form
from cli.scenario.definition.times import When, length_text
from tests.cli.scenario.scenes import mistakes_of, plan_of
from tests.support.exports import yamlread
from tests.support.factory.plants import ROOT
from tests.test_config_schema import as_json

SHIPPED = sorted((ROOT / "scenarios" / "tests").glob("*.yaml"))
HEAD = "name: It\nsteps:\n"


def test_every_mistake_is_reported_at_once_with_its_line_and_rule(tmp_path: Path) -> None:
    """Of the head, the steps, their commands, the options and the plant, in the order of the file."""
    text = """\
        name: It
        plant: nowhere.yaml
        speed: fast
        durations: 5
        settings: {WORKERS: 3, QUEUE_SIZE: -1}
        steps:
          - at: 1m
            do: {command: injct, machine_id: CNC-01}
          - do: {command: stop}
          - at: 90
            expect: {state: {machine: CNC-01}}
          - within: 5m
            expect: {messages: {topic: a/#/b}}
          - at: 5m
            do: {broker: cut}
          - expect: {fault: {machine_id: x}, alarm: {machine_id: x}}
          - {}
        """

    assert mistakes_of(text, tmp_path) == [
        f"2: plant: {tmp_path}/nowhere.yaml: does not exist",
        '3: speed: must be a number above 0, or max, got the text "fast"',
        "4: durations: is an unknown key; did you mean duration?",
        "5: settings.WORKERS: has no meaning in a scenario",
        "5: settings.QUEUE_SIZE: must be a whole number from 1 to 10000000, not '-1'",
        '8: steps[0].do.command: must be a command, got the text "injct"; did you mean inject?',
        "9: steps[1].do.machine_id: is missing",
        "9: steps[1]: needs at: when to do it",
        "11: steps[2].expect.state.machine_id: is missing",
        "11: steps[2].expect.state.state: is missing",
        "11: steps[2].expect.state.machine: is an unknown key; did you mean machine_id?",
        "13: steps[3].expect.messages.topic: topic filter 'a/#/b' must have # only as its last level",
        "15: steps[4].do: faults of the broker need `broker: sandbox`",
        "16: steps[5].expect: must have exactly one of metric, messages, field, ledger, state, fault, alarm, oee",
        "17: steps[6]: must have either do or expect",
    ]


@pytest.mark.parametrize(
    ("step", "rule"),
    [
        ("{always: {from: 5m, to: 1m}, expect: {ledger: {balances: true}}}", "must have from before to"),
        ("{at: 5m, always: {to: 5m}, expect: {ledger: {balances: true}}}", "cannot stand beside always"),
        (
            "{at: 5m, within: 1m, always: {to: 5m}, expect: {ledger: {balances: true}}}",
            "exactly one of at, within, always",
        ),
        ("{expect: {ledger: {balances: true}}}", "exactly one of at, within, always, never"),
        ("{at: 1m, every: 5s, expect: {ledger: {balances: true}}}", "`at` is one moment"),
        ("{always: {to: 1m}, every: 5s, expect: {messages: {topic: a}}}", "messages are all looked at"),
        ("{at: 1m, within: 5s, do: {command: rate}}", "goes only with expect"),
        ("{always: {to: 2d}, expect: {ledger: {balances: true}}}", "at most 100,000 times"),
        ("{at: 1m, do: {command: reload, content: x}}", "`reload: FILE`"),
        ("{at: 1m, do: {stop: CNC-01}}", "must be a command (command: stop)"),
        ("{at: 1m, do: []}", "must be a command, or a list"),
        ('{at: "25:00", expect: {ledger: {balances: true}}}', "must be a time such as 90s"),
        ("{at: 1m, expect: {field: {topic: a, path: b}}}", "needs both path and value"),
        ("{at: 1m, expect: {field: {topic: a, path: b, value: {matches: '('}}}}", "must be a regular expression"),
        (
            f"{{at: 1m, expect: {{field: {{topic: a, path: b, value: {{matches: 'a{{{'9' * 12}}}'}}}}}}}}",
            "regular expression",
        ),
        (
            f"{{at: 1m, expect: {{field: {{topic: a, path: b, value: {{matches: '{'(' * 5000}'}}}}}}}}",
            "regular expression",
        ),
        ("{at: 1m, within: 1e308, expect: {ledger: {balances: true}}}", "is too long"),
        ("{at: 1e308, expect: {ledger: {balances: true}}}", "is too long"),
        ("{at: 1m, expect: {field: {topic: a, path: b, value: {}}}}", "needs one of is, one_of, range"),
        ("{at: 1m, expect: {field: {topic: a, path: b, value: {one_of: []}}}}", "needs at least one entry"),
        ("{at: 1m, expect: {messages: {topic: a, count: {min: 2, max: 1}}}}", "must have min <= max"),
        ("{at: 1m, expect: {oee: {machine_id: a, machine_type: b, oee: 1}}}", "machine_id or machine_type, not both"),
        ("{at: 1m, expect: {messages: {topic: $share/a/b}}}", "no shared subscription"),
    ],
)
def test_a_wrong_step_is_refused_with_its_rule(step: str, rule: str, tmp_path: Path) -> None:
    """Whatever is wrong between its keys."""
    (mistake,) = mistakes_of(f"name: It\nduration: 5d\nsteps:\n  - {step}\n", tmp_path)

    assert mistake.startswith("4: ")
    assert rule in mistake


def test_messages_may_be_looked_at_for_longer_than_the_plant(tmp_path: Path) -> None:
    """They are seen as they come, so that no `every` makes it longer."""
    text = "name: It\nduration: 30d\nsteps:\n  - {always: {}, expect: {messages: {topic: factory/cnc}}}\n"

    assert mistakes_of(text, tmp_path) == []


def test_a_duration_beyond_the_calendar_is_refused(tmp_path: Path) -> None:
    """With its line, as all that is wrong in a file."""
    text = "name: It\nduration: 1e11\nstart: 9000-01-01\nsteps:\n  - {at: 1s, do: {command: rate}}\n"
    steps = "name: It\nduration: 245000000000\nstart: 9000-01-01\nsteps:\n  - {at: 1s, do: {command: rate}}\n"

    rule = "2: duration: is too long: plant time must lie in the years 1970 to 9899 (UTC)"
    assert mistakes_of(text, tmp_path) == [rule]
    assert mistakes_of(steps, tmp_path) == [rule]


@pytest.mark.parametrize(
    ("options", "broker", "mistakes"),
    [
        ("{MQTT_AUTH_METHOD: USERPASS, MQTT_USERNAME: a, MQTT_PASSWORD_FILE: b}", "settings", []),
        ("{MQTT_USERNAME: a}", "settings", []),
        (
            "{MQTT_USERNAME: a}",
            "none",
            ["3: settings.MQTT_USERNAME: applies only with MQTT_AUTH_METHOD=USERPASS, not K8S-SAT"],
        ),
        (
            "{MQTT_AUTH_METHOD: USERPASS, MQTT_USERNAME: a}",
            "none",
            ["3: settings: MQTT_PASSWORD_FILE: must be set with MQTT_AUTH_METHOD=USERPASS"],
        ),
    ],
)
def test_options_have_to_agree_where_the_file_has_all_of_them(
    options: str, broker: str, mistakes: list[str], tmp_path: Path
) -> None:
    """With the broker of the settings the environment may have the rest."""
    text = f"name: It\nbroker: {broker}\nsettings: {options}\nsteps:\n  - {{at: 1s, do: {{command: rate}}}}\n"

    assert mistakes_of(text, tmp_path) == mistakes


def test_a_step_outside_the_time_of_the_scenario_is_refused(tmp_path: Path) -> None:
    """Nothing would ever run it."""
    text = "name: It\nduration: 5m\nsteps:\n  - {at: 6m, expect: {ledger: {balances: true}}}\n"

    assert mistakes_of(text, tmp_path) == [
        "4: steps[0]: must be within the time of the scenario, from its start to its end after 5m"
    ]


def test_mistakes_of_a_plant_in_the_file_have_their_line_in_it(tmp_path: Path) -> None:
    """And their place below `plant`."""
    text = """\
        name: It
        plant:
          message_types:
            press: {states: {running: {share: 1, produces: true}}, jub: 1}
        steps:
          - {at: 1m, do: {command: rate}}
        """

    assert mistakes_of(text, tmp_path) == ["4: plant.message_types.press.jub: is an unknown key; did you mean job?"]


def test_times_are_after_the_start_of_the_day_or_of_the_calendar(tmp_path: Path) -> None:
    """A time of the day is the first one from the start on; without a duration the last step is the end."""
    steps = """\
        - {at: 90, do: {command: rate}}
        - {at: 1h30m, do: {command: rate}}
        - {at: "05:00", do: {command: rate}}
        - {at: 2026-01-05T08:00:00Z, do: {command: rate}}
        - {within: 5m, expect: {ledger: {balances: true}}}
        """
    plan = plan_of(steps, tmp_path, "name: It\nstart: 2026-01-05T06:00:00Z\n")

    hours = [(each.at_ms - plan.start_ms) / 3_600_000 for each in plan.steps]
    assert hours == [0.025, 1.5, 23, 2, 2]
    assert plan.end_ms - plan.start_ms == 23 * 3_600_000


def test_a_span_begins_where_its_step_does(tmp_path: Path) -> None:
    """`within` after its own `at`, or else after the step before."""
    steps = """\
        - {at: 1m, do: {command: rate}}
        - {within: 2m, expect: {ledger: {balances: true}}}
        - {at: 3m, within: 2m, expect: {ledger: {balances: true}}}
        - {always: {from: 30s}, expect: {ledger: {balances: true}}}
        - {within: 1m, expect: {ledger: {balances: true}}}
        """
    plan = plan_of(steps, tmp_path)
    spans = [each.span for each in plan.steps[1:] if each.span]

    minutes = [((each.from_ms - plan.start_ms) / 60_000, (each.to_ms - plan.start_ms) / 60_000) for each in spans]
    assert minutes == [(1, 3), (3, 5), (0.5, 10), (3, 4)]
    assert [each.form for each in spans] == [Form.WITHIN, Form.WITHIN, Form.ALWAYS, Form.WITHIN]


@given(st.integers(0, 10**10), st.integers(0, 10**13))
def test_a_time_of_the_day_is_within_a_day_from_the_start(clock_ms: int, start_ms: int) -> None:
    """And it is that time of the day."""
    found = When(clock=clock_ms % 86_400_000).resolved(start_ms)

    assert 0 <= found - start_ms < 86_400_000
    assert found % 86_400_000 == clock_ms % 86_400_000


def test_lengths_are_written_as_they_are_typed() -> None:
    """Without units that are zero."""
    assert [*map(length_text, (5_400_000, 90_000, 2500, 3_600_000, 3_601_000))] == [
        "1h30m", "1m30s", "2.5s", "1h", "1h1s",
    ]  # fmt: skip


def test_conditions_tell_numbers_from_flags_and_null_from_absent() -> None:
    """1 is not true; null and an absent key are both not present."""
    assert Condition.model_validate({"is": 1}).holds(1.0)
    assert not Condition.model_validate({"is": 1}).holds(value=True)
    assert Condition.model_validate({"present": False}).holds(None)
    assert Condition.model_validate({"present": False}).holds(MISSING)
    assert Condition.model_validate({"present": True}).holds(value=False)
    assert not Condition.model_validate({"min": 0}).holds("5")
    assert Condition.model_validate({"matches": "a+"}).holds("aa")
    assert not Condition.model_validate({"matches": "a+"}).holds("aab")


@given(st.text(min_size=1))
def test_what_is_no_place_in_a_list_is_missing(key: str) -> None:
    """Whatever the text is; digits are those of ASCII."""
    assert value_at({"items": []}, f"items.{key}") is MISSING
    assert value_at({"items": [1, 2, 3]}, "items.\N{SUPERSCRIPT TWO}") is MISSING
    assert value_at({"items": [1, 2, 3]}, "items.2") == 3


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_bounds_hold_between_their_ends(low: float, high: float, value: float) -> None:
    """Both ends included."""
    low, high = sorted((low, high))

    assert Bounds(min=low, max=high).holds(value) == (low <= value <= high)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_schema_takes_what_is_shipped(path: Path) -> None:
    """So editors show no error in it; and it names the schema in its first line."""
    text = path.read_text(encoding="utf-8")

    assert [*Draft7Validator(document()).iter_errors(as_json(yamlread.value(text)))] == []
    assert text.startswith("# yaml-language-server: $schema=../../scenario.schema.json\n")


@pytest.mark.parametrize(
    "step",
    [
        "{at: 1m, do: {command: stop, machine: CNC-01}}",
        "{at: 1m, do: {broker: cot}}",
        "{at: 1m, expect: {state: {machine_id: CNC-01}}}",
        "{at: 1m, expects: {ledger: {balances: true}}}",
        "{at: 1m, expect: {ledger: {dropped: none}}}",
    ],
)
def test_the_schema_refuses_slips_as_the_command_does(step: str, tmp_path: Path) -> None:
    """A slip in a key, or a value of another type."""
    text = f"{HEAD}  - {step}\n"

    assert [*Draft7Validator(document()).iter_errors(yamlread.value(text))]
    assert mistakes_of(dedent(text), tmp_path)
