"""What is shown of machines is what their messages have, and showing it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random  # noqa: TID251 - makes plants; no part of one
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fuzz.plants import entries
from messages import START, FactoryMessageGenerator, NoSuchMachine, SnapshotOutdated
from plant.definition.plant_config import PlantConfig
from plant.telemetry import MachineFilter, Message
from plant.views.machine_view import MachineView
from plant.views.plant_views import ViewQuery
from tests.support.examples import examples
from tests.support.factory.acted_on import PLANTS, Timed, attempt, played, press, random_log, read
from tests.support.factory.ownplants import usually

SECONDS = 120.0
CUTS = st.lists(st.floats(0, SECONDS), min_size=20, max_size=40)
BEGIN_MS = round(START * 1000)


def everything_shown(plant: FactoryMessageGenerator) -> list[MachineView]:
    """Each machine of a plant, from the list and with its signals."""
    found = [each.view for group in plant.views().machines(ViewQuery()) for each in group]
    details = [plant.views().machine(each.machine_id) for each in found]
    assert [each and each.machine for each in details] == found
    return found


def looked_at(config: PlantConfig, log: Sequence[Timed], cuts: Sequence[float]) -> list[Message]:
    """The messages of a run in which all is shown at each cut, and before and after each command."""
    plant, messages = FactoryMessageGenerator.of(config, 1), list[Message]()
    due = sorted(
        [*((START + each, None) for each in cuts), *((at / 1000, each) for at, each in log)], key=lambda e: e[0]
    )
    for at, command in due:
        messages += plant.advance(at)
        everything_shown(plant)
        if command is not None:
            attempt(plant, command)
            everything_shown(plant)
    return messages + plant.advance(START + SECONDS)


@pytest.mark.parametrize("name", PLANTS)
@given(seed=st.integers(0, 10**9), cuts=CUTS)
@settings(max_examples=examples(1), phases=(Phase.generate,))
def test_showing_machines_changes_no_message(name: str, seed: int, cuts: list[float]) -> None:
    """Whenever they are shown, with commands and reloads in between."""
    config, log = read(PLANTS[name]), random_log(seed, 60, SECONDS, PLANTS[name])

    assert looked_at(config, log, cuts) == played(config, log, SECONDS).messages


@given(chance=st.randoms(use_true_random=False), seed=st.integers(0, 10**9), cuts=CUTS)
@settings(usually, max_examples=examples(15, 5))
def test_showing_machines_of_any_plant_changes_no_message(chance: Random, seed: int, cuts: list[float]) -> None:
    """Whatever it has."""
    data = entries.plant(chance)
    config, log = read(data), random_log(seed, 20, SECONDS, data, reloads=0)

    assert looked_at(config, log, cuts) == played(config, log, SECONDS).messages


def pressing() -> FactoryMessageGenerator:
    """Presses that have run for a while."""
    plant = FactoryMessageGenerator.of(read(press()), 1)
    plant.advance(START + 1000)
    return plant


def test_a_machine_is_shown_as_its_messages_have_it() -> None:
    """At the moment of a message: state, job, progress, each signal."""
    plant = pressing()
    messages = [each for each in plant.advance(START + 1100) if each.kind == "press.production"]
    checked, other = 0, FactoryMessageGenerator.of(read(press()), 1)
    for message in messages[:40]:
        said: dict[str, Any] = json.loads(message.payload)
        other.advance(message.time_ms / 1000)
        found = other.views().machine(said["machine_id"])
        assert found is not None
        signals = {each.name: json.loads(each.value) for each in found.signals}
        assert signals == {name: said[name] for name in signals}
        assert found.machine.state == said["status"]
        checked += 1

    assert checked == 40


def test_faults_alarms_and_set_points_are_shown_as_they_are_now() -> None:
    """What a command has done is shown at once."""
    plant = pressing()
    plant.execute({"command": "inject", "machine_id": "PRESS-02", "fault": "bearing_damage", "severity": 2})
    plant.execute({"command": "set_point", "machine_id": "PRESS-02", "signal": "feed", "value": 200})
    plant.execute({"command": "stop", "machine_id": "PRESS-02"})
    plant.advance(START + 1015)
    found = plant.views().machine("PRESS-02")

    assert found is not None
    (cause,) = (each for each in found.machine.causes if each.name == "bearing_damage")
    assert (cause.since_ms, cause.severity, cause.why) == (BEGIN_MS + 1_000_000, 2.0, "command")
    assert cause.level == pytest.approx(1.0)  # half of its ramp has passed
    assert (found.machine.state, found.machine.since_ms) == ("stopped", BEGIN_MS + 1_000_000)
    assert {each.name: each.set_point for each in found.signals}["feed"] == 200.0


def test_machines_are_selected_by_type_state_fault_text_and_place() -> None:
    """And are in order."""
    plant = pressing()
    for machine_id in ("PRESS-02", "PRESS-04"):
        plant.execute({"command": "stop", "machine_id": machine_id})
    plant.execute({"command": "inject", "machine_id": "PRESS-04", "fault": "jam"})

    def ids(query: ViewQuery) -> list[str]:
        return [each.view.machine_id for group in plant.views().machines(query) for each in group]

    assert ids(ViewQuery()) == ["PRESS-01", "PRESS-02", "PRESS-03", "PRESS-04"]
    assert ids(ViewQuery(state="stopped")) == ["PRESS-02", "PRESS-04"]
    assert ids(ViewQuery(MachineFilter(after="PRESS-02"), state="stopped")) == ["PRESS-04"]
    assert ids(ViewQuery(cause="jam")) == ["PRESS-04"]
    assert ids(ViewQuery(MachineFilter("press", "PRESS-03"))) == ["PRESS-04"]
    assert ids(ViewQuery(text="ss-03")) == ["PRESS-03"]
    assert ids(ViewQuery(state="stopped", text="04")) == ["PRESS-04"]
    assert ids(ViewQuery(text="CNC")) == []
    with pytest.raises(NoSuchMachine):
        ids(ViewQuery(MachineFilter("pres")))


def test_what_is_shown_of_a_plant_that_is_reloaded_meanwhile_is_outdated() -> None:
    """It is read again."""
    plant = FactoryMessageGenerator.of(read(press(count=300)), 1)
    groups = plant.views().machines(ViewQuery())
    next(groups)
    plant.reload(read(press(count=299)))

    with pytest.raises(SnapshotOutdated):
        list(groups)


def test_a_machine_of_another_shard_is_not_shown() -> None:
    """Each shard shows its own."""
    shards = [FactoryMessageGenerator.of(read(press()), 1, shard=(k, 2)) for k in (1, 2)]
    found = [[each.views().machine(f"PRESS-{n:02}") is not None for n in range(1, 6)] for each in shards]

    assert found == [[True, False, True, False, False], [False, True, False, True, False]]


VIBRATION = {"vibration": {"base": {"running": 2, "else": 0.1}, "noise": 0.1}}
METERED = {
    "state": {"fields": ["timestamp", "machine_id", "status"], "report_seconds": 3, "on_change": True},
    "energy": {"fields": ["timestamp", "machine_id", "vibration"], "report_seconds": 7},
}


@pytest.mark.parametrize(
    ("messages", "signals"),
    [(METERED, VIBRATION), (None, VIBRATION), (None, None)],
    ids=["classes", "one class", "no signals"],
)
def test_readings_are_the_regular_messages_of_a_machine(
    messages: dict[str, Any] | None, signals: dict[str, Any] | None
) -> None:
    """How many so far, and when the last was, also after another period was set; of the class without others."""
    without = dict.fromkeys(("job", "faults", "wear", "sensor_faults"))
    data = press(**without, messages=messages, signals=signals, report_seconds=None if messages else 7)
    plant = FactoryMessageGenerator.of(read(data), 1)
    assert plant.views().machine("PRESS-03").readings == (7.0, 0, None)  # type: ignore[union-attr]
    sent = [*plant.advance(START + 100)]
    plant.execute({"command": "rate", "messages_per_second": 20})
    sent += plant.advance(START + 200)
    kind = "press.energy" if messages else "press"
    times = [each.time_ms for each in sent if each.kind == kind and each.payload.count(b"PRESS-03")]
    found = plant.views().machine("PRESS-03")

    assert found
    assert found.readings
    assert len(times) > 30
    assert (found.readings.sent, found.readings.last_ms) == (len(times), times[-1])
    assert found.readings.period_seconds == pytest.approx((times[-1] - times[-6]) / 5000, rel=0.01)


def test_machines_are_listed_with_all_that_they_have() -> None:
    """Where that is asked for: the same as of each alone."""
    plant = pressing()
    found = [each.details for group in plant.views().machines(ViewQuery(is_detailed=True)) for each in group]

    assert found == [plant.views().machine(f"PRESS-{number:02}") for number in range(1, 5)]
    assert [each.details for group in plant.views().machines(ViewQuery()) for each in group] == [None] * 4
