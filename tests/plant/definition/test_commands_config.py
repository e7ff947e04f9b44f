"""Facts about the section `commands` of a plant's YAML, and its topic against those that the plant publishes to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.runtime.reload import PlantLoader
from edge.settings.loader import Settings
from messages import topic_template
from plant.definition.commands_config import DEFAULT_TOPIC, command_template
from plant.definition.plant_config import PlantConfig, PlantConfigError, parse
from tests.support.factory import plants

WRONG = {
    "{prefix}/commands": "must have {machine_id} once, the machine that a command is for; got it 0 times",
    "{machine_id}/{machine_id}": "must have {machine_id} once, the machine that a command is for; got it 2 times",
    "a/m-{machine_id}": "must have {machine_id} and {publisher} as whole levels, got m-{machine_id}",
    "a/by-{publisher}/{machine_id}": "must have {machine_id} and {publisher} as whole levels, got by-{publisher}",
    "{publisher}/{publisher}/{machine_id}": "must have {publisher} at most once, got it 2 times",
    "a/{type}/{machine_id}": "may have only {prefix} {publisher} {machine_id} in braces, got {type}",
    "a/+/{machine_id}": "must not contain the wildcards +",
    "{machine_id}/#": "must not contain the wildcards #",
    "$share/g/{machine_id}": "must not start with $, which is reserved for the broker",
    "a//{machine_id}": "must not have an empty level: no / at either end, and no //",
    "{machine_id": "has an unmatched brace",
    "": "must not be empty",
}


def plant(topic: str, **changes: Any) -> dict[str, Any]:
    """The default plant with commands on a topic."""
    return {**plants.default(), "commands": {"topic": topic}, **changes}


@pytest.mark.parametrize("topic", WRONG)
def test_a_topic_that_breaks_a_rule_is_refused_with_its_place(topic: str) -> None:
    """As each error of the file."""
    with pytest.raises(PlantConfigError) as raised:
        parse(plant(topic))

    [error] = map(str, raised.value.mistakes)
    assert error.startswith(f"configuration: commands.topic: {WRONG[topic]}")


def test_all_its_errors_are_reported_at_once() -> None:
    """Beside those of other sections."""
    with pytest.raises(PlantConfigError) as raised:
        parse(plant("$a/+/{x}", flow={"nonsense": 1}))

    text = str(raised.value)
    assert all(words in text for words in ("must not start with $", "wildcards +", "got {x}", "got it 0 times", "flow"))


def test_without_the_section_the_topic_is_the_default() -> None:
    """And so it is where the section is empty."""
    assert command_template(parse(plants.default()).commands) == DEFAULT_TOPIC
    assert command_template(parse({**plants.default(), "commands": {}}).commands) == DEFAULT_TOPIC
    assert command_template(parse(plant("x/{machine_id}")).commands) == "x/{machine_id}"


def loaded(yaml: str, **options: object) -> PlantConfig:
    """A plant as the simulator loads it."""
    settings = Settings.load({}, options, pid=1)
    return PlantLoader(settings, topic_template).parse(yaml.encode(), Path("plant.yaml"))


YAML = """
message_types:
  cnc_machine: {{count: 3, topic: "{topic}"}}
{commands}
"""


@pytest.mark.parametrize(
    ("topic", "commands", "options"),
    [
        ("{prefix}/commands/{type}/{machine_id}", "", {"mqtt_commands": True}),
        ("{prefix}/do/{machine_id}", 'commands: {topic: "{prefix}/do/{machine_id}"}', {}),
        ("{prefix}/do/{number:02d}", 'commands: {topic: "{prefix}/do/{machine_id}"}', {}),
        ("{prefix}/do/cnc", 'commands: {topic: "{prefix}/do/{machine_id}"}', {}),
        ("{prefix}/{type}", 'commands: {topic: "{prefix}/cnc_machine/{machine_id}"}', {"topic_layout": "machine"}),
    ],
)
def test_a_topic_that_the_plant_publishes_to_is_refused(topic: str, commands: str, options: dict[str, object]) -> None:
    """A message of the plant would return as a command."""
    with pytest.raises(PlantConfigError, match=r"commands\.topic: must not match a topic that the plant publishes to"):
        loaded(YAML.format(topic=topic, commands=commands), **options)


@pytest.mark.parametrize(
    ("topic", "commands", "options"),
    [
        ("{prefix}/commands/{type}/{machine_id}", "", {}),
        ("{prefix}/{machine_id}/a/b", "", {"mqtt_commands": True}),
        ("{prefix}/{type}", 'commands: {topic: "{prefix}/cnc_machine/{machine_id}"}', {}),
        ("{prefix}/{type}", "commands: {}", {"mqtt_commands": True}),
    ],
)
def test_a_topic_beside_those_of_the_plant_is_taken(topic: str, commands: str, options: dict[str, object]) -> None:
    """No machine is called `commands`, and without commands nothing can return."""
    assert loaded(YAML.format(topic=topic, commands=commands), **options).machines()


def test_oee_reports_and_labels_are_topics_of_the_plant_too() -> None:
    """Their topics have the machine's id below a level of their own."""
    reports = "message_types:\n  cnc_machine: {count: 3}\n  oee: {enabled: true}\n"
    with pytest.raises(PlantConfigError, match="factory/oee/CNC-01 of oee"):
        loaded(f'{reports}commands: {{topic: "{{prefix}}/oee/{{machine_id}}"}}\n')
