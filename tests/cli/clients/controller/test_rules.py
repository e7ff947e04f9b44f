"""The rules of a controller: what a file may have, and every error in it at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from cli.clients.controller.rules import DEFAULT_RULES, RulesError, matches, read_rules
from tests.cli.clients.scenes import run
from tests.support.processes.ports import free_port

WRONG = """\
rules:
  - sensor: temperature
    topic: alarms/press/#
    alarm: highest
    command: stop
    cool_down: 5
  - above: 70
    below: 10
    recovery: {when: within_limit, below: 60, for_seconds: -1}
  - topic: telemetry/+/temperature
    alarm: high
    command: stop
  - above: yes
    topic: telemetry/a/b/c
    command: ""
    recovery: {for_seconds: 5}
"""


def errors(tmp_path: Path, text: str) -> list[str]:
    """The errors of a file, without its name."""
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(RulesError) as wrong:
        read_rules(path)
    return [str(each).replace(f"{path}:", "") for each in wrong.value.mistakes]


def test_the_default_rules_are_those_of_the_reference_controller() -> None:
    """High on temperature, pressure and current stops; low, and all the rest, is for maintenance."""
    critical, low, other = read_rules(DEFAULT_RULES)

    assert (critical.sensor, critical.alarm) == (("temperature", "pressure", "current"), "high")
    assert (critical.command, critical.reason) == ("stop", "critical threshold")
    assert (low.sensor, low.alarm, low.command, low.reason) == (None, "low", "maintenance", "low threshold")
    assert (other.sensor, other.alarm, other.command, other.reason) == (None, "any", "maintenance", "alarm triggered")
    assert all(rule.recovery and rule.recovery.command == "start" for rule in (critical, low, other))


def test_all_errors_of_a_file_come_at_once_with_line_path_and_rule(tmp_path: Path) -> None:
    """In the order of the file."""
    assert errors(tmp_path, WRONG) == [
        "2: rules[0]: must have sensor or topic, not both",
        "4: rules[0].alarm: must be 'high', 'low' or 'any', got the text \"highest\"",
        "6: rules[0].cool_down: is an unknown key; did you mean cool_down_seconds?",
        "7: rules[1].command: is missing",
        "7: rules[1]: must have one of alarm, above and below, got above and below",
        "9: rules[1].recovery.for_seconds: must be at least 0, got -1",
        "9: rules[1].recovery: must have one of when, above and below, got when and below",
        "10: rules[2].topic: must begin with alarms/ in a rule with alarm, as in alarms/+/temperature",
        "13: rules[3].above: must be a number, got true",
        "14: rules[3].topic: matches no topic: these are telemetry/DEVICE/SENSOR",
        "15: rules[3].command: must not be empty",
        "16: rules[3].recovery: must have one of when, above and below, got none",
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("rules: []", "1: rules: needs at least one entry"),
        ("rule: []", "1: rule: is an unknown key; did you mean rules?"),
        ("", "1: (top level): is empty"),
        ("rules: [{alarm: high, command: stop, sensor: []}]", "rules[0].sensor: must be a name, or a list of names"),
        ("rules: [{alarm: high, command: stop, topic: alarms/#/a}]", "# only as the last one"),
        ("rules: [{alarm: high, command: stop, topic: alarms//a}]", "must have no empty level"),
        ("rules: [{alarm: high, command: stop, topic: alarms/a}]", "matches no topic: these are alarms/DEVICE/SENSOR"),
        ("rules: [{command: stop}]", "must have one of alarm, above and below, got none"),
        ("rules: [stop]", "rules[0]: must be a mapping (key: value)"),
        ("rules: [", "is not valid YAML"),
    ],
)
def test_each_error_has_its_place_and_rule(tmp_path: Path, text: str, error: str) -> None:
    """Also of what is no list of rules at all."""
    assert any(error in each for each in errors(tmp_path, text))


def test_wrong_rules_end_the_command_with_2_before_it_connects(tmp_path: Path) -> None:
    """All errors on standard error, with the file's name."""
    (tmp_path / "rules.yaml").write_text(WRONG)
    ended = run(free_port(), "controller", "--rules", str(tmp_path / "rules.yaml"))

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 12)
    assert ended.err.startswith(f"{tmp_path}/rules.yaml:2: rules[0]: must have sensor or topic")


def test_a_file_that_is_not_there_is_named() -> None:
    """With exit code 2."""
    ended = run(free_port(), "controller", "--rules", "/nowhere.yaml")

    assert (ended.code, ended.err) == (2, "/nowhere.yaml: does not exist\n")


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("alarms/#", "alarms/press/temperature", True),
        ("alarms/press/#", "alarms/press", True),
        ("alarms/+/temperature", "alarms/press/temperature", True),
        ("alarms/+/temperature", "alarms/press/pressure", False),
        ("alarms/+", "alarms/press/pressure", False),
        ("alarms/press/temperature", "alarms/press", False),
    ],
)
def test_filters_match_as_in_mqtt(pattern: str, topic: str, *, expected: bool) -> None:
    """MQTT 5, 4.7."""
    assert matches(pattern, topic) == expected


@given(st.lists(st.sampled_from(["a", "b", ""]), min_size=1, max_size=4))
def test_filters_match_like_the_librarys(levels: list[str]) -> None:
    """Any topic and any filter of the same levels, compared with paho."""
    topic = "/".join(levels)
    for pattern in ("#", "+", "a/#", "+/b", "a/+/b", "+/+", "a/b/a/b", "+/#", "a"):
        assert matches(pattern, topic) == topic_matches_sub(pattern, topic)
