"""Commands of a type's own, which set the state: what they do, how they are played again, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import TypeAdapter

from messages import START, CommandRefused, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, PlantConfigError, parse
from plant.definition.states.state_commands import REPLACEABLE, USUAL
from plant.interventions.command_log import CommandFileError, read_commands
from plant.interventions.commands import COMMANDS, OwnCommand, own_names
from tests.support.factory.plants import rows

STATES: Final[Mapping[str, Any]] = {
    "running": {"share": 0.6, "dwell_seconds": 20, "produces": True},
    "idle": {"share": 0.3, "dwell_seconds": 10},
    "maintenance": {"share": 0.1, "dwell_seconds": 10},
}
COMMANDS_OF_TYPE: Final[Mapping[str, Any]] = {
    "stop": {"state": "idle", "latched": True},
    "maintenance": {"state": "maintenance", "latched": True},
    "start": {"state": "running"},
}


def plant(**own: Any) -> PlantConfig:
    """A machine with commands, which reports its state once a day and at each change; and one without."""
    device = {
        "states": STATES,
        "messages": {"state": {"fields": ["machine_id", "status"], "report_seconds": 86400, "on_change": True}},
        "commands": COMMANDS_OF_TYPE,
        **own,
    }
    other = {"states": STATES, "messages": device["messages"]}
    return parse({"message_types": {"device": device, "other": other}})


def begun(**own: Any) -> FactoryMessageGenerator:
    """Such a plant after a minute."""
    generator = FactoryMessageGenerator.of(plant(**own), 1)
    generator.advance(START + 60)
    return generator


def do(generator: FactoryMessageGenerator, command: str, machine_id: str = "DEVICE-01") -> Any:
    """Execute a command for a machine."""
    return generator.execute({"command": command, "machine_id": machine_id})


def reported(generator: FactoryMessageGenerator, seconds: float, machine_id: str = "DEVICE-01") -> list[str]:
    """The states that a machine reports in the next seconds."""
    found = rows(generator.advance(generator.now + seconds))
    return [row["status"] for row in found if row["machine_id"] == machine_id]


@pytest.mark.parametrize(("command", "state"), [("stop", "idle"), ("maintenance", "maintenance")])
def test_a_latched_state_lasts_until_the_next_command(command: str, state: str) -> None:
    """It is in the answer, reported at once, and no stay of a few seconds ends it."""
    generator = begun()

    assert do(generator, command) == {"machine_id": "DEVICE-01", "state": state}
    assert reported(generator, 3000) == [state]
    do(generator, "start")
    assert reported(generator, 300)[0] == "running"


def test_a_state_that_is_not_latched_ends_as_any_stay() -> None:
    """The machine goes its own way again."""
    generator = begun()
    do(generator, "stop")
    do(generator, "start")
    found = reported(generator, 600)

    assert found[:2] == ["idle", "running"]
    assert {"idle", "maintenance"} <= {*found[2:]}


def test_the_state_is_reported_even_if_the_machine_is_in_it() -> None:
    """So that whoever commands sees that it was heard."""
    generator = begun()
    do(generator, "stop")
    reported(generator, 1)

    for _ in range(3):
        do(generator, "stop")
        assert reported(generator, 100) == ["idle"]


def test_other_types_have_the_usual_commands() -> None:
    """And none of another type's."""
    generator = begun()

    assert do(generator, "stop", "OTHER-01") == {"machine_id": "OTHER-01", "state": "stopped"}
    with pytest.raises(CommandRefused, match='command: must be a command of this type, got "maintenance"'):
        do(generator, "maintenance", "OTHER-01")


def test_a_command_that_no_type_has_is_refused_with_all_that_there_are() -> None:
    """The types' own ones with them."""
    with pytest.raises(CommandRefused, match=r"must be one of .*reload, crash, .*reconnect, maintenance, got"):
        do(begun(), "explode")


def test_a_command_of_its_own_has_no_other_keys() -> None:
    """As any command."""
    with pytest.raises(CommandRefused, match="seconds: is an unknown key"):
        begun().execute({"command": "maintenance", "machine_id": "DEVICE-01", "seconds": 5})


def test_a_machine_that_was_stopped_before_its_type_had_commands_is_released() -> None:
    """The stop from outside ends with the first command that sets a state."""
    generator = begun(commands={})
    do(generator, "stop")
    generator.reload(plant())
    do(generator, "start")

    assert reported(generator, 1)[:2] == ["stopped", "running"]


def test_commands_are_recorded_as_they_were_given_and_give_the_same_messages_again(tmp_path: Path) -> None:
    """A file of them is read with the plant's names."""
    generator, twin = begun(), begun()
    do(generator, "maintenance")
    generator.advance(START + 70)
    file = tmp_path / "commands.jsonl"
    file.write_text('{"after_seconds": 60, "command": "maintenance", "machine_id": "DEVICE-01"}\n', encoding="utf-8")
    log = read_commands(str(file), (START, START + 100), lambda _: None, own=own_names(plant()))
    for command in log.due(START + 60):
        twin.execute(command)
    twin.advance(START + 70)

    assert generator.advance(START + 200) == twin.advance(START + 200)
    with pytest.raises(CommandFileError, match="line 1: command: must be one of"):
        read_commands(str(file), (START, START + 100), lambda _: None)


def test_a_type_takes_commands_over_with_extends() -> None:
    """And changes single ones."""
    entry = {"extends": "device", "commands": {"start": {"state": "running", "latched": True}}}
    device = {"states": STATES, "commands": COMMANDS_OF_TYPE}
    found = parse({"message_types": {"device": device, "more": entry}}).machine_type("more")

    assert found is not None
    assert {name: each.is_latched for name, each in found.commands.items()} == dict.fromkeys(COMMANDS_OF_TYPE, True)


@pytest.mark.parametrize(
    ("commands", "rule"),
    [
        ({"rest": {"state": "idel"}}, r"rest\.state\.idel: is not a state of this type; did you mean idle\?"),
        ({"rest": {"latched": True}}, r"rest\.state: is missing"),
        ({"inject": {"state": "idle"}}, r"inject: always means the same: choose another name"),
        ({"re st": {"state": "idle"}}, r"must have only letters, digits, _ and -, at most 64"),
        ({"rest": {"state": "idle", "seconds": 5}}, r"rest\.seconds: is an unknown key"),
    ],
)
def test_wrong_declarations_are_errors_with_their_place(commands: Mapping[str, Any], rule: str) -> None:
    """And with the rule that they break."""
    with pytest.raises(PlantConfigError, match=rf"message_types\.device\.commands\..*{rule}"):
        plant(commands=commands)


def test_no_usual_command_can_have_another_meaning_by_mistake() -> None:
    """All are either replaceable or not, and schemas say so."""
    assert {*REPLACEABLE, *USUAL} == COMMANDS.keys()
    assert TypeAdapter(OwnCommand).json_schema()["properties"]["command"]["not"] == {"enum": [*REPLACEABLE, *USUAL]}
