"""Classes of messages that report a state at once if a command sets it, and other changes with the next message."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from edge.routing import TopicRouter
from messages import START, FactoryMessageGenerator, topic_template
from plant.catalogue.catalogue import catalogue
from plant.definition.plant_config import PlantConfig, PlantConfigError, parse
from tests.cli.verify.test_reloads import record
from tests.cli.verify.test_verify import answer_to
from tests.support.factory.plants import rows
from tests.test_odd_plants import lines

STATES: Final[dict[str, Any]] = {
    "running": {"share": 0.6, "dwell_seconds": 20, "produces": True},
    "idle": {"share": 0.4, "dwell_seconds": 10},
}


def plant(**of_class: Any) -> PlantConfig:
    """A machine that reports its state every ten seconds, and what a command sets."""
    state = {"fields": ["timestamp", "machine_id", "status"], "report_seconds": 10, "on_command": True, **of_class}
    return parse({"message_types": {"device": {"states": STATES, "messages": {"state": state}}}})


def begun(**of_class: Any) -> FactoryMessageGenerator:
    """Such a plant after a minute."""
    generator = FactoryMessageGenerator.of(plant(**of_class), 1)
    generator.advance(START + 60)
    return generator


def test_without_commands_there_are_the_regular_messages_alone() -> None:
    """And one of each machine soon after the start, so that its state is known; whatever changes in between."""
    messages = FactoryMessageGenerator.of(plant(), 1).advance(START + 3600)
    first, *others = messages

    assert (first.trigger, first.time_ms <= START * 1000 + 1001) == ("change", True)
    assert len(others) == 360
    assert {each.trigger for each in others} == {""}
    assert {row["status"] for row in rows(others)} == {"running", "idle"}


@pytest.mark.parametrize(
    ("commands", "states"),
    [
        ([{"command": "stop"}], ["stopped"]),
        ([{"command": "stop"}, {"command": "start"}], ["stopped", "running"]),
        ([{"command": "set_state", "state": "idle", "seconds": 900}], ["idle"]),
    ],
)
def test_what_a_command_sets_is_reported_in_the_same_millisecond(commands: list[Any], states: list[str]) -> None:
    """As a change."""
    generator = begun()
    generator.execute({"command": "set_state", "state": "running", "seconds": 9999, "machine_id": "DEVICE-01"})
    generator.advance(START + 60.5)
    for command in commands:
        generator.execute({**command, "machine_id": "DEVICE-01"})
    found = [each for each in generator.advance(START + 61) if each.trigger]

    assert [row["status"] for row in rows(found)] == states
    assert {each.time_ms for each in found} == {START * 1000 + 60_500}


def test_a_class_that_reports_all_changes_reports_none_twice() -> None:
    """Also if it reports commands, too."""
    generator = begun(on_change=True)
    generator.execute({"command": "stop", "machine_id": "DEVICE-01"})

    assert len([each for each in generator.advance(START + 65) if each.trigger]) == 1


def test_the_catalogue_says_so() -> None:
    """For schemas and documents."""
    [kind] = catalogue(plant())

    assert kind.on_command
    assert "when a command sets its state" in kind.description


def test_a_class_without_states_has_nothing_to_report() -> None:
    """Which is an error."""
    entry = {"signals": {"v": {"base": 1}}, "messages": {"v": {"fields": ["v"], "on_command": True}}}
    with pytest.raises(PlantConfigError, match=r"messages\.v\.on_command: needs states, whose changes it reports"):
        parse({"message_types": {"device": entry}})


def test_verify_accepts_its_messages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The ones beside the period represent no time."""
    config = plant()
    topics = TopicRouter(lambda kind: topic_template(config, kind), "factory").topic
    messages = record([(36000, config)], tmp_path / "truth")
    (tmp_path / "rows").write_bytes(b"\n".join(lines(messages, topics)))
    answer = answer_to([str(tmp_path / "rows"), "--truth", str(tmp_path / "truth"), "--strict"], capsys)

    assert any(each.trigger for each in messages)
    assert answer.code in (0, 3), answer.text + answer.error
    assert "Every message, job and order agrees with the ground truth." in answer.text
