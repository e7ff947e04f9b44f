"""What a controller decides, in virtual time: one command for an episode, cool-down, recovery."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.clients.controller.decisions import Command, Decisions
from cli.clients.controller.events import Alarm, Event, NotUnderstood, Reading, State, Status, event_of
from cli.clients.controller.rules import DEFAULT_RULES, read_rules

HOT = Alarm("press", "temperature", "alarms/press/temperature", "high", 82.0, 80.0)
Story = list[tuple[float, Event | None]]
SHAKING = Alarm("press", "vibration", "alarms/press/vibration", "high", 6.0, 5.0)


def reading(value: float, sensor: str = "temperature", device: str = "press") -> Reading:
    """Telemetry of the press."""
    return Reading(device, sensor, f"telemetry/{device}/{sensor}", value)


@pytest.fixture
def decisions() -> Decisions:
    """By the default rules: cool-down 30 s, recovery after 20 s within the limit."""
    return Decisions(read_rules(DEFAULT_RULES))


def by(tmp_path: Path, rules: str) -> Decisions:
    """By rules as text."""
    (tmp_path / "rules.yaml").write_text(f"rules:\n{rules}")
    return Decisions(read_rules(tmp_path / "rules.yaml"))


def sent(commands: list[Command]) -> list[tuple[str, str, str]]:
    """Device, command and reason of each."""
    return [each[:3] for each in commands]


def play(decisions: Decisions, *story: tuple[float, Event | None]) -> list[tuple[float, str]]:
    """What is sent when, if events come at these times, and what is due is looked at once a second."""
    found: list[tuple[float, str]] = []
    at = 0.0
    for when, event in story:
        while at < when:
            found += [(at, each.command) for each in decisions.due(at)]
            at += 1.0
        if event is not None:
            found += [(when, each.command) for each in decisions.hear(event, when)]
    return found


@pytest.mark.parametrize(
    ("sensor", "kind", "command", "reason"),
    [
        ("temperature", "high", "stop", "critical threshold"),
        ("pressure", "high", "stop", "critical threshold"),
        ("current", "high", "stop", "critical threshold"),
        ("temperature", "low", "maintenance", "low threshold"),
        ("humidity", "low", "maintenance", "low threshold"),
        ("vibration", "high", "maintenance", "alarm triggered"),
        ("temperature", "strange", "maintenance", "alarm triggered"),
    ],
)
def test_the_default_rules_answer_as_the_reference(
    decisions: Decisions, sensor: str, kind: str, command: str, reason: str
) -> None:
    """By sensor and kind of alarm; the first rule that fits decides."""
    alarm = Alarm("press", sensor, f"alarms/press/{sensor}", kind)

    assert sent(decisions.hear(alarm, 0.0)) == [("press", command, reason)]


@given(st.lists(st.floats(0.0, 3600.0), min_size=1, max_size=50))
def test_an_episode_has_one_command_however_many_alarms_come(times: list[float]) -> None:
    """Until it is over, which it is not without a good value."""
    decisions = Decisions(read_rules(DEFAULT_RULES))

    assert [each for at in sorted(times) for each in decisions.hear(HOT, at)] == decisions_of_one()


def decisions_of_one() -> list[Command]:
    """The one command of an episode."""
    return Decisions(read_rules(DEFAULT_RULES)).hear(HOT, 0.0)


def test_machines_and_sensors_have_episodes_of_their_own(decisions: Decisions) -> None:
    """Another machine is stopped as well; a second reason to stop is no second stop."""
    other = HOT._replace(device="robot_arm")
    pressed = HOT._replace(sensor="pressure", topic="alarms/press/pressure")

    assert sent(decisions.hear(HOT, 0.0)) == [("press", "stop", "critical threshold")]
    assert sent(decisions.hear(other, 0.0)) == [("robot_arm", "stop", "critical threshold")]
    assert decisions.hear(pressed, 1.0) == []
    assert sent(decisions.hear(SHAKING, 2.0)) == [("press", "maintenance", "alarm triggered")]


def test_a_machine_is_started_when_its_value_was_good_for_long_enough(decisions: Decisions) -> None:
    """Twenty seconds within the limit; a value beyond it in between begins them again."""
    story: Story = [
        (0.0, HOT),
        (5.0, reading(79.0)),
        (24.0, reading(80.0)),
        (30.0, reading(79.9)),
        (49.0, reading(70.0)),
    ]

    assert play(decisions, *story, (50.0, reading(70.0))) == [(0.0, "stop"), (50.0, "start")]


def test_silence_is_no_good_value(decisions: Decisions) -> None:
    """A machine whose telemetry ends after one good value is not started."""
    assert play(decisions, (0.0, HOT), (5.0, reading(70.0)), (3600.0, None)) == [(0.0, "stop")]


def test_other_machines_and_sensors_do_not_count(decisions: Decisions) -> None:
    """Only the sensor that raised the alarm."""
    good: Story = [(5.0 + each, reading(1.0, device="robot_arm")) for each in range(30)]
    good += [(40.0 + each, reading(1.0, "vibration")) for each in range(30)]

    assert play(decisions, (0.0, HOT), *good) == [(0.0, "stop")]


def test_the_last_of_a_machines_episodes_starts_it(decisions: Decisions) -> None:
    """Not the first that is over."""
    cool: Story = [(float(each), reading(70.0)) for each in range(5, 30)]
    still: Story = [(30.0 + each, reading(1.0, "vibration")) for each in range(25)]

    assert play(decisions, (0.0, HOT), (1.0, SHAKING), *cool, *still) == [
        (0.0, "stop"),
        (1.0, "maintenance"),
        (50.0, "start"),
    ]


def test_in_the_cool_down_an_alarm_waits_and_is_answered_if_nothing_gets_better(tmp_path: Path) -> None:
    """A single message raises an alarm with hysteresis: ignored once, it would be ignored for good."""
    rules = "  - {alarm: high, command: stop, cool_down_seconds: 60, recovery: {when: within_limit, for_seconds: 5}}\n"
    well: Story = [(1.0, reading(70.0)), (6.0, reading(70.0))]

    assert play(by(tmp_path, rules), (0.0, HOT), *well, (20.0, HOT), (90.0, None)) == [
        (0.0, "stop"),
        (6.0, "start"),
        (60.0, "stop"),
    ]
    assert play(by(tmp_path, rules), (0.0, HOT), *well, (20.0, HOT), (30.0, reading(70.0)), (90.0, None)) == [
        (0.0, "stop"),
        (6.0, "start"),
    ]


def test_a_rule_without_recovery_leaves_the_start_to_a_person(tmp_path: Path) -> None:
    """Also where another rule of the same machine recovers; a start by hand sets both free."""
    rules = (
        "  - {sensor: temperature, alarm: high, command: stop, recovery: {when: no_alarm, for_seconds: 5}}\n"
        "  - {sensor: vibration, alarm: high, command: maintenance, cool_down_seconds: 10}\n"
    )
    decisions = by(tmp_path, rules)
    story: Story = [(0.0, HOT), (1.0, SHAKING), (100.0, HOT), (200.0, None)]
    by_hand: Story = [
        (200.0, State("press", "maintenance")),
        (201.0, State("press", "running")),
        (210.0, HOT),
        (300.0, None),
    ]

    assert play(decisions, *story) == [(0.0, "stop"), (1.0, "maintenance"), (100.0, "stop")]
    assert play(decisions, *by_hand) == [(210.0, "stop"), (215.0, "start")]


def test_who_starts_a_machine_by_hand_ends_its_episodes(decisions: Decisions) -> None:
    """No start follows later, and the next alarm is a new episode."""
    story: Story = [(0.0, HOT), (1.0, State("press", "idle")), (10.0, State("press", "running"))]
    well: Story = [(11.0 + each, reading(70.0)) for each in range(30)]

    assert play(decisions, *story, *well, (50.0, HOT)) == [(0.0, "stop"), (50.0, "stop")]


def test_a_state_from_before_the_command_ends_nothing(decisions: Decisions) -> None:
    """The machine was running when the alarm came, and says so before it obeys."""
    story: Story = [
        (0.0, State("press", "idle")),
        (0.5, State("press", "running")),
        (1.0, HOT),
        (1.1, State("press", "running")),
    ]
    well: Story = [(5.0, reading(70.0)), (25.0, reading(70.0))]

    assert play(decisions, *story, *well) == [(1.0, "stop"), (25.0, "start")]


def test_a_machine_that_is_offline_is_not_started(decisions: Decisions) -> None:
    """It is when it has returned, and is still well."""
    story: Story = [(0.0, HOT), (1.0, reading(70.0)), (2.0, Status("press", online=False)), (30.0, reading(70.0))]
    back: Story = [(40.0, Status("press", online=True)), (41.0, reading(70.0))]

    assert play(decisions, *story, *back) == [(0.0, "stop"), (41.0, "start")]


@pytest.mark.parametrize(
    ("recovery", "values", "expected"),
    [
        ("{below: 60, for_seconds: 3}", [79, 61, 59, 59, 59, 59], [(0.0, "stop"), (6.0, "start")]),
        ("{above: 60, for_seconds: 3}", [59, 61, 62, 63, 64], [(0.0, "stop"), (5.0, "start")]),
        ("{when: within_limit, for_seconds: 0}", [81, 79], [(0.0, "stop"), (2.0, "start")]),
        ("{when: no_alarm, for_seconds: 3, command: resume}", [81, 82, 83], [(0.0, "stop"), (3.0, "resume")]),
    ],
)
def test_recovery_is_a_condition_and_a_time(
    tmp_path: Path, recovery: str, values: list[float], expected: list[tuple[float, str]]
) -> None:
    """A threshold, the limit of the alarm, or that no alarm comes; with the command of the rule."""
    decisions = by(tmp_path, f"  - {{alarm: high, command: stop, recovery: {recovery}}}\n")
    story: Story = [(float(second), reading(value)) for second, value in enumerate(values, start=1)]

    assert play(decisions, (0.0, HOT), *story, (8.0, None)) == expected


def test_a_threshold_on_telemetry_is_an_alarm_too(tmp_path: Path) -> None:
    """At and above it, once for an episode; at and below for `below`."""
    rules = (
        "  - {sensor: temperature, above: 70, command: stop, recovery: {when: within_limit, for_seconds: 2}}\n"
        "  - {topic: telemetry/+/pressure, below: 10, command: maintenance}\n"
    )
    hot: Story = [(float(each), reading(70.0 if each < 5 else 69.9)) for each in range(8)]
    low: Story = [(8.0, reading(10.5, "pressure")), (9.0, reading(10.0, "pressure")), (10.0, reading(9.0, "pressure"))]

    assert play(by(tmp_path, rules), *hot, *low) == [(0.0, "stop"), (7.0, "start"), (9.0, "maintenance")]


def test_the_first_threshold_that_is_exceeded_decides(tmp_path: Path) -> None:
    """So the severe one stands first."""
    decisions = by(tmp_path, "  - {above: 90, command: stop}\n  - {above: 70, command: maintenance}\n")

    assert play(decisions, (0.0, reading(75.0)), (1.0, reading(95.0)), (2.0, reading(75.0))) == [
        (0.0, "maintenance"),
        (1.0, "stop"),
    ]


def test_a_rule_may_be_about_some_topics_only(tmp_path: Path) -> None:
    """Alarms of others have no answer."""
    decisions = by(tmp_path, "  - {topic: alarms/press/+, alarm: any, command: stop}\n")

    assert decisions.hear(HOT._replace(device="arm", topic="alarms/arm/temperature"), 0.0) == []
    assert len(decisions.hear(HOT, 0.0)) == 1


def test_nothing_due_is_overlooked() -> None:
    """`next_at` is the moment before which nothing happens by itself."""
    decisions = Decisions(read_rules(DEFAULT_RULES))
    assert decisions.next_at() is None
    decisions.hear(HOT, 100.0)
    assert decisions.next_at() is None
    assert decisions.episodes == 1


def story_of(events: list[tuple[float, Event]]) -> Iterator[tuple[float, Event]]:
    """Events with steps of time as a story."""
    at = 0.0
    for step, event in events:
        at += step
        yield at, event


EVENTS = st.one_of(
    st.builds(
        lambda sensor, value: Alarm("press", sensor, f"alarms/press/{sensor}", "high", value, 50.0),
        st.sampled_from(["temperature", "vibration"]),
        st.floats(50.0, 99.0),
    ),
    st.builds(reading, st.floats(0.0, 99.0), st.sampled_from(["temperature", "vibration"])),
)


@given(st.lists(st.tuples(st.floats(0.0, 40.0), EVENTS), max_size=60))
def test_a_start_always_follows_a_stop_and_never_another_start(events: list[tuple[float, Event]]) -> None:
    """Whatever comes in whatever order; and two commands of one kind and sensor are a cool-down apart."""
    decisions = Decisions(read_rules(DEFAULT_RULES))
    found = play(decisions, *story_of(events))
    words = [word for _, word in found]

    assert all(words[place - 1] != "start" for place, word in enumerate(words) if word == "start" and place)
    assert words[:1] != ["start"]
    stops = [at for at, word in found if word == "stop"]
    assert all(later - earlier >= 30.0 for earlier, later in pairwise(stops))


@pytest.mark.parametrize(
    ("topic", "payload", "event"),
    [
        ("alarms/press/temperature", b'{"alarm_type":"high","value":82,"limit":80}', HOT),
        ("alarms/press/temperature", b'{"alarm_type":"high","value":79,"limit":80}', reading(79.0)),
        ("alarms/press/temperature", b'{"alarm_type":"high","value":82,"limit":80,"event":"cleared"}', reading(82.0)),
        ("alarms/press/temperature", b"{}", NotUnderstood("alarms/press/temperature", "has no text alarm_type")),
        ("telemetry/press/temperature", b'{"value":70.5,"device_id":"other"}', reading(70.5)),
        ("telemetry/press/temperature", b'{"value":"70"}', "has no number value"),
        ("telemetry/press/temperature", b'{"value":true}', "has no number value"),
        ("telemetry/press/temperature", b'{"value":NaN}', "has no number value"),
        ("telemetry/press/temperature", b'{"value":1e999}', "has no number value"),
        ("telemetry/press/temperature", b"[" * 100_000, "is not JSON"),
        ("telemetry/press/temperature", b"\xff", "is not JSON"),
        ("telemetry/press/temperature", b"[]", "is not a JSON object"),
        ("status/press", b'{"status":"offline"}', Status("press", online=False)),
        ("state/press", b'{"state":"idle"}', State("press", "idle")),
        ("state/press", b'{"state":7}', "has no text state"),
        ("telemetry/press", b"{}", None),
        ("alarms//temperature", b"{}", None),
        ("commands/dashboard/press", b"{}", None),
    ],
)
def test_messages_are_read_without_trust(topic: str, payload: bytes, event: Event | str | None) -> None:
    """What is not understood has a reason, and never an exception; the device is that of the topic."""
    found = event_of(topic, payload)

    assert found == (NotUnderstood(topic, event) if isinstance(event, str) else event)


@given(st.text(max_size=40), st.binary(max_size=60))
def test_no_message_makes_reading_fail(topic: str, payload: bytes) -> None:
    """Whatever is published by whomever."""
    for channel in ("alarms/a/b", "telemetry/a/b", "state/a", "status/a", topic):
        event_of(channel, payload)
