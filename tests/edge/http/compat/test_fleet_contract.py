"""A client that knows only the contract of the simulator of sensors, against a real process and a real mosquitto.

The tables are that contract: each call with its reply to the last key, and what a message has to look like.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as classic_families

from tests.conftest import require_mosquitto
from tests.edge.runtime.test_live_commands import START_SECONDS, http
from tests.support.brokers.credentials import Credentials
from tests.support.brokers.mosquitto import Mosquitto
from tests.support.brokers.subscriber import Record, Recorder
from tests.support.processes.acting import in_journal
from tests.support.processes.collector import Collector
from tests.support.processes.daemon import ROOT, DaemonProcess
from tests.support.processes.waiting import wait_until

PLANT: Final = ROOT / "scenarios" / "sensors.yaml"
BUILT: Final = "message_types: {sensor_device: {count: 0, report_seconds: 1, topic: sensors/data, qos: 1}}\n"
"""As the simulator was built: nothing is published before /start."""

FORM: Final = re.compile(
    rb'\{"device_id": ?"(device_\d{3,})", ?"timestamp": ?(\d+\.\d+), '
    rb'?"temperature": ?(\d+\.\d{1,2}), ?"humidity": ?(\d+\.\d{1,2})\}'
)
"""A message, to the order of its keys."""


class Call(NamedTuple):
    """A call, and the reply to it: its status, and its content where that is known before."""

    address: str
    status: int
    reply: Mapping[str, Any] | None = None


def devices(count: int) -> list[str]:
    """The ids of so many devices, sorted as text."""
    return sorted(f"device_{number:03d}" for number in range(count))


def running(count: int) -> Mapping[str, Any]:
    """The reply of /status."""
    return {"status": "running" if count else "stopped", "count": count, "devices": devices(count)}


CONTRACT: Final = (
    Call("/stop", 200, {"status": "stopped", "running": 0}),
    Call("/stop", 200, {"status": "stopped", "running": 0}),
    Call("/status", 200, running(0)),
    Call("/start", 200, {"status": "started", "started": 1, "running": 1}),
    Call("/start?count=5", 200, {"status": "started", "started": 5, "running": 5}),
    Call("/status", 200, running(5)),
    Call("/scale?count=12", 200, {"status": "scaled up", "added": 7, "running": 12}),
    Call("/scale?count=12", 200, {"status": "unchanged", "running": 12}),
    Call("/scale?count=4", 200, {"status": "scaled down", "removed": 8, "running": 4}),
    Call("/start?count=3", 200, {"status": "started", "started": 3, "running": 3}),
    Call("/status", 200, running(3)),
    Call("/scale", 200, {"status": "scaled down", "removed": 3, "running": 0}),
    Call("/scale?count=0", 200, {"status": "unchanged", "running": 0}),
    Call("/scale?count=5000", 200, {"status": "scaled up", "added": 1100, "running": 1100}),
    Call("/status", 200, running(1100)),
    Call("/start?count=99999", 200, {"status": "started", "started": 1100, "running": 1100}),
    Call("/start?count=0", 422),
    Call("/start?count=-1", 422),
    Call("/start?count=many", 422),
    Call("/scale?count=-1", 422),
    Call("/scale?count=many", 422),
    Call("/status", 200, running(1100)),
    Call("/scale?count=10", 200, {"status": "scaled down", "removed": 1090, "running": 10}),
    Call("/health", 404),
)
"""In this order, of a simulator whose max_devices is 1100."""


@contextmanager
def simulator(
    broker: Mosquitto, plant: Path, *flags: str, environ: Mapping[str, str] | None = None
) -> Iterator[tuple[DaemonProcess, httpx.Client]]:
    """The process, and a client of its port."""
    address = ["--mqtt-broker", "127.0.0.1", "--mqtt-port", str(broker.ports["plain"]), "--no-mqtt-tls"]
    fleet = ["--http-compat", "fleet", "--fleet-max-devices", "1100", "--mqtt-auth-method", "none"]
    where = ["--message-config-path", str(plant)]
    with DaemonProcess("run", *where, *fleet, *address, *http(), *flags, environ=environ) as daemon:
        url = daemon.says(r"HTTP on (http://[^\s:\"]+:\d+)", START_SECONDS).group(1)
        with httpx.Client(base_url=url, transport=httpx.HTTPTransport(retries=5), timeout=20) as client:
            yield daemon, client


@dataclass(frozen=True)
class Described:
    """A simulator as described, and what a subscriber got of it before anybody called it."""

    daemon: DaemonProcess
    client: httpx.Client
    records: Sequence[Record]
    collector: Collector
    journal: Path

    def has_ten(self) -> None:
        """Have as many devices as at the start."""
        assert self.client.get("/start?count=10").json()["running"] == 10


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, credentials: Credentials) -> Iterator[Mosquitto]:
    """A real mosquitto."""
    require_mosquitto()
    with Mosquitto(tmp_path_factory.mktemp("mosquitto"), credentials, listeners=("plain",)) as broker:
        yield broker


@pytest.fixture(scope="module")
def described(broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    """One process, whose calls and messages are traced, whose log is JSON, and that keeps a journal."""
    journal = tmp_path_factory.mktemp("described") / "journal"
    flags = ["--journal", str(journal), "--log-format", "json"]
    with (
        Recorder(broker.ports["plain"]) as recorder,
        Collector() as collector,
        simulator(broker, PLANT, *flags, environ=collector.environ) as (daemon, client),
    ):
        records = recorder.wait_for(30, 30.0)
        yield Described(daemon, client, records, collector, journal)


@pytest.fixture(scope="module")
def workers(broker: Mosquitto) -> Iterator[httpx.Client]:
    """A client of two workers."""
    with simulator(broker, PLANT, "--workers", "2") as (_, client):
        yield client


@pytest.fixture(scope="module", params=["described", "workers"])
def client(request: pytest.FixtureRequest) -> httpx.Client:
    """A client of one process or several."""
    found = request.getfixturevalue(request.param)
    client: httpx.Client = found.client if isinstance(found, Described) else found
    return client


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_each_call_is_answered_as_the_contract_has_it(client: httpx.Client, method: str) -> None:
    """With the same keys in the same order, and the same values."""
    for call in CONTRACT:
        reply = client.request(method, call.address)
        assert reply.status_code == call.status, call
        assert reply.headers["content-type"] == "application/json", call
        if call.reply is not None:
            assert reply.text == json.dumps(call.reply, separators=(",", ":")), call
        elif call.status == 422:
            assert [*reply.json()] == ["detail"]
            assert all(error["loc"] == ["query", "count"] for error in reply.json()["detail"]), call


def test_as_described_ten_devices_publish_from_the_start(described: Described) -> None:
    """Each every two seconds on its own topic, at QoS 0, not retained."""
    per_device: dict[str, list[float]] = {}
    for record in described.records:
        form = FORM.fullmatch(record.payload)
        assert form, record.payload
        device, at, temperature, humidity = (each.decode() for each in form.groups())
        assert (record.topic, record.qos, record.retain) == (f"sensors/{device}", 0, False)
        assert abs(float(at) - time.time()) < 600
        assert 20.0 <= float(temperature) <= 35.0
        assert 30.0 <= float(humidity) <= 70.0
        per_device.setdefault(device, []).append(float(at))
    assert [*sorted(per_device)] == devices(10)
    assert all(times[1] - times[0] == pytest.approx(2.0, abs=0.0015) for times in per_device.values())


@pytest.mark.parametrize("workers", ["1", "2"])
def test_as_built_devices_publish_once_they_are_started_and_are_counted(
    broker: Mosquitto, tmp_path: Path, workers: str
) -> None:
    """Each every second, all on one topic, at QoS 1.

    Metrics have the names, and count what has arrived: a series of each device, and of none that never sent anything;
    on /metrics/, where /metrics leads.
    """
    plant = tmp_path / "plant.yaml"
    plant.write_text(BUILT)
    with (
        Recorder(broker.ports["plain"], topics=["sensors/data"]) as recorder,
        simulator(broker, plant, "--workers", workers) as (daemon, client),
    ):
        daemon.says("connected")
        assert client.get("/status").json() == running(0)
        time.sleep(1.5)  # in which each device would have sent a message
        assert recorder.records == []
        client.get("/start?count=4")
        recorder.wait_for(12, 30.0)
        client.get("/stop")
        wait_until(lambda: sum(sent_by(client).values()) == len(recorder.records), 15, "what is on its way")
        moved = client.get("/metrics")
        text = client.get("/metrics/").text

    arrived = dict.fromkeys(devices(4), 0.0)
    for record in recorder.records:
        assert (record.topic, record.qos, record.retain) == ("sensors/data", 1, False)
        assert FORM.fullmatch(record.payload), record.payload
        arrived[json.loads(record.payload)["device_id"]] += 1
    samples = [each for family in classic_families(text) for each in family.samples]
    sent = {each.labels["device_id"]: each.value for each in samples if each.name == "mqtt_sent_total"}
    assert (moved.status_code, moved.headers["location"]) == (307, "/metrics/")
    assert sent == arrived
    assert [each.value for each in samples if each.name == "running_devices"] == [0.0]
    assert {each.labels["device_id"] for each in samples if each.name == "mqtt_sent_created"} == {*devices(4)}
    assert {"python_info", "process_cpu_seconds_total"} <= {each.name for each in samples}


def sent_by(client: httpx.Client) -> dict[str, float]:
    """How many messages each device has sent, as the metrics have it."""
    samples = [each for family in classic_families(client.get("/metrics/").text) for each in family.samples]
    return {each.labels["device_id"]: each.value for each in samples if each.name == "mqtt_sent_total"}


def test_what_was_done_by_these_calls_can_be_done_again(described: Described) -> None:
    """Each change is a command in the journal, with who asked for it."""
    described.has_ten()
    before = len(in_journal(described.journal))
    for address in ("/scale?count=20", "/start?count=2", "/stop"):
        assert described.client.get(address).status_code == 200
    wait_until(lambda: len(in_journal(described.journal)) == before + 4, 15, "four commands")

    found = in_journal(described.journal)[before:]
    assert [(way, command["command"], command["count"]) for way, (_, command) in found] == [
        ("http", "scale", 20), ("http", "scale", 0), ("http", "scale", 2), ("http", "scale", 0),
    ]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_changes_need_what_all_changes_need(secured: httpx.Client, method: str) -> None:
    """The token, where there is one; whatever the method. To read is open to everyone."""
    permitted = {"Authorization": "Bearer s3cret"}
    assert secured.post("/start?count=10", headers=permitted).status_code == 200
    for path in ("/start", "/scale", "/stop"):
        assert secured.request(method, path).status_code == 401, path
    assert secured.get("/status").json()["count"] == 10
    assert secured.request(method, "/stop", headers=permitted).json() == {"status": "stopped", "running": 0}


@pytest.fixture(scope="module")
def secured(broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a process with a token."""
    token = tmp_path_factory.mktemp("secured") / "token"
    token.write_text("s3cret")
    with simulator(broker, PLANT, "--http-token-file", str(token)) as (_, client):
        yield client


