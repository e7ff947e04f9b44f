"""The config.toml of another simulator, its variables and its `.env`: what they mean for a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from edge.settings.foreign.fleet_start import FleetStart, fleet_start, with_dotenv
from edge.settings.loader import Settings
from plant.definition.plant_config import PlantConfigError, load_content

DESCRIBED = """\
[simulator]
device_count = 10
publish_interval = 2

[mqtt]
host = "mqtt"
port = 1883
topic = "sensors/{device_id}"
qos = 0

[observability]
trace_endpoint = "http://otel-collector:4318/v1/traces"
service_name = "simulator"
prometheus_port = 8000
"""
"""As that simulator's README has it."""

BUILT = """\
[simulation]
frequency_sec = 1
max_devices = 10000

[mqtt]
host = "mqtt"
port = 1883
qos = 1
topic = "sensors/data"

[observability]
trace_endpoint = "http://otel-collector:4318/v1/traces"
service_name = "iot-simulator"
prometheus_port = 8001

[server]
host = "0.0.0.0"
port = 8000
"""
"""As it was built."""


def begun(text: str, environ: Mapping[str, str] | None = None, *, asked: bool = False) -> FleetStart:
    """What a run with a file is begun with."""
    return fleet_start(text.encode(), "config.toml", environ or {}, asked=asked)


def settings(start: FleetStart) -> Settings:
    """The settings of that run."""
    return Settings.load(start.environ, pid=1, unset=start.unset)


def devices(text: str, start: FleetStart) -> tuple[int, float, str, int]:
    """The devices of its plant: count, period, topic, QoS."""
    config = load_content(text.encode(), "config.toml", start.given)
    ((_, machine_type, count),) = config.declared()
    topic, qos = machine_type.main.topic, machine_type.main.qos
    assert topic is not None
    assert qos is not None
    return count, config.period_seconds(machine_type), topic, qos


def test_as_described_ten_devices_run_from_the_start() -> None:
    """The port of metrics is that of HTTP, as there is no other."""
    start = begun(DESCRIBED)
    found = settings(start)

    assert devices(DESCRIBED, start) == (10, 2.0, "sensors/{machine_id}", 0)
    assert (found.mqtt_broker, found.mqtt_port, found.mqtt_qos, found.http_port) == ("mqtt", 1883, 0, 8000)
    assert (found.http_host, found.http_compat) == ("127.0.0.1", "fleet")


def test_as_built_devices_wait_for_a_call() -> None:
    """The file may open the HTTP port to all."""
    start = begun(BUILT)
    found = settings(start)

    assert devices(BUILT, start) == (0, 1.0, "sensors/data", 1)
    assert (found.http_host, found.http_port, found.fleet_max_devices) == ("0.0.0.0", 8000, 10_000)
    assert (found.mqtt_tls, found.mqtt_auth_method, found.http_compat) == (False, "NONE", "fleet")
    assert "prometheus_port=8001 is not opened: metrics are on the HTTP port, at /metrics/" in start.notes


@pytest.mark.parametrize("text", [DESCRIBED, BUILT])
def test_traces_go_where_the_file_says(text: str) -> None:
    """To the address as it is, under the name; with an empty one there are none, whatever the environment says."""
    start = begun(text)
    none = begun(text.replace("http://otel-collector:4318/v1/traces", ""), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"})

    assert start.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] == "http://otel-collector:4318/v1/traces"
    assert start.environ["OTEL_SERVICE_NAME"] in ("simulator", "iot-simulator")
    assert start.traces_by_file
    assert none.environ["OTEL_TRACES_EXPORTER"] == "none"


@pytest.mark.parametrize("text", ["[simulation]\n", "[simulator]\n"])
def test_other_sections_may_be_left_out(text: str) -> None:
    """What each form means without them is in the library."""
    start = begun(text)

    assert devices(text, start)[0] == (10 if "simulator" in text else 0)
    assert (settings(start).mqtt_port, settings(start).mqtt_broker) == (1883, "localhost")


def test_variables_hold_where_the_file_has_nothing() -> None:
    """For devices as for the process; where both have a value, that of the file holds."""
    text = "[simulation]\nmax_devices = 50\n[mqtt]\nport = 1884\n"
    environ = {
        "SIMULATION_FREQUENCY_SEC": "0.5", "SIMULATION_MAX_DEVICES": "7", "MQTT_HOST": "there", "MQTT_PORT": "1885",
        "MQTT_TOPIC": "a/{device_id}", "MQTT_QOS": "0", "SERVER_PORT": "8123", "OBSERVABILITY_SERVICE_NAME": "42",
    }  # fmt: skip
    start = begun(text, environ)
    found = settings(start)

    assert devices(text, start) == (0, 0.5, "a/{machine_id}", 0)
    assert (found.mqtt_broker, found.mqtt_port, found.http_port, found.fleet_max_devices) == ("there", 1884, 8123, 50)
    assert start.environ["OTEL_SERVICE_NAME"] == "42"


