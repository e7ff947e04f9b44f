"""`/ws` of HTTP_COMPAT=vf: its messages to a WebSocket client of others, with the sandbox's devices at a broker."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from sandbox.broker import EmbeddedBroker
from tests.conftest import StartMosquitto
from tests.edge.http.test_messages import sandbox_without_chance
from tests.edge.runtime.test_live_commands import client_of, http
from tests.support.brokers.subscriber import Recorder
from tests.support.processes.daemon import ROOT, DaemonProcess, running
from tests.support.processes.waiting import wait_until

SECONDS = 15.0
DEVICES = ["conveyor", "env_station", "press", "robot_arm"]
KEYS = ["device_id", "device_type", "status", "state", "sensors", "last_alarm", "last_seen"]


class Page:
    """A client of `/ws` as the pages of the sandbox are one. A context manager.

    snapshot: the first message.  heard: all that followed, as far as it was waited for.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self._connecting = connect(f"{url.replace('http', 'ws', 1)}/ws", proxy=None, **options)
        self.snapshot: dict[str, Any] = {}
        self.heard: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._socket: ClientConnection = self._connecting.__enter__()
        self.snapshot = self.next()
        return self

    def __exit__(self, *error: object) -> None:
        self._connecting.__exit__(*error)

    def next(self) -> dict[str, Any]:
        """The next message."""
        found: dict[str, Any] = json.loads(self._socket.recv(SECONDS))
        return found

    def until(self, is_it: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Take messages until one is wanted, and return it."""
        for _ in range(2000):
            self.heard.append(self.next())
            if is_it(self.heard[-1]):
                return self.heard[-1]
        raise AssertionError("not among 2,000 messages")

    def entry(self, topic: str, text: str = "") -> dict[str, Any]:
        """The next event of a topic, with a text in its payload."""

        def is_it(message: dict[str, Any]) -> bool:
            entry = message.get("entry", {})
            return entry.get("topic") == topic and text in entry["payload"]

        entry: dict[str, Any] = self.until(is_it)["entry"]
        return entry

    def device(self, name: str, is_it: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """A device, as soon as it is as wanted."""
        found = self.until(lambda each: each["type"] == "devices" and is_it(each["devices"][name]))
        device: dict[str, Any] = found["devices"][name]
        return device

    def send(self, message: object) -> None:
        """Send a message: text or bytes as they are, anything else as JSON."""
        self._socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def command(self, command: str, device_id: str, **more: object) -> None:
        """Give a command."""
        self.send({"type": "command", "device_id": device_id, "command": command, **more})


class Sandbox:
    """A running sandbox with `/ws`.  port: of the broker.  recorder: what a subscriber gets."""

    def __init__(self, port: int, recorder: Recorder, client: httpx.Client, daemon: DaemonProcess) -> None:
        self.port, self.recorder, self.client, self.daemon = port, recorder, client, daemon
        self.url = str(client.base_url).rstrip("/")

    def page(self, **options: Any) -> Page:
        """A client."""
        return Page(self.url, **options)

    def done(self) -> list[dict[str, Any]]:
        """What was done to the plant, the newest first."""
        entries: list[dict[str, Any]] = self.client.get("/api/v1/journal").json()["entries"]
        return entries

    def is_up(self) -> bool:
        """Whether all devices are connected."""
        devices: dict[str, Any] = self.client.get("/healthz").json()["connection"]["devices"]
        return bool(devices["up"] == devices["wanted"])


@contextmanager
def devices_at(port: int, directory: Path) -> Iterator[Sandbox]:
    """The plant of the sandbox at a broker, each device with a connection of its own."""
    flags = ["--message-config-path", sandbox_without_chance(directory), "--mqtt-commands"]
    flags += ["--mqtt-connections", "per_machine", "--mqtt-device-client-id", "{machine_id}", *http()]
    flags += ["--mqtt-broker", "127.0.0.1", "--mqtt-port", str(port), "--no-mqtt-tls", "--mqtt-auth-method", "none"]
    daemon = DaemonProcess("run", *flags, environ={"HTTP_COMPAT": "vf"})
    with Recorder(port) as recorder, daemon, client_of(daemon) as client:
        sandbox = Sandbox(port, recorder, client, daemon)
        wait_until(sandbox.is_up, SECONDS, "all devices")
        yield sandbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One for all tests that leave it as it was."""
    with running(EmbeddedBroker()) as broker, devices_at(broker.port, tmp_path_factory.mktemp("plant")) as one:
        yield one


def test_a_client_is_first_sent_everything_and_then_what_follows(sandbox: Sandbox) -> None:
    """Devices, the messages so far, and where the broker is; with the keys of the contract, in their order."""

    def entries() -> int:
        with sandbox.page() as page:
            return len(page.snapshot["traffic"])

    wait_until(lambda: entries() > 10, SECONDS, "messages")
    with sandbox.page() as page:
        snapshot, event = page.snapshot, page.until(lambda each: each["type"] == "event")

    assert [*snapshot] == ["type", "devices", "traffic", "meta", "broker_status"]
    assert snapshot["meta"] == {"base_topic": "factory", "broker_host": "127.0.0.1", "broker_port": sandbox.port}
    assert (snapshot["type"], snapshot["broker_status"]) == ("snapshot", "connected")
    assert sorted(snapshot["devices"]) == DEVICES
    assert {tuple(each) for each in snapshot["devices"].values()} == {tuple(KEYS)}
    assert 10 < len(snapshot["traffic"]) <= 200
    assert [*event] == ["type", "entry"]
    assert {tuple(each) for each in (*snapshot["traffic"], event["entry"])} == {
        ("ts", "topic", "qos", "retain", "payload")
    }


def test_messages_are_those_of_the_broker_each_once_and_in_order(sandbox: Sandbox) -> None:
    """Those of the snapshot are followed by the events without a gap: a device counts its values."""
    with sandbox.page() as page:
        for _ in range(10):
            page.entry("factory/telemetry/robot_arm/torque")
        entries = page.snapshot["traffic"] + [each["entry"] for each in page.heard if each["type"] == "event"]
    shown = {(each["topic"], each["qos"], each["payload"]) for each in entries}

    def got() -> set[tuple[str, int, str]]:
        return {(each.topic, each.qos, each.payload.decode()) for each in sandbox.recorder.records}

    wait_until(lambda: shown <= got(), SECONDS, "the subscriber has them, too")
    counts = [json.loads(each["payload"])["seq"] for each in entries if "/telemetry/robot_arm/" in each["topic"]]

    assert counts == [*range(counts[0], counts[0] + len(counts))]


def test_a_device_is_what_was_heard_of_it(sandbox: Sandbox) -> None:
    """Its values with unit and time, its state, and that it is online: all of it since before the client came."""
    with sandbox.page() as page:
        device = page.device("env_station", lambda each: len(each["sensors"]) == 4)

    assert (device["device_type"], device["status"], device["last_alarm"]) == ("environment", "online", None)
    assert device["state"] in ("running", "idle", "maintenance")
    assert {name: each["unit"] for name, each in device["sensors"].items()} == {
        "ambient_temp": "C",
        "humidity": "%",
        "air_quality": "AQI",
        "noise": "dB",
    }
    assert all([*each] == ["value", "unit", "ts"] for each in device["sensors"].values())
    assert page.snapshot["devices"]["env_station"]["status"] == "online", "announced before this client was there"


def test_a_command_is_executed_noted_and_seen_by_all_clients(sandbox: Sandbox) -> None:
    """As the messages of the reference had it, with its default reason; its effect is the state on the broker."""
    with sandbox.page() as page, sandbox.page() as other:
        page.command("maintenance", "press", reason="<b>checked</b>")
        told = other.entry("factory/commands/dashboard/press")
        device = page.device("press", lambda each: each["state"] == "maintenance")
        page.command("start", "press")
        again = page.entry("factory/commands/dashboard/press")
    newest = sandbox.done()[0]

    assert json.loads(told["payload"]).keys() == {"command", "device_id", "reason", "ts"}
    assert json.loads(told["payload"])["reason"] == "<b>checked</b>"
    assert (told["qos"], told["retain"], device["status"]) == (1, False, "online")
    assert json.loads(again["payload"])["reason"] == "dashboard"
    assert (newest["by"], newest["command"]) == ("page 127.0.0.1", {"command": "start", "machine_id": "press"})


def test_an_alarm_stays_with_its_device(sandbox: Sandbox) -> None:
    """The last one, as it was published."""
    with sandbox.page() as page:
        command = {"command": "inject", "machine_id": "conveyor", "fault": "jam", "severity": 1}
        assert sandbox.client.post("/api/v1/commands", json=command).status_code == 200
        device = page.device("conveyor", lambda each: each["last_alarm"])

    assert device["last_alarm"]["sensor"] == "current"
    assert device["last_alarm"]["alarm_type"] == "high"


def test_the_program_in_the_documents_runs(sandbox: Sandbox) -> None:
    """It stops the press, and sees that it is idle."""
    page = (ROOT / "docs" / "page-protocol.md").read_text("utf-8")
    program = page.partition("```python\n")[2].partition("```")[0]
    environ = {"URL": f"{sandbox.url.replace('http', 'ws', 1)}/ws"}
    ran = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=30, check=True
    )

    assert ran.stdout.splitlines() == [f"connected {DEVICES}", "the press is idle"]


