"""What a reload does to machines whose states have other shares or stays, and how it describes the changes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from messages import START, FactoryMessageGenerator
from plant.config_changes import describe_changes
from plant.definition.calendar_config import CalendarSpec
from plant.definition.plant_config import PlantConfig, load
from plant.telemetry import Message
from tests.support.factory.plants import ROOT, config, only, share_error

IDLE = {"running": 0.2, "idle": 0.6, "maintenance": 0.1, "faulted": 0.1}
DEFAULT = {"running": 0.7, "idle": 0.2, "maintenance": 0.08, "faulted": 0.02}


def running(plant: PlantConfig, seconds: float = 600.0, **options: Any) -> FactoryMessageGenerator:
    """A plant that has run for some time."""
    running = FactoryMessageGenerator.of(plant, 1, **options)
    running.advance_silently(START + seconds)
    return running


def mix(plant: FactoryMessageGenerator, key: str) -> dict[str, float]:
    """The share of a type's machines in each state."""
    states = [view.status for view in plant.machines() if view.kind == key]
    return {state: count / len(states) for state, count in Counter(states).items()}


def test_another_distribution_shows_at_once() -> None:
    """The machines are in the new mix at the moment of the reload, and stay in it."""
    plant, machines = running(only("cnc_machine", 3000)), 3000
    plant.reload(only("cnc_machine", 3000, status_distribution=IDLE))

    for seconds in (600, 900, 1800):
        plant.advance_silently(START + seconds)
        found = mix(plant, "cnc_machine")
        for state, share in IDLE.items():
            assert abs(found[state] - share) < 5 * share_error(share, machines), (seconds, state)


def test_jobs_ids_and_counters_stay() -> None:
    """Only the state is another one."""
    plant = running(only("cnc_machine", 200))
    before = {view.machine_id: view for view in plant.machines()}
    plant.reload(only("cnc_machine", 200, status_distribution=IDLE))

    for view in plant.machines():
        was = before[view.machine_id]
        assert view._replace(status=was.status) == was
    assert mix(plant, "cnc_machine")["idle"] > 0.4


def test_other_stays_are_drawn_again_too() -> None:
    """Stays that were drawn by the old lengths would keep the old pace of change for that time."""
    slow = {"dwell_seconds": dict.fromkeys(DEFAULT, 100_000.0)}
    plant = running(only("cnc_machine", 500, **slow))
    plant.reload(only("cnc_machine", 500, dwell_seconds=dict.fromkeys(DEFAULT, 60.0)))
    at_first = [view.status for view in plant.machines()]
    plant.advance_silently(START + 1200)

    stayed = sum(was == view.status for was, view in zip(at_first, plant.machines(), strict=True))
    assert stayed / 500 < 0.7**2 + 0.2**2 + 0.08**2 + 0.02**2 + 0.1


def test_a_suspended_machine_resumes_in_the_new_mix() -> None:
    """After a reload in the break the machines have the new distribution."""
    calendar = {"time_zone": "UTC", "breaks": [{"start": "00:05", "end": "00:15"}]}
    with_break = only("cnc_machine", 1000).model_copy(update={"calendar": load_calendar(calendar)})
    changed = only("cnc_machine", 1000, status_distribution=IDLE).model_copy(update={"calendar": with_break.calendar})
    plant = running(with_break)
    plant.reload(changed)

    assert mix(plant, "cnc_machine") == {"planned_stop": 1.0}
    plant.advance_silently(START + 901)
    assert abs(mix(plant, "cnc_machine")["idle"] - 0.6) < 5 * share_error(0.6, 1000)


def load_calendar(data: dict[str, Any]) -> CalendarSpec:
    """A calendar from plain data."""
    return CalendarSpec.model_validate(data)


def test_machines_of_other_types_do_not_notice() -> None:
    """Their messages are the same to the byte."""
    plant, twin = running(config()), running(config())
    plant.reload(config(cnc_machine={"status_distribution": IDLE}))

    def others(messages: list[Message]) -> list[Message]:
        return [message for message in messages if message.kind != "cnc_machine"]

    ours, theirs = plant.advance(START + 3600), twin.advance(START + 3600)
    assert others(ours) == others(theirs)
    assert ours != theirs


def test_the_same_mix_in_other_numbers_changes_nothing() -> None:
    """Shares are weights: 70/20/8/2 is .7/.2/.08/.02, and a state of weight 0 is none."""
    plant, twin = running(config()), running(config())
    plant.reload(
        config(cnc_machine={"status_distribution": {"running": 70, "idle": 20, "maintenance": 8, "faulted": 2}})
    )

    assert plant.advance(START + 3600) == twin.advance(START + 3600)


@pytest.mark.parametrize("shard", [1, 2])
def test_the_same_reload_at_the_same_time_gives_the_same_messages(shard: int) -> None:
    """Also in a part of the plant."""
    said = []
    for _ in range(2):
        plant = running(config(), shard=(shard, 2))
        plant.reload(config(cnc_machine={"status_distribution": IDLE}))
        said.append(plant.advance(START + 1800))

    assert said[0] == said[1]


def test_changes_are_described_in_a_few_words() -> None:
    """By type, with the new rate of the plant."""
    before = load(ROOT / "message_structure.yaml")
    after = config(
        {"welding": 6},
        cnc_machine={"status_distribution": IDLE, "cycle_time_range": [5.0, 6.0]},
        dispatch={"enabled": False},
    )

    assert describe_changes(before, after) == (
        "4.101 messages/s; changed: welding: 4 to 6 machines; cnc_machine: status_distribution, cycle_time_range; "
        "dispatch: enabled"
    )
    assert describe_changes(before, before) == "3.701 messages/s; changed: nothing"
    assert describe_changes(before, load(ROOT / "scenarios" / "two-shifts.yaml")).endswith("changed: calendar: new")