def test_each_wrong_variable_is_named() -> None:
    """With its rule; one that the file makes up for does not matter, as Kubernetes sets some for a service `mqtt`."""
    environ = {"MQTT_PORT": "tcp://10.0.0.1:1883", "SIMULATION_FREQUENCY_SEC": "often", "SERVER_PORT": "0"}
    with pytest.raises(PlantConfigError) as found:
        begun("[simulation]\n[mqtt]\nport = 1\n", environ)

    assert [*map(str, found.value.mistakes)] == [
        'environment: SIMULATION_FREQUENCY_SEC: must be a number, got the text "often"',
        "environment: SERVER_PORT: must be at least 1, got 0",
    ]


def test_variables_hold_beside_a_plant_of_our_own() -> None:
    """Where HTTP_COMPAT asks for it: but our own variables have priority, and what is for devices is in the YAML."""
    environ = {"SERVER_PORT": "8123", "HTTP_HOST": "::1", "SERVER_HOST": "0.0.0.0", "MQTT_TOPIC": "x"}
    start = begun("message_types: {}\n", environ, asked=True)

    assert (start.environ["HTTP_PORT"], start.environ["HTTP_HOST"]) == ("8123", "::1")
    assert start.notes == ("MQTT_TOPIC: only with a config.toml; a plant's YAML has report_seconds and topic itself",)
    assert settings(start).queue_size == 100_000
    assert begun("message_types: {}\n", environ) == FleetStart(environ)


def test_what_the_run_has_itself_is_not_taken_from_the_file() -> None:
    """The embedded broker of a demo, and no HTTP in a dry run."""
    start = fleet_start(BUILT.encode(), "x", {}, asked=False, own=("broker", "http"))

    assert not {"MQTT_BROKER", "MQTT_PORT", "HTTP_PORT", "HTTP_HOST"} & start.environ.keys()


def test_a_file_of_variables_holds_where_the_environment_does_not(tmp_path: Path) -> None:
    """Of that simulator's own only: others might turn off what protects."""
    (tmp_path / ".env").write_text("# x\nMQTT_HOST='there'\nexport MQTT_PORT = 1884\nHTTP_TOKEN_FILE=\nMQTT_QOS=1\n?\n")

    assert with_dotenv({"MQTT_QOS": "0"}, tmp_path) == {"MQTT_HOST": "there", "MQTT_PORT": "1884", "MQTT_QOS": "0"}
    assert with_dotenv({}, tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1 # at least once", "1"),
        ("1\t# at least once", "1"),
        ("'1' # at least once", "1"),
        ('"a # b" # c', "a # b"),
        ("a#b", "a#b"),
        ("'a", "'a"),
        ("", ""),
    ],
)
def test_a_comment_after_a_variable_is_none_of_its_value(tmp_path: Path, written: str, value: str) -> None:
    """As what reads such files there has it: after a space, and not within quotes."""
    (tmp_path / ".env").write_text(f"MQTT_TOPIC={written}\n")

    assert with_dotenv({}, tmp_path) == {"MQTT_TOPIC": value}


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("count = 10", 'count = "10"', 2, "simulator.device_count: must be a whole number, got the text"),
        ("_interval = 2", "_intreval = 2", 3, "simulator.publish_intreval: is an unknown key; did you mean publish_in"),
        ("qos = 0", "qos = 2", 9, "mqtt.qos: must be at most 1, got 2"),
        ("{device_id}", "{id}", 8, "mqtt.topic: may have only {prefix} {type} {machine_id}"),
        ("[simulator]", "[simulation]\n[simulator]", 2, "simulator: is one form of this file, and [simulation] the ot"),
        ("8000", "80000", 14, "observability.prometheus_port: must be at most 65,535, got 80000"),
    ],
)
def test_errors_of_such_a_file_have_their_places(old: str, new: str, line: int, said: str) -> None:
    """File, line, path and rule, in its own words."""
    with pytest.raises(PlantConfigError) as found:
        load_content(DESCRIBED.replace(old, new).encode(), "config.toml")

    (error,) = found.value.mistakes
    assert str(error).startswith(f"config.toml:{line}: {said}")


def test_one_of_the_two_sections_is_needed() -> None:
    """Without it, nothing says that devices are meant."""
    with pytest.raises(PlantConfigError, match=r"config.toml:1: simulation: is missing, and so is \[simulator\]"):
        load_content(b"[mqtt]\nqos = 1\n", "config.toml")
