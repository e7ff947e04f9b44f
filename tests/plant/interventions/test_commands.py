"""What each command does to a plant, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from messages import START, CommandRefused, FactoryMessageGenerator
from plant.definition.plant_config import load
from plant.truth.events import FaultEpisode, StateInterval
from tests.support.factory.acted_on import CALENDAR, PLANTS, PRESS, attempt, content, plain, press, read
from tests.support.factory.plants import ROOT, rows

QUIET: dict[str, Any] = {
    "faults": {"jam": {"effects": {"cycle_seconds": {"times": 2}}}},
    "sensor_faults": None,
    "wear": None,
}
STEADY = {"running": {"share": 1, "dwell_seconds": 1e6, "produces": True}, "faulted": {"share": 0, "dwell_seconds": 9}}


def begun(data: dict[str, Any], seconds: float = 10) -> FactoryMessageGenerator:
    """A plant that has run for some seconds."""
    plant = FactoryMessageGenerator.of(read(data), 1)
    plant.advance(START + seconds)
    return plant


def quiet() -> FactoryMessageGenerator:
    """Presses that run, and to which nothing happens by itself."""
    return begun(press(**QUIET, states=STEADY))


def do(plant: FactoryMessageGenerator, command: str, machine_id: str = "PRESS-01", **more: Any) -> Any:
    """Execute a command for a machine."""
    return plant.execute({"command": command, "machine_id": machine_id, **more})


def state(plant: FactoryMessageGenerator, machine_id: str = "PRESS-01") -> str:
    """The state that the last message or event of a machine has left it in."""
    return str(plant.machine_states[machine_id]["status"])


def later(plant: FactoryMessageGenerator, seconds: float, machine_id: str = "PRESS-01") -> list[dict[str, Any]]:
    """The messages of a machine in the next seconds."""
    messages = plant.advance(plant.now + seconds)
    return rows(message for message in messages if message.source.partition("/")[0] == machine_id)


def refused(plant: FactoryMessageGenerator, command: dict[str, Any]) -> str:
    """Why a command is refused; what follows is as without it."""
    with pytest.raises(CommandRefused) as error:
        plant.execute(command)
    return str(error.value)


def test_a_stopped_machine_is_stopped_until_it_is_started() -> None:
    """It makes nothing meanwhile; then it goes on with its job, for which it has lost only that time."""
    plant, twin = quiet(), quiet()
    assert do(plant, "stop") == {"machine_id": "PRESS-01", "state": "stopped"}
    assert {row["status"] for row in later(plant, 100)} == {"stopped"}
    assert do(plant, "start") == {"machine_id": "PRESS-01", "state": "running"}
    plant.advance(START + 400)
    twin.advance(START + 300)

    assert plant.oee()[0].jobs == twin.oee()[0].jobs > 40
    assert plant.oee()[0].stopped_seconds == {"stopped": 100.0}


@pytest.mark.parametrize("pattern", ["c0-{number:010d}07", "9{number}", "{number:03d}1", "7-{number}-1"])
def test_a_machine_is_found_by_its_id_whatever_digits_stand_around_its_number(pattern: str) -> None:
    """The number is where the pattern has it."""
    plant = begun(press(**QUIET, states=STEADY, machine_id=pattern, first_number=0))
    machine_id = pattern.format(number=1)

    assert do(plant, "stop", machine_id) == {"machine_id": machine_id, "state": "stopped"}
    assert plant.views().view(machine_id) is not None


def test_stop_and_start_may_be_repeated() -> None:
    """Two stops are one, and a start of a machine that is not stopped changes nothing."""
    plant, twin = quiet(), quiet()
    do(twin, "stop")
    for command in ("start", "stop", "stop"):
        do(plant, command)
    assert later(plant, 20) == later(twin, 20)
    for each in (plant, twin):
        do(each, "start")
    do(plant, "start")

    assert plant.advance(START + 100) == twin.advance(START + 100)


def test_a_stop_outlasts_reloads() -> None:
    """Also one that draws the states again; of a type that is switched off and on, the machines are new ones."""
    plant = quiet()
    do(plant, "stop")
    for states in (STEADY, PRESS["states"], STEADY):
        plant.reload(read(press(**QUIET, states=states)))
        plant.advance(plant.now + 50)
        assert state(plant) == "stopped"
    do(plant, "start")

    assert state(plant) == "running"


@pytest.mark.parametrize(("start_at", "then"), [(150, {"planned_stop"}), (200, {"running", "idle", "setup"})])
def test_a_stop_outlasts_planned_stops(start_at: int, then: set[str]) -> None:
    """It is in force before, within and after one, here from 120 to 180 s; a start within one takes effect then."""
    plant = begun(plain(calendar=CALENDAR))
    do(plant, "stop", "CNC-01")
    for moment in (119, 121, start_at):
        plant.advance(START + moment)
        assert state(plant, "CNC-01") == "stopped"
    do(plant, "start", "CNC-01")
    assert state(plant, "CNC-01") in then
    plant.advance(START + 210)
    assert state(plant, "CNC-01") not in ("stopped", "planned_stop")


def test_a_machine_that_waits_for_pieces_can_be_stopped_and_waits_no_longer_than_it_has_to() -> None:
    """Stopped hides blocked and starved; after the start it is what it would be."""
    plant = begun(PLANTS["flow"], 200)
    waiting = [name for name, each in plant.machine_states.items() if each["status"] in ("blocked", "starved")]
    assert waiting
    before = state(plant, waiting[0])
    do(plant, "stop", waiting[0])
    assert state(plant, waiting[0]) == "stopped"
    do(plant, "start", waiting[0])
    assert state(plant, waiting[0]) == before
    do(plant, "stop", waiting[0])
    assert {row["status"] for row in later(plant, 100, waiting[0])} == {"stopped"}
    assert next(each.jobs for each in plant.oee() if each.machine_id == waiting[0]) >= 0


def test_a_state_that_is_set_lasts_as_long_as_was_asked() -> None:
    """Without seconds the stay is drawn."""
    plant, stays = quiet(), list[StateInterval]()
    plant.listen(lambda event: stays.append(event) if isinstance(event, StateInterval) else None)
    assert do(plant, "set_state", state="faulted", seconds=7)["state"] == "faulted"
    plant.advance(START + 30)
    do(plant, "set_state", state="faulted")
    plant.advance(START + 300)
    lengths = [each.to_ms - each.from_ms for each in stays if each.state == "faulted"]

    assert lengths[0] == 7000
    assert len(lengths) == 2
    assert lengths[1] not in (0, 7000)


def test_a_stopped_machine_enters_a_state_that_is_set_when_it_is_started() -> None:
    """For as long as was asked, counted from then."""
    plant = quiet()
    do(plant, "stop")
    assert do(plant, "set_state", state="faulted", seconds=7)["state"] == "stopped"
    assert {row["status"] for row in later(plant, 50)} == {"stopped"}
    do(plant, "start")
    plant.advance(plant.now + 6.9)
    plant.oee()
    assert state(plant) == "faulted"
    plant.advance(plant.now + 0.2)
    plant.oee()
    assert state(plant) == "running"


def test_an_injected_fault_has_its_severity_and_its_time() -> None:
    """It is labelled with its cause; while it is there it cannot begin again, and `clear` ends it."""
    plant, episodes = quiet(), list[FaultEpisode]()
    plant.listen(lambda event: episodes.append(event) if isinstance(event, FaultEpisode) else None)
    assert do(plant, "inject", fault="jam", severity=2, seconds=7) == {"machine_id": "PRESS-01", "faults": {"jam": 2.0}}
    assert "is there already: clear it first" in refused(
        plant, {"command": "inject", "machine_id": "PRESS-01", "fault": "jam"}
    )
    plant.advance(START + 20)
    do(plant, "inject", fault="jam", severity=0.5)
    plant.advance(START + 60)
    assert do(plant, "clear") == {"machine_id": "PRESS-01", "faults": {}}

    assert [(each.severity, each.from_ms, each.to_ms, each.why) for each in episodes] == [
        (2.0, round((START + 10) * 1000), round((START + 17) * 1000), "command"),
        (0.5, round((START + 20) * 1000), round((START + 60) * 1000), "command"),
    ]
    assert "is not there" in refused(plant, {"command": "clear", "machine_id": "PRESS-01", "fault": "jam"})


def test_a_set_point_moves_its_signal_with_its_lag() -> None:
    """A signal with a time constant of 30 s is two thirds of the way after 33 s, and keeps the value over reloads."""
    plant = quiet()
    assert do(plant, "set_point", signal="feed", value=240) == {
        "machine_id": "PRESS-01",
        "signal": "feed",
        "value": 240.0,
    }
    feeds = [row["feed"] for row in later(plant, 60) if "feed" in row]
    assert feeds[0] < 195
    assert feeds[10] == pytest.approx(220, abs=5)
    assert feeds[-1] == pytest.approx(232, abs=4)
    plant.reload(read(press(**QUIET, states=STEADY, lines=[1, 2])))
    assert [row["feed"] for row in later(plant, 200) if "feed" in row][-1] == pytest.approx(240, abs=4)


@pytest.mark.parametrize(
    ("command", "changed"),
    [
        ({"command": "scale", "message_type": "press", "count": 6}, press(count=6)),
        ({"command": "scale", "message_type": "press", "count": 1}, press(count=1)),
        ({"command": "rate", "messages_per_second": 12}, {**press(), "global": {"target_rate": 12}}),
        ({"command": "disable", "message_type": "press"}, press(enabled=False)),
        ({"command": "reload", "content": content(press(wear=None))}, press(wear=None)),
    ],
    ids=["more", "fewer", "rate", "disable", "reload"],
)
def test_a_command_that_changes_the_plant_is_the_reload_of_a_yaml_that_says_so(
    command: dict[str, Any], changed: dict[str, Any]
) -> None:
    """Message for message, then and after the YAML of the beginning applies again."""
    plant, twin = begun(press()), begun(press())
    plant.execute(command)
    twin.reload(read(changed))
    assert plant.advance(START + 100) == twin.advance(START + 100)
    for each in (plant, twin):
        each.reload(read(press()))
    assert plant.advance(START + 200) == twin.advance(START + 200)


def test_a_number_of_machines_can_be_taken_back() -> None:
    """Those that stay have noticed nothing."""
    plant, twin = begun(press()), begun(press())
    for count in (9, 4):
        plant.execute({"command": "scale", "message_type": "press", "count": count})

    assert plant.advance(START + 60) == twin.advance(START + 60)


def test_a_machine_that_is_gone_and_comes_back_goes_on_with_its_numbers() -> None:
    """As after a reload: messages are counted on, and a stop is forgotten."""
    plant = quiet()
    do(plant, "stop", "PRESS-04")
    before = max(each.sequence for each in plant.advance(START + 60) if each.source == "PRESS-04/production")
    for count in (3, 4):
        plant.execute({"command": "scale", "message_type": "press", "count": count})
    following = [each.sequence for each in plant.advance(START + 70) if each.source == "PRESS-04/production"]

    assert following[0] == before + 1
    assert state(plant, "PRESS-04") == "running"


def test_a_rate_can_be_taken_back() -> None:
    """Without messages_per_second the periods are those of the YAML."""
    plant = begun(press())
    counts = []
    for rate in (12, None):
        plant.execute({"command": "rate", "messages_per_second": rate})
        messages = plant.advance(plant.now + 60)
        counts.append(sum(1 for each in messages if each.kind == "press.production" and not each.trigger))

    assert counts[0] == pytest.approx(60 * 12, abs=5)
    assert counts[1] == pytest.approx(60 * 4 / 3, abs=5)


def test_orders_can_be_switched_off_and_on() -> None:
    """There are no messages of them meanwhile."""
    plant = begun(plain())
    for command, there in (("disable", False), ("enable", True)):
        plant.execute({"command": command, "message_type": "customer_order"})
        kinds = {message.kind for message in plant.advance(plant.now + 120)}
        assert ("customer_order" in kinds) is there


def on_press(command: str, **keys: object) -> dict[str, Any]:
    """Return a command for the first press."""
    return {"command": command, "machine_id": "PRESS-01", **keys}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "command": ({"command": "halt"}, "command: must be one of stop, start, set_state"),
    "no command": ({}, "command: is missing: one of stop"),
    "machine": ({"command": "stop", "machine_id": "PRESS-9"}, 'machine_id: no machine has the id "PRESS-9"'),
    "beyond": ({"command": "start", "machine_id": "PRESS-05"}, 'machine_id: no machine has the id "PRESS-05"'),
    "key": ({"command": "stop", "machine": "PRESS-01"}, "machine_id: is missing"),
    "state": (on_press("set_state", state="idel"), "did you mean idle"),
    "imposed": (on_press("set_state", state="stopped"), "must be a state of this type"),
    "fault": (on_press("inject", fault="jamm"), "did you mean jam"),
    "severity": (on_press("inject", fault="jam", severity=9), "severity: must be at most 5"),
    "seconds": (on_press("inject", fault="jam", seconds=0), "seconds: must be at least 0.001"),
    "signal": (on_press("set_point", signal="fed", value=1), "did you mean feed"),
    "no set point": (on_press("set_point", signal="made", value=1), "must be a signal with set_point"),
    "limits": (on_press("set_point", signal="feed", value=99), "value: must be within the limits, 100 to 250, got 99"),
    "type": ({"command": "scale", "message_type": "pres", "count": 1}, "did you mean press"),
    "count": ({"command": "scale", "message_type": "press", "count": -1}, "count: must be at least 0"),
    "rate": ({"command": "rate", "messages_per_second": 1e9}, "messages_per_second: must be at most"),
    "orders": ({"command": "disable", "message_type": "customer_order"}, "must be a key in message_types"),
    "content": ({"command": "reload", "content": "message_types: {press: {count: -1}}"}, "message_types.press"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_names_its_rule_and_changes_nothing(name: str) -> None:
    """Nothing is recorded either, and the messages and labels that follow are as without it."""
    command, rule = REFUSED[name]
    plant, twin = begun(press()), begun(press())
    recorded = list[object]()
    plant.listen(None, None, lambda *each: recorded.append(each))
    text = refused(plant, command)

    assert rule in text
    assert recorded == []
    assert plant.advance(START + 60) == twin.advance(START + 60)
    assert plant.oee() == twin.oee()


def test_what_a_configuration_raises_when_it_is_applied_refuses_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only what is wrong in it: a command never ends the run."""
    plant = begun(press())

    def fail(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(plant, "reload", fail)
    assert "cannot be used: ZeroDivisionError" in refused(plant, {"command": "rate"})


def test_a_command_for_one_machine_looks_at_no_other() -> None:
    """So it costs the same in a plant of any size."""
    config = load(ROOT / "message_structure.yaml")
    plant = FactoryMessageGenerator.of(config, 1)
    plant.advance(START + 100)
    before = next_events(plant)
    attempt(plant, {"command": "stop", "machine_id": "CNC-02"})
    after = next_events(plant)

    assert {name for name in after if after[name] != before[name]} == {"CNC-02"}


def next_events(plant: FactoryMessageGenerator) -> dict[str, int]:
    """When each machine has its next event, without advancing any."""
    return {machine.id: machine.next_ms for fleet in plant._parts.fleets for machine in fleet.machines}
