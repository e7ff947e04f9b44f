"""What is the same for all messages of a source: its topic, QoS, retain flag, category, and machine."""

from __future__ import annotations

from collections import defaultdict

import pytest

from edge.delivery.sources import Sources
from edge.delivery.tap import About
from edge.routing import KindOptions, TopicRouter
from edge.traffic import ALARM, EVENT, ORDER, STATUS, TELEMETRY
from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, load, load_content
from plant.telemetry import Message
from tests.support.processes.daemon import ROOT

EVERYTHING = b"""
message_types:
  press:
    count: 3
    states: {running: {share: 0.9, dwell_seconds: 60, produces: true}, idle: {share: 0.1, dwell_seconds: 5}}
    job: {kinds: [panel], cycle_seconds: [1, 1.5], results: {good: 1}}
    report_seconds: 3
    qos: 0
    signals: {vibration: {base: 2, noise: 0.1, limits: [0, 50]}}
    faults: {damage: {every_hours: 0.02, duration_seconds: [20, 40], effects: {vibration: {plus: 40}}}}
    alarms: {vibration: {high: 20}}
  customer_order: {orders_per_hour: 600, product_types: [chair]}
  dispatch: {dispatches_per_hour: 600, destinations: [Bonn], carriers: [by_road]}
  oee: {enabled: true, report_seconds: 60}
  fault_labels: {enabled: true}
"""
SECONDS = 900


def described(config: PlantConfig, seconds: int = SECONDS, qos: int = 1) -> list[tuple[Message, About]]:
    """The messages of a plant, each with what is the same for its source."""
    plant = FactoryMessageGenerator.of(config, 1, start=START)
    options = KindOptions()
    options.replace(plant.qos_by_kind, plant.retained_kinds)
    sources = Sources(TopicRouter(plant.topic_template, "factory").topic, lambda: config, qos, options)
    return [(message, sources(message)) for message in plant.advance(START + seconds)]


@pytest.fixture(scope="module")
def everything() -> dict[str, list[tuple[Message, About]]]:
    """The messages of a plant that has all kinds, by kind."""
    found = defaultdict(list)
    for each in described(load_content(EVERYTHING, "plant.yaml")):
        found[each[0].kind].append(each)
    return found


def test_each_kind_has_its_category(everything: dict[str, list[tuple[Message, About]]]) -> None:
    """Orders and dispatches, reports, alarms and values; what is outside of the period is an event."""
    found = {(kind, message.trigger): about.category for kind, its in everything.items() for message, about in its}

    assert found == {
        ("press", ""): TELEMETRY,
        ("press", "job"): EVENT,
        ("press.alarms", ""): ALARM,
        ("customer_order", ""): ORDER,
        ("dispatch", ""): ORDER,
        ("oee", ""): EVENT,
        ("fault_labels", ""): EVENT,
    }


def test_a_message_is_about_its_machine_also_where_that_is_not_its_source(
    everything: dict[str, list[tuple[Message, About]]],
) -> None:
    """Reports and labels have the machine in their source, and orders have none."""
    found = {kind: {about.machine_id for _, about in its} for kind, its in everything.items()}
    machines = {"PRESS-01", "PRESS-02", "PRESS-03"}

    assert found["customer_order"] == found["dispatch"] == {None}
    assert found["press"] == found["oee"] == machines
    assert found["press.alarms"] <= machines
    assert found["fault_labels"] <= machines


def test_qos_and_retain_flag_are_those_of_the_kind_or_of_the_run(
    everything: dict[str, list[tuple[Message, About]]],
) -> None:
    """Reports are retained, whatever else is."""
    found = {kind: {(about.qos, about.retain) for _, about in its} for kind, its in everything.items()}

    assert found["press"] == {(0, False)}
    assert found["dispatch"] == {(1, False)}
    assert found["oee"] == {(1, True)}


def test_what_reports_nothing_but_a_state_is_a_status() -> None:
    """As in the sandbox, whose devices have a topic for it."""
    found = {about.topic.split("/")[1]: about.category for _, about in described(load(ROOT / "scenarios/sandbox.yaml"))}

    assert found == {"telemetry": TELEMETRY, "state": STATUS, "alarms": ALARM}
