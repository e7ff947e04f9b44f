"""The number of a machine in topics, as it is in its id."""

from __future__ import annotations

from functools import partial
from typing import Final

import pytest

from edge.routing import PublishedTopics, TopicRouter
from messages import START, FactoryMessageGenerator, topic_template
from plant.catalogue.catalogue import catalogue
from plant.definition.plant_config import PlantConfig, PlantConfigError, load_content
from plant.telemetry import Message
from tests.support.exports.schemas import export_of

PLANT: Final = """
message_types:
  press:
    count: 12
    machine_id: "L2-PRESS-{number:02d}-A7"
    first_number: 95
    report_seconds: 5
    topic: "{prefix}/p{number:03d}/{machine_id}/{{number}}"
    signals: {heat: {base: 5}}
    alarms: {heat: {high: 4, topic: "{prefix}/alarms/{number}"}}
  mill:
    count: 2
    topic: "{prefix}/mills/{number}"
    messages:
      main: {fields: [machine_id]}
      other: {fields: [machine_id, heat], topic: "{prefix}/{class}/{number:02d}"}
    signals: {heat: {base: 5}}
"""


def plant(text: str = PLANT) -> PlantConfig:
    """A plant, read as a file is."""
    return load_content(text.encode(), "plant.yaml")


def topics(config: PlantConfig) -> TopicRouter:
    """The router of its messages."""
    return TopicRouter(partial(topic_template, config), "site")


def test_a_topic_has_the_number_in_the_machines_id() -> None:
    """Counted from first_number, padded as the topic says; two braces stand for one."""
    config = plant()
    router = topics(config)
    sent = {router.topic(each) for each in FactoryMessageGenerator.of(config, 1, start=START).advance(START + 30)}
    numbers = range(95, 107)

    assert sent == {
        *(f"site/p{number:03d}/L2-PRESS-{number:02d}-A7/{{number}}" for number in numbers),
        *(f"site/alarms/{number}" for number in numbers),
        *("site/mills/1/main", "site/mills/2/main", "site/other/01", "site/other/02"),
    }


def test_exports_have_the_same_topics() -> None:
    """AsyncAPI, assets and the like list the topics that are published to."""
    config = plant()
    export = export_of(config, prefix="site")
    listed = {kind.key: export.topics.topics_of(kind) for kind in catalogue(config)}

    assert listed["mill.other"] == ("site/other/01", "site/other/02")
    assert listed["press.alarms-heat"] == tuple(sorted(f"site/alarms/{number}" for number in range(95, 107)))


def test_a_machine_of_before_a_reload_still_has_a_topic() -> None:
    """Its message may still be queued while the pattern of ids is another one: its last number counts."""
    router = topics(plant())

    assert router.topic(Message("press", "PRESS-3", None, 0, 1, b"{}")) == "site/p003/PRESS-3/{number}"
    assert router.topic(Message("press", "PRESS", None, 0, 1, b"{}")) == "site/p000/PRESS/{number}"


def test_every_number_belongs_to_the_plants_topics() -> None:
    """Nobody else may answer on such a topic."""
    config = plant()
    published = PublishedTopics({kind: topic_template(config, kind) for kind in config.kinds}, "site")

    assert published.has("site/mills/17/main")
    assert published.overlapping("site/other/+") == ["mill.other"]
    assert not published.has("site/mills/17")


@pytest.mark.parametrize(
    ("topic", "rule"),
    [
        ("{prefix}/{numbr}", "may have only {prefix} {type} {machine_id} {station_id} {number} in braces, got {numbr}"),
        ("{prefix}/{number:3d}", 'must have only a name in braces, got "{prefix}/{number:3d}"'),
        ("{prefix}/{type:02d}", 'must have only a name in braces, got "{prefix}/{type:02d}"'),
    ],
)
def test_other_forms_are_refused(topic: str, rule: str) -> None:
    """The number is written as in machine_id."""
    with pytest.raises(PlantConfigError) as raised:
        plant(f'message_types:\n  press: {{topic: "{topic}", signals: {{a: {{base: 1}}}}}}\n')

    assert [each.rule for each in raised.value.mistakes] == [rule]


def test_messages_of_no_machine_have_no_number() -> None:
    """Orders, reports and labels are of the whole plant, or have a template of their own."""
    with pytest.raises(PlantConfigError, match=r"oee\.topic: may have only .* in braces, got \{number\}"):
        plant('message_types:\n  oee: {topic: "{prefix}/{number}"}\n')
