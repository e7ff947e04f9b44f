"""The fleet of sensors and the devices of the sandbox, as their consumers know them: topics, keys, forms, ranges."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
import yaml

from edge.routing import TopicRouter
from messages import START, topic_template
from plant.definition.machine_ids import machine_ids
from plant.definition.machine_types.library import library
from plant.definition.plant_config import PlantConfig, PlantConfigError, parse
from plant.forecast.rate_forecast import forecast
from plant.telemetry import Message
from sandbox.broker import EmbeddedBroker
from tests.support.brokers.subscriber import Recorder
from tests.support.exports.schemas import checks, refused
from tests.support.factory.plants import ROOT, default, rows, said
from tests.support.processes.daemon import plain, running

DEVICES: Final[Mapping[str, tuple[str, str, float, float]]] = {
    "conveyor": ("sandbox_conveyor", "conveyor", 1.2, 10),
    "robot_arm": ("sandbox_robot_arm", "robot_arm", 1.0, 12),
    "press": ("sandbox_press", "press", 1.5, 9),
    "env_station": ("sandbox_env_station", "environment", 2.0, 15),
}
"""The devices of the sandbox: machine type, device type, seconds between values, and between states."""

SENSORS: Final[Mapping[str, Mapping[str, tuple[str, float, float]]]] = {
    "conveyor": {"temperature": ("C", 42, 2.5), "vibration": ("mm/s", 2.1, 0.4), "current": ("A", 9.5, 1.3)},
    "robot_arm": {
        "temperature": ("C", 48, 3),
        "vibration": ("mm/s", 1.6, 0.3),
        "current": ("A", 12, 1.5),
        "torque": ("Nm", 35, 4),
    },
    "press": {"pressure": ("bar", 120, 6), "temperature": ("C", 55, 3.5), "vibration": ("mm/s", 2.4, 0.5)},
    "env_station": {
        "ambient_temp": ("C", 23, 1),
        "humidity": ("%", 45, 5),
        "air_quality": ("AQI", 35, 6),
        "noise": ("dB", 58, 4),
    },
}
"""Unit, mean and standard deviation of each sensor."""

TELEMETRY = {f"factory/telemetry/{device}/{sensor}" for device, sensors in SENSORS.items() for sensor in sensors}
STATES = {f"factory/state/{device}" for device in SENSORS}
SANDBOX: Final[Mapping[str, Mapping[str, Any]]] = {key: {} for key, *_ in DEVICES.values()}


def plant(types: Mapping[str, Mapping[str, Any]]) -> PlantConfig:
    """A plant of these types of the library."""
    return parse({"message_types": types})


def by_topic(config: PlantConfig, messages: Iterable[Message]) -> dict[str, list[Message]]:
    """The messages of each topic."""
    router = TopicRouter(lambda kind: topic_template(config, kind), "factory")
    found = defaultdict(list)
    for message in messages:
        found[router.topic(message)].append(message)
    return found


def test_sensors_publish_what_the_contract_has() -> None:
    """Each device from device_000 on has its topic, its keys, and two numbers of two decimals within their ranges."""
    config = plant({"sensor_device": {"count": 12}})
    found = by_topic(config, said(config, 600))

    assert set(found) == {f"sensors/device_{number:03d}" for number in range(12)}
    for topic, messages in found.items():
        payload = (
            rb'\{"device_id":"(\w+)","timestamp":(\d{10}\.\d{3}),"temperature":(\d\d\.\d\d?),"humidity":(\d\d\.\d\d?)\}'
        )
        texts = [re.fullmatch(payload, message.payload) for message in messages]
        values = [match.groups() for match in texts if match]
        assert len(values) == len(messages) == 300
        assert {device for device, *_ in values} == {topic.split("/")[1].encode()}
        assert [float(time) for _, time, *_ in values] == [message.time_ms / 1000 for message in messages]
        assert all(20 <= float(each) <= 35 for _, _, each, _ in values)
        assert all(30 <= float(each) <= 70 for *_, each in values)


def test_sensors_cover_their_ranges_evenly() -> None:
    """As many values lie in each tenth of the range."""
    found = rows(said(plant({"sensor_device": {"count": 20}}), 2000))

    for key, low, width in (("temperature", 20, 15), ("humidity", 30, 40)):
        tenths = Counter(min(9, int((row[key] - low) / width * 10)) for row in found)
        assert all(abs(tenths[tenth] / len(found) - 0.1) < 0.01 for tenth in range(10))


def test_sensors_are_published_at_most_once_and_not_retained() -> None:
    """Their QoS is 0; ten of them are in a plant that says no more."""
    config = plant({"sensor_device": {}})
    [sensor] = config.message_classes()

    assert (config.count("sensor_device"), sensor.qos, sensor.retain) == (10, 0, False)


@pytest.fixture(scope="module")
def sandbox() -> dict[str, list[Message]]:
    """Two hours of the four devices by topic."""
    config = plant(SANDBOX)
    return by_topic(config, said(config, 7200))


def test_the_sandbox_has_its_topics(sandbox: dict[str, list[Message]]) -> None:
    """One for each sensor, and one for the state of each device; no other."""
    assert set(sandbox) == TELEMETRY | STATES


@pytest.mark.parametrize("device", DEVICES)
def test_telemetry_has_the_keys_and_forms_of_the_contract(device: str, sandbox: dict[str, list[Message]]) -> None:
    """Whole seconds, the unit as text, a value of two decimals that is not negative, and a count from 1."""
    _, device_type, period, _ = DEVICES[device]
    for sensor, (unit, _, _) in SENSORS[device].items():
        messages = sandbox[f"factory/telemetry/{device}/{sensor}"]
        found = rows(messages)
        constants = {"device_id": device, "device_type": device_type, "sensor": sensor, "unit": unit}
        assert all([*row] == [*constants, "value", "seq", "ts"] and constants.items() <= row.items() for row in found)
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["ts"]) for row in found)
        assert all(row["value"] >= 0 and row["value"] == round(row["value"], 2) for row in found)
        assert all(one["seq"] < other["seq"] for one, other in pairwise(found))
        assert len(found) == pytest.approx(7200 / period, abs=1)


@pytest.mark.parametrize("device", DEVICES)
def test_telemetry_is_counted_over_all_sensors_of_a_device(device: str, sandbox: dict[str, list[Message]]) -> None:
    """From 1, without a gap, in the order of the messages."""
    topics = (f"factory/telemetry/{device}/{sensor}" for sensor in SENSORS[device])
    messages = sorted((message for topic in topics for message in sandbox[topic]), key=lambda each: each.time_ms)

    assert [row["seq"] for row in rows(messages)] == [*range(1, len(messages) + 1)]


@pytest.mark.parametrize("device", DEVICES)
def test_values_have_the_means_and_deviations_of_the_contract(device: str, sandbox: dict[str, list[Message]]) -> None:
    """Over two hours, in which a walk of a minute has a hundred independent values."""
    for sensor, (_, mean, deviation) in SENSORS[device].items():
        found = [row["value"] for row in rows(sandbox[f"factory/telemetry/{device}/{sensor}"])]
        assert statistics.fmean(found) == pytest.approx(mean, abs=0.5 * deviation)
        assert statistics.stdev(found) == pytest.approx(deviation, rel=0.2)


@pytest.mark.parametrize("device", DEVICES)
def test_states_are_published_at_their_period(device: str, sandbox: dict[str, list[Message]]) -> None:
    """And once at the start, with the keys of the contract; in the long run a device is running, idle, in maintenance
    .632, .25, .118 of the time."""
    _, device_type, _, period = DEVICES[device]
    messages = sandbox[f"factory/state/{device}"]
    found = rows(messages)

    assert all([*row] == ["device_id", "device_type", "state", "ts"] for row in found)
    assert {row["device_type"] for row in found} == {device_type}
    regular = Counter(row["state"] for row, each in zip(found, messages, strict=True) if not each.trigger)
    assert sum(regular.values()) == pytest.approx(7200 / period, abs=1)
    assert {state: count / sum(regular.values()) for state, count in regular.items()} == pytest.approx(
        {"running": 0.632, "idle": 0.25, "maintenance": 0.118}, abs=0.12
    )
    assert [each.time_ms <= START * 1000 + 1001 for each in messages if each.trigger] == [True]


def test_more_devices_of_a_type_are_stations() -> None:
    """A second press has topics, an id and a device_id of its own."""
    config = plant({"sandbox_press": {"count": 2, "stations": ["press", "press_2"]}})
    found = by_topic(config, said(config, 60))

    assert {topic.split("/")[2] for topic in found} == {"press", "press_2"}
    assert {row["device_id"] for row in rows(found["factory/state/press_2"])} == {"press_2"}
    assert [*machine_ids(config)] == ["press", "press_2"]


def test_more_devices_than_stations_are_counted() -> None:
    """So that there may be thousands of a type."""
    config = plant({"sandbox_press": {"count": 3}})
    found = by_topic(config, said(config, 60))

    assert {topic.split("/")[2] for topic in found} == {*machine_ids(config)} == {"press", "press-2", "press-3"}
    assert all(row["device_id"] == topic.split("/")[2] for topic in found for row in rows(found[topic]))


def test_a_broker_receives_the_sandbox_as_the_contract_has_it(tmp_path: Path) -> None:
    """Telemetry at QoS 0; states at QoS 1, the last of each retained for whoever subscribes later."""
    file = tmp_path / "sandbox.yaml"
    file.write_text(yaml.safe_dump({"message_types": SANDBOX}), encoding="utf-8")
    run = [sys.executable, "app.py", "run", "--seed", "1", "--duration", "1m", "--speed", "max", "--http-port", "0"]
    environ = {**os.environ, "MESSAGE_CONFIG_PATH": str(file)}
    with running(EmbeddedBroker()) as broker, Recorder(broker.port) as recorder:
        done = subprocess.run(
            [*run, *plain(broker)], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        records = recorder.wait_for(600)
        with Recorder(broker.port) as later:
            retained = later.wait_for(4)

    assert {record.topic for record in records} == TELEMETRY | STATES
    assert {record.qos for record in records if record.topic in TELEMETRY} == {0}
    assert {record.qos for record in records if record.topic in STATES} == {1}
    assert {record.topic for record in retained} == STATES
    assert all(record.retain for record in retained)


def test_their_messages_are_as_their_schemas_say() -> None:
    """All of ten minutes, of the sensors and the four devices together."""
    config = plant({**SANDBOX, "sensor_device": {"count": 3}})

    assert list(refused(checks(config), said(config, 600))) == []


def test_a_plant_that_does_not_name_them_has_none() -> None:
    """No machine, no line of the forecast and no note is theirs, although the library gives them numbers."""
    config = parse(default())
    others = [key for key, known in library().items() if not known.spellings]

    assert {config.count(key) for key in others} == {0}
    assert forecast(config).notes == ()
    assert {each.key for each in forecast(config).types}.isdisjoint(others)


def test_types_of_ones_own_may_have_the_devices_names() -> None:
    """A press, a conveyor or a sensor takes nothing over from the library."""
    own = {"states": {"rolling": {"share": 1}}, "fields": ["machine_id", "status"]}
    config = plant(dict.fromkeys(("press", "conveyor", "sensor"), own))

    assert [[*machine_type.states] for _, machine_type, _ in config.machines()] == [["rolling"]] * 3


def test_numbers_of_machines_begin_where_the_type_says() -> None:
    """In the ids only: machines are still the first, second, third of their type."""
    config = plant(
        {"tag": {"count": 3, "machine_id": "T{number:02d}", "first_number": 98, "signals": {"v": {"base": 1}}}}
    )

    assert {row["machine_id"] for row in rows(said(config, 60))} == {"T98", "T99", "T100"}


def test_overrides_name_machines_by_their_ids() -> None:
    """Also where the numbers in them begin with 0."""
    values = {"T0": {"signals": {"v": {"base": 7}}}}
    tag = {"count": 2, "machine_id": "T{number}", "first_number": 0, "signals": {"v": {"base": 1}}, "overrides": values}

    assert {(row["machine_id"], row["v"]) for row in rows(said(plant({"tag": tag}), 60))} == {("T0", 7), ("T1", 1)}


def test_first_number_is_no_less_than_0() -> None:
    """A negative one is an error with its place."""
    with pytest.raises(PlantConfigError, match=r"message_types\.tag\.first_number: must be at least 0, got -1"):
        plant({"tag": {"first_number": -1, "signals": {"v": {"base": 1}}}})


@pytest.mark.parametrize("count", [1, 300], ids=["row by row", "as columns"])
def test_timestamps_in_whole_seconds_are_cut_and_not_rounded(count: int) -> None:
    """The second in which the message is, in whatever way messages are made."""
    signals = {"v": {"base": 1, "noise": 1}}
    config = plant({"tag": {"count": count, "report_seconds": 0.7, "timestamp": "rfc3339_s", "signals": signals}})
    messages = said(config, 60, start=START)

    exact = plant({"tag": {"count": count, "report_seconds": 0.7, "signals": signals}})
    for message, other in zip(messages, said(exact, 60, start=START), strict=True):
        assert orjson.loads(message.payload)["timestamp"] == orjson.loads(other.payload)["timestamp"][:19] + "Z"


def test_classes_of_messages_replace_the_fields_of_the_library() -> None:
    """And `fields` the classes: what an entry gives is in place of what it extends."""
    classes = {"row": {"fields": ["machine_id", "status"]}, "job": {"fields": ["machine_id", {"id": "finished.id"}]}}
    config = plant({"cnc_machine": {"count": 1, "messages": classes}, "sandbox_press": {"fields": ["device_type"]}})

    kinds = {each.kind for each in config.message_classes() if not each.reports_alarms}
    assert kinds == {"cnc_machine.row", "cnc_machine.job", "sandbox_press"}