@pytest.mark.parametrize(
    "message",
    [
        "no JSON",
        "[]",
        "null",
        "{}",
        {"type": "snapshot"},
        {"type": "command"},
        {"type": "command", "command": "stop"},
        {"type": "command", "command": ["stop"], "device_id": "press"},
        {"type": "command", "command": "stop", "device_id": {"a": 1}},
        {"type": "command", "command": "stop", "device_id": "press", "reason": 5},
        {"type": "command", "command": "x" * 201, "device_id": "press"},
        {"type": "command", "command": "stop", "device_id": "<script>"},
        {"type": "command", "command": "explode", "device_id": "press"},
        {"type": "command", "command": "rate", "device_id": "press"},
        {"type": "command", "command": "reload", "device_id": "press"},
        "[" * 30_000,
    ],
)
def test_what_is_no_command_of_a_device_changes_nothing(sandbox: Sandbox, message: object) -> None:
    """And its sender stays: the next command is executed."""
    with sandbox.page() as page:
        before = sandbox.done()
        page.send(message)
        page.command("start", "env_station")
        page.entry("factory/commands/dashboard/env_station")
    executed = [each for each in sandbox.done() if "answer" in each]

    assert executed[0]["command"] == {"command": "start", "machine_id": "env_station"}
    assert executed[1:] == [each for each in before if "answer" in each]


