"""Facts about alarms after another configuration has been applied."""

from __future__ import annotations

from typing import Any

import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig
from tests.plant.alarms.plants import Event, events, meters

HOT: dict[str, Any] = {"temperature": {"base": 81.5, "decimals": 1}}


def plant_with(alarms: dict[str, Any], count: int = 12) -> PlantConfig:
    """Machines whose temperature is always 81.5."""
    return meters(HOT, alarms, count)


def after(plant: FactoryMessageGenerator, config: PlantConfig) -> list[Event]:
    """The events of ten seconds after a reload."""
    plant.reload(config)
    return events(plant.advance(plant.now + 10.0))


@pytest.fixture
def plant() -> FactoryMessageGenerator:
    """Twelve machines whose alarm is raised."""
    plant = FactoryMessageGenerator.of(plant_with({"temperature": {"high": 80}}), 1)
    plant.advance(START + 5.0)
    return plant


def active(plant: FactoryMessageGenerator) -> int:
    """How many alarms are active."""
    return sum(plant.snapshot().active_alarms.values())


def test_an_alarm_that_stays_is_not_raised_again(plant: FactoryMessageGenerator) -> None:
    """Also if another one is added before it."""
    found = after(plant, plant_with({"temperature": {"severity": "info", "high": 80, "low": 10}}))

    assert found == []
    assert active(plant) == 12


def test_an_alarm_with_another_limit_is_cleared_by_that(plant: FactoryMessageGenerator) -> None:
    """Once in each machine, with its next message."""
    found = after(plant, plant_with({"temperature": {"high": 90, "clear_below": 85}}))

    assert sorted((event.machine_id, event.event) for event in found) == [
        (f"METER-{number:02d}", "cleared") for number in range(1, 13)
    ]
    assert active(plant) == 0


def test_an_alarm_whose_declaration_goes_away_ends_without_a_message(plant: FactoryMessageGenerator) -> None:
    """And is raised again if it is declared again."""
    gone = after(plant, plant_with({"temperature": {"other": {"high": 95}}}))
    without = active(plant)
    back = after(plant, plant_with({"temperature": {"high": 80}}))

    assert gone == []
    assert without == 0
    assert {event.event for event in back} == {"raised"}
    assert len(back) == 12


def test_machines_that_are_added_raise_their_alarms(plant: FactoryMessageGenerator) -> None:
    """Those that were there do not."""
    found = after(plant, plant_with({"temperature": {"high": 80}}, count=14))

    assert sorted(event.machine_id for event in found) == ["METER-13", "METER-14"]
    assert active(plant) == 14


def test_machines_that_are_removed_have_no_active_alarms(plant: FactoryMessageGenerator) -> None:
    """They are not cleared either: nobody is there."""
    found = after(plant, plant_with({"temperature": {"high": 80}}, count=3))

    assert found == []
    assert active(plant) == 3


def test_messages_are_numbered_on_after_a_reload(plant: FactoryMessageGenerator) -> None:
    """Also if there were no alarms in between."""
    plant.reload(meters(HOT, {}, 12))
    plant.advance(plant.now + 5.0)
    plant.reload(plant_with({"temperature": {"high": 80}}))
    messages = [each for each in plant.advance(plant.now + 5.0) if each.kind == "meter.alarms"]

    assert {message.sequence for message in messages} == {2}


def test_the_time_beyond_a_limit_goes_on_in_a_reload() -> None:
    """A delay does not begin again."""
    delayed = {"temperature": {"high": 80, "delay_seconds": 8}}
    plant = FactoryMessageGenerator.of(plant_with(delayed), 1)
    plant.advance(START + 5.0)
    found = after(plant, plant_with({**delayed, "temperature": {**delayed["temperature"], "severity": "critical"}}))

    assert {(event.time_ms / 1000 - START) // 1 for event in found} == {8}
    assert len(found) == 12


def test_a_reload_that_is_taken_back_changes_no_alarm(plant: FactoryMessageGenerator) -> None:
    """Nor does its rehearsal."""
    before = plant.snapshot()
    plant.try_out(plant_with({"temperature": {"high": 90, "clear_below": 85}}, count=3)).take_back()

    assert plant.snapshot() == before
    assert events(plant.advance(plant.now + 10.0)) == []
