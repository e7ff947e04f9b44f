"""The sandbox of scenarios/: what its consumers rely on, in plant time."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

import orjson
import pytest

from edge.routing import TopicRouter
from messages import START, CommandRefused, FactoryMessageGenerator, topic_template
from plant.definition.machine_ids import machine_ids
from plant.definition.plant_config import PlantConfig, load
from plant.telemetry import Message
from plant.truth.events import FaultEpisode
from tests.plant.test_library import DEVICES, SENSORS
from tests.support.examples import THOROUGH
from tests.support.exports.schemas import checks, refused
from tests.support.factory.plants import ROOT, Row

LIMITS: Final[Mapping[tuple[str, str], Mapping[str, float]]] = {
    ("conveyor", "temperature"): {"high": 65},
    ("conveyor", "vibration"): {"high": 4.5},
    ("conveyor", "current"): {"high": 15},
    ("robot_arm", "temperature"): {"high": 72},
    ("robot_arm", "vibration"): {"high": 3.8},
    ("robot_arm", "current"): {"high": 18},
    ("robot_arm", "torque"): {"high": 55},
    ("press", "pressure"): {"high": 150},
    ("press", "temperature"): {"high": 80},
    ("press", "vibration"): {"high": 5},
    ("env_station", "ambient_temp"): {"high": 30},
    ("env_station", "humidity"): {"high": 65, "low": 25},
    ("env_station", "air_quality"): {"high": 80},
    ("env_station", "noise"): {"high": 75},
}
"""The limits of each sensor of each device."""

KEYS: Final[Mapping[str, Sequence[str]]] = {
    "telemetry": ("device_id", "device_type", "sensor", "unit", "value", "seq", "ts"),
    "alarms": ("device_id", "device_type", "sensor", "unit", "value", "limit", "alarm_type", "severity", "ts"),
    "state": ("device_id", "device_type", "state", "ts"),
}
"""The keys of each category in order."""

DELIVERY: Final = {"telemetry": (0, False), "alarms": (1, False), "state": (1, True)}
"""QoS and retain of each category."""

HOURS: Final = 6 if THOROUGH else 2
STATE_OF: Final = {"stop": "idle", "start": "running", "maintenance": "maintenance"}


@cache
def sandbox() -> PlantConfig:
    """The plant of the file."""
    return load(ROOT / "scenarios" / "sandbox.yaml")


class Sent(NamedTuple):
    """A message with its topic, and the parts of that: category, device and sensor."""

    topic: str
    category: str
    device: str
    sensor: str
    message: Message
    row: Row


def sent(messages: Sequence[Message]) -> list[Sent]:
    """Messages with their topics."""
    router = TopicRouter(lambda kind: topic_template(sandbox(), kind), "factory")
    found = []
    for message in messages:
        topic = router.topic(message)
        _, category, device, *sensor = topic.split("/")
        found.append(Sent(topic, category, device, "/".join(sensor), message, orjson.loads(message.payload)))
    return found


class Run(NamedTuple):
    """All messages, and the faults that have ended."""

    messages: Sequence[Sent]
    faults: Sequence[FaultEpisode]


@cache
def run() -> Run:
    """Some hours of the plant."""
    ended: list[FaultEpisode] = []
    generator = FactoryMessageGenerator.of(sandbox(), 1, start=START)
    generator.watch_faults(lambda _type, episode: ended.append(episode))
    return Run(sent(generator.advance(START + HOURS * 3600)), ended)


def of(category: str, device: str = "") -> list[Sent]:
    """The messages of a category, or of one of its devices."""
    return [each for each in run().messages if each.category == category and device in ("", each.device)]


def test_the_topics_are_those_of_the_contract() -> None:
    """One a sensor for values and for alarms, one a device for its state; and no other."""
    sensors = {(device, sensor) for device, its in SENSORS.items() for sensor in its}

    assert {each.topic for each in run().messages} == {
        *(f"factory/telemetry/{device}/{sensor}" for device, sensor in sensors),
        *(f"factory/alarms/{device}/{sensor}" for device, sensor in sensors),
        *(f"factory/state/{device}" for device in SENSORS),
    }


def test_the_id_of_a_device_is_that_in_payloads_and_topics() -> None:
    """By which commands address it, too."""
    assert {*machine_ids(sandbox())} == {*SENSORS}
    assert all(each.row["device_id"] == each.device == each.message.source.split("/")[0] for each in run().messages)


@pytest.mark.parametrize("category", KEYS)
def test_qos_and_retain_are_those_of_the_category(category: str) -> None:
    """Telemetry may be lost; a state is there for whoever comes later."""
    kinds = {each.message.kind for each in of(category)}
    found = {each.kind: (each.qos, each.retain) for each in sandbox().message_classes()}

    assert {found[kind] for kind in kinds} == {DELIVERY[category]}


@pytest.mark.parametrize("category", KEYS)
def test_payloads_have_the_keys_in_their_order_and_no_spaces(category: str) -> None:
    """Each is the shortest JSON of its values, and its time is that of the message in whole seconds."""
    for each in of(category):
        assert [*each.row] == [*KEYS[category]]
        assert json.dumps(each.row, separators=(",", ":")).encode() == each.message.payload
        assert each.row["device_type"] == DEVICES[each.device][1]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", each.row["ts"])


@pytest.mark.parametrize("category", ["telemetry", "alarms"])
def test_values_have_the_unit_and_the_form_of_their_sensor(category: str) -> None:
    """Two decimals, none below 0."""
    for each in of(category):
        assert each.row["sensor"] == each.sensor
        assert each.row["unit"] == SENSORS[each.device][each.sensor][0]
        assert isinstance(each.row["value"], float)
        assert each.row["value"] == round(each.row["value"], 2) >= 0


@pytest.mark.parametrize("device", SENSORS)
def test_the_messages_of_a_device_are_counted_over_its_sensors(device: str) -> None:
    """From 1, without a gap, in the order in which they are sent."""
    numbers = [each.row["seq"] for each in of("telemetry", device)]

    assert numbers == [*range(1, len(numbers) + 1)]


def test_rates_are_those_of_the_contract() -> None:
    """10.5 values a second, 2.5, 4, 2 and 2 of the devices, and 0.36 states."""
    seconds = HOURS * 3600
    by_device = Counter(each.device for each in of("telemetry"))

    assert {device: count / seconds for device, count in by_device.items()} == pytest.approx(
        {"conveyor": 2.5, "robot_arm": 4, "press": 2, "env_station": 2}, abs=0.001
    )
    assert len(of("telemetry")) / seconds == pytest.approx(10.5, abs=0.001)
    assert len(of("state")) / seconds == pytest.approx(1 / 10 + 1 / 12 + 1 / 9 + 1 / 15, abs=0.001)


def test_values_follow_the_state() -> None:
    """A machine that runs is warmer, shakes more and takes more current than one that is idle or in maintenance."""
    generator = FactoryMessageGenerator.of(sandbox(), 1, start=START)
    means: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    devices = ("conveyor", "robot_arm", "press")
    for number, state in enumerate(("running", "idle", "maintenance")):
        generator.advance(START + number * 2000)
        for device in devices:
            generator.execute({"command": "set_state", "machine_id": device, "state": state, "seconds": 5000})
        generator.advance(START + number * 2000 + 200)  # it follows with a lag
        values = defaultdict(list)
        for each in sent(generator.advance(START + number * 2000 + 2000)):
            if "value" in each.row:
                values[each.device, each.sensor].append(each.row["value"])
        for device in devices:
            for sensor in SENSORS[device]:
                means[device, sensor][state] = statistics.median(values[device, sensor])

    assert all(each["running"] > each["idle"] > each["maintenance"] for each in means.values())


def test_each_limit_is_reached() -> None:
    """Both of the humidity, too; the limit in the message is that of its side."""
    found = {((each.device, each.sensor), each.row["alarm_type"], each.row["limit"]) for each in of("alarms")}

    assert found == {(place, side, limit) for place, its in LIMITS.items() for side, limit in its.items()}


def test_an_alarm_is_beyond_its_limit_and_a_warning() -> None:
    """High at or above it, low at or below; with the value that the telemetry of the same moment has."""
    values = {(each.topic, each.message.time_ms): each.row["value"] for each in of("telemetry")}
    for each in of("alarms"):
        row = each.row
        assert row["value"] >= row["limit"] if row["alarm_type"] == "high" else row["value"] <= row["limit"]
        assert row["severity"] == "warning"
        assert values[each.topic.replace("alarms", "telemetry"), each.message.time_ms] == row["value"]


def test_an_episode_raises_its_alarm_once() -> None:
    """Each fault has one alarm, of its own sensor, within its time; and next to nothing else raises any."""
    alarms = defaultdict(list)
    for each in of("alarms"):
        alarms[each.device, each.sensor].append(each.message.time_ms)
    raised = Counter[int]()
    for fault in run().faults:
        [sensor] = fault.effects
        inside = [ms for ms in alarms[fault.machine_id, sensor] if fault.from_ms <= ms < fault.to_ms]
        raised[len(inside)] += 1

    assert len(run().faults) > 200 / 6 * HOURS
    assert raised[1] >= 0.99 * len(run().faults)
    assert len(of("alarms")) <= 1.01 * len(run().faults)


def test_a_class_sees_alarms_within_minutes() -> None:
    """One in about 80 seconds on average, and the longest time without any is a few minutes."""
    times = [START * 1000, *(each.message.time_ms for each in of("alarms"))]
    gaps = [(later - one) / 1000 for one, later in pairwise(times)]

    assert 60 < statistics.fmean(gaps) < 100
    assert max(gaps) < 900


def test_messages_are_as_their_schemas_say() -> None:
    """An hour of them."""
    messages = FactoryMessageGenerator.of(sandbox(), 2, start=START).advance(START + 3600)

    assert list(refused(checks(sandbox()), messages)) == []


@pytest.mark.parametrize("command", STATE_OF)
def test_a_command_sets_the_state_which_is_published_at_once(command: str) -> None:
    """Also if the device is in it; after stop and maintenance it stays there."""
    generator = FactoryMessageGenerator.of(sandbox(), 1, start=START)
    generator.advance(START + 60)
    for device in (device for device in SENSORS for _ in range(2)):
        answer = generator.execute({"command": command, "machine_id": device})
        now_ms = round(generator.now * 1000)
        found = [each for each in sent(generator.advance(generator.now + 0.01)) if each.category == "state"]

        assert answer == {"machine_id": device, "state": STATE_OF[command]}
        assert [(each.device, each.row["state"]) for each in found if each.message.time_ms == now_ms] == [
            (device, STATE_OF[command])
        ]
    states = defaultdict(set)
    for each in sent([each for each in generator.advance(generator.now + 3600) if b'"state":' in each.payload]):
        states[each.device].add(each.row["state"])
    expected = {*STATE_OF.values()} if command == "start" else {STATE_OF[command]}
    assert states == dict.fromkeys(SENSORS, expected)


def test_an_unknown_command_is_refused() -> None:
    """With those that there are."""
    generator = FactoryMessageGenerator.of(sandbox(), 1, start=START)
    wrong: dict[str, Any] = {"command": "explode", "machine_id": "press"}
    with pytest.raises(CommandRefused, match="maintenance"):
        generator.execute(wrong)


def test_a_fault_comes_when_somebody_asks_for_it() -> None:
    """Its alarm follows within seconds."""
    generator = FactoryMessageGenerator.of(sandbox(), 1, start=START)
    generator.advance(START + 5)
    generator.execute({"command": "inject", "machine_id": "press", "fault": "overpressure"})
    found = [each for each in sent(generator.advance(START + 25)) if each.category == "alarms"]

    assert [each.topic for each in found] == ["factory/alarms/press/pressure"]