@pytest.mark.parametrize(("message", "code"), [(b"{}", 1003), ("x" * 40_000, 1009)])
def test_who_sends_bytes_or_too_much_is_sent_away(sandbox: Sandbox, message: str | bytes, code: int) -> None:
    """With the reason; others stay."""
    with sandbox.page() as other, sandbox.page() as page:
        page.send(message)
        with pytest.raises(ConnectionClosed) as closed:
            page.until(lambda _: False)

        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code
        assert other.until(lambda each: each["type"] == "event")


def test_what_becomes_of_broker_and_devices_is_told(start_mosquitto: StartMosquitto, tmp_path: Path) -> None:
    """A device that crashes is offline, as its will shows; without a broker all are; both come back. So is the end."""
    mosquitto = start_mosquitto(listeners=("plain",))
    with devices_at(mosquitto.ports["plain"], tmp_path) as sandbox, sandbox.page() as page:
        crash = {"command": "crash", "machine_id": "press", "seconds": 1}
        assert sandbox.client.post("/api/v1/commands", json=crash).status_code == 200
        will = page.entry("factory/status/press", "offline")
        page.device("press", lambda each: each["status"] == "offline")
        page.device("press", lambda each: each["status"] == "online")
        mosquitto.kill()
        page.until(lambda each: each == {"type": "broker", "status": "disconnected"})
        page.device("conveyor", lambda each: each["status"] == "offline")
        mosquitto.start()
        page.until(lambda each: each == {"type": "broker", "status": "connected"})
        page.device("conveyor", lambda each: each["status"] == "online")
        sandbox.daemon.signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            page.until(lambda _: False)
        assert sandbox.daemon.wait() == 0, sandbox.daemon.log

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012, "service restart"
    assert [*json.loads(will["payload"])] == ["device_id", "status", "ts"]
    assert (will["qos"], will["retain"]) == (1, True)