def test_pages_of_others_change_nothing_by_an_image(described: Described) -> None:
    """A browser fetches it by GET without an Origin, and says so; HEAD, which has to be safe, is no such call."""
    described.has_ten()
    client = described.client
    for site in ("cross-site", "same-site"):
        assert client.get("/stop", headers={"Sec-Fetch-Site": site}).status_code == 403
    named = {"Sec-Fetch-Site": "cross-site", "Authorization": "Basic YTpi"}  # as of http://a:b@localhost/stop
    assert client.get("/stop", headers=named).status_code == 403
    assert client.get("/stop", headers={"Host": "rebound.example"}).status_code == 403
    assert client.head("/stop").status_code == 405
    assert client.get("/status").json()["count"] == 10
    assert client.get("/stop", headers={"Sec-Fetch-Site": "none"}).status_code == 200


def test_spans_have_the_names_and_attributes(described: Described) -> None:
    """Of each call, and of messages; where tracing is on."""
    collector, trace = described.collector, secrets.token_hex(16)
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    sent = collector.find("publish_sensor_data").attributes
    for address in ("/start?count=3", "/scale?count=5", "/status", "/stop"):
        described.client.get(address, headers=headers)
    made = {
        name: collector.find(f"router.{name}_devices", trace_id=trace) for name in ("start", "scale", "status", "stop")
    }

    assert sent["device_id"] in devices(10)
    assert sent["mqtt.topic"] == f"sensors/{sent['device_id']}"
    assert sent["mqtt.broker"] == "127.0.0.1"
    assert 80 < sent["payload.size"] < 120
    assert {name: span.attributes for name, span in made.items()} == {
        "start": {"input.count": 3, "started.count": 3},
        "scale": {"scale.target_count": 5, "scale.current_count": 3, "scale.result": "scaled up"},
        "status": {"status.count": 5},
        "stop": {},
    }
    assert all(span.parent for span in made.values()), "each is part of the request"


def test_log_lines_as_json_have_the_keys(described: Described) -> None:
    """In this order, and known words where there is no span."""
    line = json.loads(described.daemon.log.splitlines()[0])

    keys = "timestamp level message service trace_id span_id user_id logger_name module function line process thread"
    assert [*line] == keys.split()
    assert (line["trace_id"], line["span_id"], line["user_id"]) == ("unknown-trace", "unknown-span", "unknown-user")
    assert line["level"] == "INFO"


@pytest.mark.parametrize(
    ("accept", "parse"),
    [("text/plain", classic_families), ("application/openmetrics-text;version=1.0.0", open_families)],
)
def test_metrics_can_be_had_in_either_format(
    described: Described, accept: str, parse: Callable[[str], Iterator[Metric]]
) -> None:
    """As Prometheus asks for them: each is parsed by the library, which names the counter alike."""
    described.has_ten()
    text = described.client.get("/metrics/", headers={"Accept": accept}).text

    families = {family.name: family for family in parse(text)}
    assert families["mqtt_sent"].type == "counter"
    assert families["running_devices"].samples[0].value == 10
    assert "edgemqttsim_connected" in families
