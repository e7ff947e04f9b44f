"""`controller` at a broker: what it receives, what it publishes, and its session."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.broker import EmbeddedBroker
from tests.cli.clients.conftest import At
from tests.cli.clients.scenes import Client, run
from tests.conftest import StartMosquitto
from tests.support.brokers.subscriber import Recorder
from tests.support.processes.daemon import DaemonProcess
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

CONTROLLER = ("controller",)
COMMANDS = "factory/commands/controller/#"
QUICK_RULES = """\
rules:
  - sensor: temperature
    alarm: high
    command: stop
    reason: too hot
    cool_down_seconds: 0
    recovery: {when: within_limit, for_seconds: 0, reason: cool again}
"""


@contextmanager
def controlling(at: At, *flags: str) -> Iterator[Client]:
    """A controller that has subscribed: it says what a retained message told it, which it gets after that."""
    publish(at, "state/other", {"device_id": "other", "state": "there"}, "--retain")
    with Client(at.port, *CONTROLLER, *flags, *at.flags) as controller:
        controller.says('state of other: there|"state":"there"')
        yield controller


def publish(at: At, topic: str, payload: object, *flags: str) -> None:
    """Publish as a device does."""
    message = payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"))
    arguments = ("--client-id", "press", "--topic", f"factory/{topic}", "--message", message, "--qos", "1")
    assert run(at.port, "pub", *arguments, *flags, *at.flags).code == 0


def alarm(at: At, sensor: str, value: float, limit: float = 80.0) -> None:
    """An alarm of the press, with the keys of the reference sandbox."""
    payload = {"device_id": "press", "device_type": "press", "sensor": sensor, "unit": "C", "value": value}
    more = {"limit": limit, "alarm_type": "high", "severity": "warning", "ts": "2026-01-05T08:00:00Z"}
    publish(at, f"alarms/press/{sensor}", payload | more)


def test_an_alarm_is_answered_with_a_command_for_its_machine(at: At) -> None:
    """QoS 1, not retained, keys in their order, JSON without spaces, ids from 1; one command for many alarms."""
    with (
        Recorder(at.port, topics=[COMMANDS]) as recorder,
        controlling(at) as controller,
    ):
        controller.says(r"controller: connected \(session_present=false\)")
        for value in (82.0, 83.0, 84.0):
            alarm(at, "temperature", value)
        alarm(at, "vibration", 6.0, 5.0)
        first, second = recorder.wait_for(2)
        controller.says(r"sent stop to press \(temperature high value=82 limit=80\) command_id=1$")
        controller.says(r"sent maintenance to press \(vibration high value=6 limit=5\) command_id=2$")

    assert (first.topic, first.qos, first.retain) == ("factory/commands/controller/press", 1, False)
    assert re.fullmatch(
        rb'{"command":"stop","reason":"critical threshold","command_id":1,"device_id":"press",'
        rb'"ts":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"}',
        first.payload,
    )
    assert [json.loads(each.payload)["command_id"] for each in (first, second)] == [1, 2]
    assert len(recorder.records) == 2


def test_it_starts_a_machine_that_has_recovered_by_rules_of_a_file(at: At, tmp_path: Path) -> None:
    """And stops it at the next alarm."""
    (tmp_path / "rules.yaml").write_text(QUICK_RULES)
    with (
        Recorder(at.port, topics=[COMMANDS]) as recorder,
        controlling(at, "--rules", str(tmp_path / "rules.yaml")),
    ):
        alarm(at, "temperature", 82.0)
        publish(at, "telemetry/press/temperature", {"device_id": "press", "sensor": "temperature", "value": 70.0})
        alarm(at, "temperature", 81.0)
        records = recorder.wait_for(3)

    found = [json.loads(each.payload) for each in records]
    assert [(each["command"], each["reason"]) for each in found] == [
        ("stop", "too hot"),
        ("start", "cool again"),
        ("stop", "too hot"),
    ]


def test_a_simulator_does_what_the_controller_sends(mosquitto_port: int, tmp_path: Path) -> None:
    """It takes commands over MQTT: the machine stops at the alarm, and runs when its value is good."""
    (tmp_path / "rules.yaml").write_text(QUICK_RULES)
    at = At(mosquitto_port, (), is_5=True)
    address = ["--mqtt-broker", "127.0.0.1", "--mqtt-port", str(mosquitto_port), "--http-port", str(free_port())]
    with (
        DaemonProcess("run", *address, "--no-mqtt-tls", "--mqtt-auth-method", "none", "--mqtt-commands") as simulator,
        controlling(at, "--rules", str(tmp_path / "rules.yaml")),
    ):
        simulator.says("subscribed to commands")
        content = {"alarm_type": "high", "value": 82.0, "limit": 80.0}
        publish(at, "alarms/CNC-03/temperature", content)
        simulator.says('command executed command=stop .*by="mqtt controller" .*"CNC-03"')
        publish(at, "telemetry/CNC-03/temperature", {"value": 70.0})
        simulator.says('command executed command=start .*by="mqtt controller" .*"CNC-03"')


def test_a_persistent_session_gets_the_alarms_of_its_absence(at: At) -> None:
    """And it says that the session was there, which it is not the first time."""
    session = ("--session", "persistent")
    with Recorder(at.port, topics=[COMMANDS]) as recorder:
        with controlling(at, *session) as before:
            before.says(r"connected \(session_present=false\)")
        alarm(at, "temperature", 82.0)
        assert recorder.records == []
        with controlling(at, *session) as after:
            after.says(r"connected \(session_present=true\)")
            (record,) = recorder.wait_for(1)

    assert json.loads(record.payload)["command"] == "stop"


def test_a_clean_session_does_not(at: At) -> None:
    """Alarms that come while it is away are lost; those after that are answered."""
    session = ("--session", "clean")
    with Recorder(at.port, topics=[COMMANDS]) as recorder:
        with controlling(at, *session):
            pass
        alarm(at, "temperature", 82.0)
        with controlling(at, *session) as after:
            after.says(r"connected \(session_present=false\)")
            alarm(at, "vibration", 6.0, 5.0)
            (record,) = recorder.wait_for(1)

    assert json.loads(record.payload)["command"] == "maintenance"


def test_a_persistent_session_outlasts_a_kill(mosquitto_port: int) -> None:
    """SIGKILL: no DISCONNECT, and the session is kept."""
    at = At(mosquitto_port, ("--mqtt-version", "5"), is_5=True)
    environ = {"MQTT_PORT": str(mosquitto_port)}
    arguments = ("controller", "--session", "persistent")
    publish(at, "state/press", {"device_id": "press", "state": "running"}, "--retain")
    with DaemonProcess(*arguments, environ=environ) as killed:
        wait_until(lambda: "state of press: running" in "".join(killed.output), 40.0, "it has subscribed")
        killed.signal(signal.SIGKILL)
        killed.wait()
    alarm(at, "temperature", 82.0)
    with Recorder(mosquitto_port, topics=[COMMANDS]) as recorder, Client(mosquitto_port, *arguments) as after:
        after.says("session_present=true")

        assert len(recorder.wait_for(1)) == 1


def test_what_is_not_understood_is_noted_once_and_ignored(at: At) -> None:
    """Of each topic; what follows is answered."""
    with Recorder(at.port, topics=[COMMANDS]) as recorder, controlling(at) as controller:
        for payload in ("not json", "[]", "not json\x1b[2J", '{"alarm_type":7}'):
            publish(at, "alarms/press/temperature", payload)
        alarm(at, "temperature", 82.0)
        recorder.wait_for(1)

        assert controller.err.getvalue().count("ignoring a message on alarms/press/temperature: it is not JSON") == 1
        assert "\x1b" not in controller.text


def test_status_and_state_are_printed_when_they_change(at: At) -> None:
    """Also those that are retained; the same state once more is no news."""
    publish(at, "state/press", {"device_id": "press", "state": "running"}, "--retain")
    publish(at, "status/press", {"device_id": "press", "status": "online"}, "--retain")
    with Client(at.port, *CONTROLLER, *at.flags) as controller:
        controller.says("controller: state of press: running$")
        controller.says("controller: status of press: online$")
        publish(at, "state/press", {"device_id": "press", "state": "running"})
        publish(at, "status/press", {"device_id": "press", "status": "offline"})
        controller.says("controller: status of press: offline$")

        assert controller.out.getvalue().count("state of press") == 1


def test_nobody_who_receives_a_command_is_noted(mosquitto_port: int) -> None:
    """The broker says so with PUBACK of MQTT 5."""
    at = At(mosquitto_port, ("--mqtt-version", "5"), is_5=True)
    with controlling(at) as controller:
        alarm(at, "temperature", 82.0)
        controller.says("nobody receives stop to press: PUBACK 0x10 No matching subscribers")


def test_a_refused_command_is_noted_and_is_a_failure_at_the_end(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    """The ACL lets it read, and not write."""
    (tmp_path / "acl").write_text("topic read #\ntopic write factory/alarms/#\ntopic write factory/state/#\n")
    options = {"acl_file": tmp_path / "acl", "max_queued_messages": 1000}
    at = At(start_mosquitto(listeners=("plain",), options=options).ports["plain"], (), is_5=True)
    with controlling(at) as controller:
        alarm(at, "temperature", 82.0)
        controller.says("the broker refused stop to press: PUBACK 0x87 Not authorized")

    assert controller.code == 1


def test_lines_are_json_where_wanted(at: At) -> None:
    """Each with its event."""
    with controlling(at, "--json") as controller:
        controller.says('"event":"connected","session_present":false')
        alarm(at, "temperature", 82.0)
        controller.says('"event":"command"')

    found = [json.loads(line) for line in controller.out.getvalue().splitlines()]
    assert [each["event"] for each in found] == ["connected", "state", "command", "shutdown"]
    assert (found[2]["command"], found[2]["device_id"], found[2]["command_id"]) == ("stop", "press", 1)


def test_commands_wait_for_a_lost_connection(embedded: EmbeddedBroker) -> None:
    """An alarm that came just before the loss is answered after it."""
    at = At(embedded.port, (), is_5=True)
    rule = embedded.faults.cut(taken=False, when=lambda packet: "commands" in packet.topic)
    with Recorder(at.port, topics=[COMMANDS]) as recorder, controlling(at) as controller:
        alarm(at, "temperature", 82.0)
        controller.says("trying again in 1 s")
        (record,) = recorder.wait_for(1)

    assert rule.hits == 1
    assert json.loads(record.payload)["command_id"] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_0(embedded: EmbeddedBroker, number: signal.Signals) -> None:
    """With its last line, and without a traceback."""
    with DaemonProcess("controller", environ={"MQTT_PORT": str(embedded.port)}) as process:
        wait_until(lambda: "connected" in "".join(process.output), 40.0, "it is connected")
        process.signal(number)
        code = process.wait()

    assert code == 0
    assert process.output[-1].endswith("controller: shutdown\n")
    assert process.log == ""
