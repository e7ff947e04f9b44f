"""The YAML that is shown is the one in force: what is loaded from it is the plant as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.runtime.reload import with_orders_per_hour
from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, load_content
from plant.views.plant_yaml import yaml_in_force
from plant.views.type_view import event_views, known_causes, known_states, type_views
from tests.support.factory.acted_on import plain, press, read
from tests.support.processes.daemon import ROOT

DEFAULT = (ROOT / "message_structure.yaml").read_bytes()


def plant_of(content: bytes) -> FactoryMessageGenerator:
    """A plant of a YAML."""
    return FactoryMessageGenerator.of(load_content(content, "plant.yaml"), 1)


def comparable(config: PlantConfig) -> Any:
    """What tells two configurations apart."""
    return config.model_dump(), [*config.declared()], config.machines()


def test_a_plant_that_nothing_has_changed_is_shown_as_it_was_read() -> None:
    """With its comments, to the byte."""
    assert yaml_in_force(plant_of(DEFAULT).config) == DEFAULT


def test_a_demo_shows_the_file_as_it_was_read() -> None:
    """Whoever saves what is shown keeps the rates of orders of the file; the demo replaces them again."""
    config, replaced = with_orders_per_hour(load_content(DEFAULT, "plant.yaml"), 720)

    assert replaced
    assert yaml_in_force(config) == DEFAULT


@pytest.mark.parametrize(
    "commands",
    [
        [{"command": "scale", "message_type": "welding", "count": 17}],
        [{"command": "rate", "messages_per_second": 12.5}],
        [{"command": "rate", "messages_per_second": 12.5}, {"command": "rate"}],
        [{"command": "disable", "message_type": "painting"}],
        [{"command": "disable", "message_type": "customer_order"}, {"command": "disable", "message_type": "dispatch"}],
        [{"command": "disable", "message_type": "testing"}, {"command": "enable", "message_type": "testing"}],
    ],
)
def test_what_commands_have_changed_is_in_the_yaml(commands: list[dict[str, object]]) -> None:
    """So the same plant is loaded from it, and says the same from then on."""
    plant = plant_of(DEFAULT)
    for command in commands:
        plant.execute(command)
    again = plant_of(yaml_in_force(plant.config))

    assert comparable(again.config) == comparable(plant.config)
    assert sum(1 for _ in again.advance(START + 60)) > 10


@pytest.mark.parametrize(
    ("commands", "before", "after"),
    [
        ([{"command": "scale", "message_type": "welding", "count": 17}], b"    welding: 4", b"    welding: 17"),
        ([{"command": "rate", "messages_per_second": 12.5}], b"global:\n", b"global:\n  target_rate: 12.5\n"),
    ],
)
def test_comments_and_form_stay_where_numbers_change(
    commands: list[dict[str, object]], before: bytes, after: bytes
) -> None:
    """Only the numbers are others: somebody wants to go on with their own text."""
    plant = plant_of(DEFAULT)
    for command in commands:
        plant.execute(command)

    assert yaml_in_force(plant.config) == DEFAULT.replace(before, after, 1)


PRESS = "  press:\n    report_seconds: 3 # s\n    count: 2\n    signals: {a: {base: 1}}\n"
ALIAS = "  a: &a\n    enabled: true # both\n    report_seconds: 3\n    signals: {f: {base: 1}}\n  b: *a\n"


@pytest.mark.parametrize(
    ("text", "commands", "expected"),
    [
        (
            "message_types: {press: {count: 2, report_seconds: 3, signals: {a: {base: 1}}}} # ours\n",
            [{"command": "disable", "message_type": "press"}],
            "message_types: {press: {enabled: false, count: 2, report_seconds: 3, signals: {a: {base: 1}}}} # ours\n",
        ),
        (
            f"# ours\nmessage_types:\n{PRESS}",
            [{"command": "scale", "message_type": "press", "count": 3}, {"command": "rate", "messages_per_second": 9}],
            "# ours\nglobal: {machine_counts: {press: 3}, target_rate: 9.0}\nmessage_types:\n  press:\n    report",
        ),
        (
            f"message_types:\n{ALIAS}",
            [{"command": "disable", "message_type": "a"}],
            "# As it is in force:",
        ),
    ],
    ids=["in one line", "another section", "an alias"],
)
def test_values_are_put_into_any_text_or_it_is_written_anew(
    text: str, commands: list[dict[str, object]], expected: str
) -> None:
    """Either way the same plant is loaded from it."""
    plant = plant_of(text.encode())
    for command in commands:
        plant.execute(command)
    shown = yaml_in_force(plant.config)

    assert shown.decode().startswith(expected)
    assert comparable(plant_of(shown).config) == comparable(plant.config)


def test_all_that_was_there_stays() -> None:
    """Also in a plant with everything."""
    config = read(press())
    plant = FactoryMessageGenerator.of(config, 1)
    plant.execute({"command": "scale", "message_type": "press", "count": 9})
    again = load_content(yaml_in_force(plant.config), "plant.yaml")

    assert comparable(again) == comparable(plant.config)


def test_a_machine_type_is_described_with_what_one_can_ask_of_it() -> None:
    """States, results, signals with limits and set points, faults, wear."""
    config = read(press())
    (found,) = type_views(config)

    assert (found["machine_type"], found["count"], found["enabled"]) == ("press", 4, True)
    running = {"name": "running", "share": 0.75, "dwell_seconds": 60, "produces": True, "planned": False}
    assert found["states"][0] == running
    assert found["set_points"] == {"feed": 180.0}
    assert found["job"]["results"] == {"good": {"good": True}, "scrap": {"good": False}}
    assert found["signals"]["feed"]["limits"] == [100.0, 250.0]
    assert found["signals"]["feed"]["set_point"] == 180.0
    assert {"name": "temperature.stuck", "effects": [], "signal": "temperature"} in found["faults"]
    assert [each["name"] for each in (*found["faults"], *found["wear"])] == known_causes(config)
    assert {"faulted", "stopped", "planned_stop"} <= {*known_states(config)}


def test_a_machine_type_is_described_with_the_commands_of_its_own() -> None:
    """Each with the state that it sets, and whether the machine stays there."""
    commands = {"stop": {"state": "running", "latched": True}, "go": {"state": "running"}}
    (found,) = type_views(read(press(commands=commands)))

    assert found["commands"] == [
        {"name": "stop", "state": "running", "latched": True},
        {"name": "go", "state": "running", "latched": False},
    ]


def test_messages_that_are_of_no_machine_type_can_be_switched_too() -> None:
    """Orders and reports, where the YAML has them, as they are switched."""
    config = read(plain())

    assert event_views(config) == [
        {"message_type": "customer_order", "enabled": True},
        {"message_type": "dispatch", "enabled": True},
        {"message_type": "oee", "enabled": True},
    ]
    assert event_views(read(press())) == []


@pytest.mark.parametrize("path", sorted(map(str, (ROOT / "scenarios").glob("*.yaml"))))
def test_each_shipped_plant_is_shown(path: str) -> None:
    """As it was read, and after a command."""
    content = Path(path).read_bytes()
    plant = plant_of(content)
    assert yaml_in_force(plant.config) == content
    plant.execute({"command": "rate", "messages_per_second": 3})

    assert comparable(load_content(yaml_in_force(plant.config), path)) == comparable(plant.config)
    assert len([*type_views(plant.config)]) > 0
