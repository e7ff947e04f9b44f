"""The devices of the sandbox at a broker: their messages, and commands from whoever teaches or learns MQTT."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import httpx
import pytest

from tests.conftest import require_mosquitto
from tests.edge.mqtt.commands.test_at_mosquitto import flags, simulators
from tests.support.brokers.credentials import Credentials
from tests.support.brokers.mosquitto import Mosquitto
from tests.support.brokers.requester import Requester
from tests.support.brokers.subscriber import Recorder
from tests.support.factory.plants import ROOT
from tests.support.processes.waiting import wait_until

PLANT = ("--message-config-path", str(ROOT / "scenarios" / "sandbox.yaml"), "--seed", "1")
DEVICES = ("conveyor", "robot_arm", "press", "env_station")


class Bench(NamedTuple):
    """A simulator of the sandbox at mosquitto's port. heard: all messages.  url: of its API."""

    port: int
    heard: Recorder
    url: str

    def said(self, topic: str) -> list[Any]:
        """The payloads on a topic, in order."""
        return [json.loads(each.payload) for each in [*self.heard.records] if each.topic == topic]

    def states(self, device: str) -> list[str]:
        """The states of a device, in order."""
        return [each["state"] for each in self.said(f"factory/state/{device}")]

    def wait_for_states(self, device: str, count: int) -> None:
        """Wait until so many states of a device have come; the next regular one may be nine seconds away."""
        wait_until(lambda: len(self.states(device)) >= count, 5.0, "the state")

    def retained(self) -> dict[str, str]:
        """The state of each device as somebody finds it who comes now."""
        with Recorder(self.port, topics=["factory/state/+"]) as late:
            records = late.wait_for(len(DEVICES))[: len(DEVICES)]
        assert all(each.retain and each.qos == 1 for each in records)
        return {each.topic.rpartition("/")[2]: json.loads(each.payload)["state"] for each in records}


@pytest.fixture(scope="module")
def bench(credentials: Credentials, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Return such a bench, on which each device has reported its state and a value: each test commands another."""
    require_mosquitto()
    with ExitStack() as running:
        own = Mosquitto(tmp_path_factory.mktemp("mosquitto"), credentials, listeners=("plain",))
        broker = running.enter_context(own)
        port = broker.ports["plain"]
        heard = running.enter_context(Recorder(port, topics=["factory/#"]))
        (daemon,) = running.enter_context(simulators(flags(broker, *PLANT)))
        made = Bench(port, heard, daemon.url())
        last = ("telemetry/conveyor/current", "telemetry/env_station/noise", "telemetry/press/vibration")
        topics = [*(f"factory/{each}" for each in last), *(f"factory/state/{device}" for device in DEVICES)]
        wait_until(lambda: all(made.said(topic) for topic in topics), 40.0, "each device")
        yield made


def test_each_category_has_its_qos_and_its_retain_flag(bench: Bench) -> None:
    """Telemetry at QoS 0; alarms at QoS 1; states at QoS 1 and retained, for whoever comes later."""
    with Requester(bench.port, "me") as teacher:
        teacher.ask("press", {"command": "inject", "fault": "loose_frame"})
    wait_until(lambda: bench.said("factory/alarms/press/vibration"), 40.0, "the alarm")
    found = {
        category: {(each.qos, each.retain) for each in [*bench.heard.records] if f"/{category}/" in each.topic}
        for category in ("telemetry", "alarms", "state")
    }

    assert found == {"telemetry": {(0, False)}, "alarms": {(1, False)}, "state": {(1, False)}}
    assert bench.retained().keys() == {*DEVICES}


def test_a_commanded_state_is_published_and_retained_at_once(bench: Bench) -> None:
    """In the form of the controller, of the dashboard with an empty reason, and with nothing but the command."""
    at = "2026-01-05T08:00:00Z"
    with Requester(bench.port, "controller") as controller, Requester(bench.port, "dashboard") as dashboard:
        forms: Sequence[tuple[Requester, dict[str, Any]]] = (
            (controller, {"command": "stop", "reason": "critical threshold", "command_id": 1, "device_id": "conveyor"}),
            (dashboard, {"command": "maintenance", "device_id": "conveyor", "reason": "", "ts": at}),
            (controller, {"command": "stop", "reason": "manual"}),
            (controller, {"command": "stop"}),
        )
        for number, (sender, command) in enumerate(forms):
            before = len(bench.states("conveyor"))
            answer = sender.ask("conveyor", command).content
            bench.wait_for_states("conveyor", before + 1)
            state = "maintenance" if command["command"] == "maintenance" else "idle"
            assert answer["answer"] == {"machine_id": "conveyor", "state": state}, number
            assert bench.states("conveyor")[-1] == bench.retained()["conveyor"] == state
            assert answer.get("command_id") == command.get("command_id")


def test_an_unknown_command_is_refused_with_the_senders_number(bench: Bench) -> None:
    """And changes nothing."""
    with Requester(bench.port, "controller") as controller:
        before = len(bench.states("robot_arm"))
        controller.ask("robot_arm", {"command": "stop"})
        bench.wait_for_states("robot_arm", before + 1)
        answer = controller.ask("robot_arm", {"command": "explode", "command_id": 8}).content

    assert (answer["status"], answer["command_id"]) == (422, 8)
    assert "maintenance" in answer["detail"]
    assert bench.states("robot_arm")[-1] == bench.retained()["robot_arm"] == "idle"


def test_a_command_of_the_type_may_also_come_over_http(bench: Bench) -> None:
    """It is the same command, with the same state on the topic."""
    before = len(bench.states("env_station"))
    command = {"command": "maintenance", "machine_id": "env_station"}
    answer = httpx.post(f"{bench.url}/api/v1/commands", json=command)

    assert (answer.status_code, answer.json()["answer"]["state"]) == (200, "maintenance")
    bench.wait_for_states("env_station", before + 1)
    assert bench.states("env_station")[-1] == "maintenance"


@pytest.mark.skipif(not shutil.which("mosquitto_pub"), reason="needs mosquitto-clients")
def test_the_mosquitto_clients_see_and_command_a_device(bench: Bench) -> None:
    """As the page on the sandbox shows it."""
    at = ["-V", "mqttv5", "-h", "localhost", "-p", str(bench.port)]
    publish = ["mosquitto_pub", *at, "-q", "1", "-t", "factory/commands/controller/conveyor"]
    subscribe = ["mosquitto_sub", *at, "-q", "1", "-C", "1", "-W", "10", "-F", "%r %q %p"]
    before = len(bench.states("conveyor"))
    subprocess.run([*publish, "-m", '{"command":"maintenance"}'], check=True, timeout=20)
    bench.wait_for_states("conveyor", before + 1)
    ran = subprocess.run(
        [*subscribe, "-t", "factory/state/conveyor"], capture_output=True, text=True, check=True, timeout=20
    )

    assert ran.stdout.startswith('1 1 {"device_id":"conveyor","device_type":"conveyor","state":"maintenance","ts":"'), (
        ran.stdout
    )
