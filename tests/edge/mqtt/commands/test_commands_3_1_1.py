"""Facts about commands over MQTT 3.1.1: they are executed and not answered, and no sender can end the connection."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge.mqtt.protocol.codec import LONGEST_PACKET, Violation
from edge.mqtt.protocol.packets_3_1_1 import CuttingSplitter
from edge.mqtt.publisher import Limits
from fuzz.rogue import packet
from tests.conftest import StartMosquitto
from tests.edge.mqtt.commands.bench import STOP, Bench
from tests.edge.mqtt.commands.test_at_mosquitto import counts, details, dynamic_security, flags
from tests.support.brokers.mosquitto import Mosquitto
from tests.support.brokers.plugin import program
from tests.support.brokers.rawclient import in_loop
from tests.support.brokers.rig import Lines
from tests.support.processes.daemon import DaemonProcess
from tests.support.processes.waiting import wait_until

TOPIC = b"factory/commands/hmi/CNC-03"


class RawWire:
    """A connection: keeps the frames that are written to it as they are."""

    def __init__(self, *, writable: bool = True) -> None:
        self.writable = writable
        self.frames: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Keep whole frames."""
        self.frames += CuttingSplitter().split(data)

    def push(self) -> None:
        """Do nothing."""


def bench(session_expiry: int = 0) -> tuple[Bench, RawWire]:
    """A lane with MQTT 3.1.1, connected."""
    lane = Bench(mqtt_version="3.1.1", mqtt_auth_method="NONE", mqtt_session_expiry=session_expiry)
    wire = RawWire()
    lane.lane.subscription.open(wire, Limits(100), session_present=False)
    return lane, wire


def message(payload: bytes = STOP, packet_id: int = 9, first: int = 0x32) -> bytes:
    """A command (MQTT 3.1.1, 3.3)."""
    return packet(first, len(TOPIC).to_bytes(2, "big") + TOPIC + packet_id.to_bytes(2, "big") + payload)


@in_loop
async def test_a_command_is_acknowledged_executed_and_not_answered() -> None:
    """SUBSCRIBE and PUBACK to the byte; there is no Response Topic."""
    lane, wire = bench()
    with Lines() as lines:
        lane.hear(packet(0x90, b"\x00\x01\x01"), message())
        await lane.settle()

    filter_ = b"factory/commands/+/+"
    assert wire.frames == [packet(0x82, b"\x00\x01\x00\x14" + filter_ + b"\x01"), b"\x40\x02\x00\x09"]
    assert lane.executed == [({"command": "stop", "machine_id": "CNC-03"}, "mqtt hmi")]
    assert lane.counted() == {"executed": 1}
    assert lines.count("subscribed to commands topics=factory/commands/+/+ qos=1") == 1


@in_loop
async def test_a_command_at_qos_0_is_executed_and_a_refused_one_counted() -> None:
    """What is wrong with it is in the log alone."""
    lane, wire = bench()
    at_most_once = packet(0x30, len(TOPIC).to_bytes(2, "big") + TOPIC + STOP)
    with Lines() as lines:
        lane.hear(at_most_once, message(b"{"))
        await lane.settle()

    assert wire.frames[1:] == [b"\x40\x02\x00\x09"]
    assert lane.counted() == {"executed": 1, "malformed": 1}
    assert (
        lines.count("command over MQTT not executed outcome=malformed topic=factory/commands/hmi/CNC-03: refused") == 1
    )


@in_loop
async def test_a_retained_command_is_refused() -> None:
    """SUBSCRIBE of MQTT 3.1.1 cannot ask a broker to withhold it."""
    lane, _ = bench()
    lane.hear(message(first=0x33))
    await lane.settle()

    assert lane.counted() == {"retained": 1}


@in_loop
async def test_a_refused_subscription_is_reported() -> None:
    """SUBACK 0x80 has no reason."""
    lane, _ = bench()
    with Lines() as lines:
        lane.hear(packet(0x90, b"\x00\x01\x80"))

    assert lines.count("the broker refused the subscription to factory/commands/+/+: return code 0x80 Failure") == 1
    assert lane.lane.subscription.status().subscribed is False


@in_loop
async def test_another_filter_is_followed_and_unsuback_has_no_code() -> None:
    """UNSUBSCRIBE from the one so far, SUBSCRIBE to the other."""
    lane, wire = bench()
    lane.lane.subscription.follow("other/+/+")
    lane.hear(packet(0x90, b"\x00\x01\x01"), packet(0xB0, b"\x00\x02"), packet(0x90, b"\x00\x03\x01"))

    assert [frame[0] for frame in wire.frames] == [0x82, 0xA2, 0x82]
    assert lane.lane.subscription.status().subscribed


@in_loop
async def test_a_broker_may_send_as_many_commands_as_there_are_packet_ids() -> None:
    """It knows no Receive Maximum; all are acknowledged as soon as there is room."""
    lane, wire = bench()
    wire.writable = False
    for number in range(1, 65_536):
        lane.hear(message(b"{", packet_id=number))
    with pytest.raises(Violation, match="65535 unacknowledged"):
        lane.hear(message(b"{", packet_id=1))
    wire.writable = True
    lane.lane.subscription.fill()

    assert len(wire.frames) == 1 + 65_535
    assert len(lane.lane.subscription._taken) == 1000


@in_loop
async def test_a_command_that_comes_again_in_a_kept_session_is_not_executed_twice() -> None:
    """It is acknowledged again, and counted as repeated (MQTT 3.1.1, 4.4)."""
    lane, _ = bench(session_expiry=60)
    lane.hear(message())
    await lane.settle()
    again = RawWire()
    lane.lane.subscription.close()
    lane.lane.subscription.open(again, Limits(100), session_present=True)
    lane.hear(message(first=0x3A))
    await lane.settle()

    assert again.frames[1:] == [b"\x40\x02\x00\x09"]
    assert lane.counted() == {"executed": 1, "repeated": 1}


@in_loop
async def test_of_a_message_that_is_too_long_the_beginning_is_enough_to_refuse_it() -> None:
    """It is acknowledged, so that the broker does not send it again."""
    lane, wire = bench()
    stream = message(b'{"command":"stop","reason":"' + b"x" * 300_000 + b'"}') + message(packet_id=10)
    splitter = CuttingSplitter()
    for start in range(0, len(stream), 10_000):
        lane.hear(*splitter.split(stream[start : start + 10_000]))
        assert len(splitter.unfinished) <= LONGEST_PACKET
    await lane.settle()

    assert wire.frames[1:] == [b"\x40\x02\x00\x09", b"\x40\x02\x00\x0a"]
    assert lane.counted() == {"oversized": 1, "executed": 1}


# With mosquitto, and its clients of MQTT 3.1.1


@pytest.fixture
def broker(start_mosquitto: StartMosquitto) -> Mosquitto:
    """A mosquitto with a plain listener."""
    return start_mosquitto(listeners=("plain",))


def publish(broker: Mosquitto, *arguments: str) -> None:
    """Send a command with mosquitto_pub as it comes, without an option for the version."""
    own = ["-h", "127.0.0.1", "-p", str(broker.ports["plain"]), "-q", "1"]
    subprocess.run([program("mosquitto_pub"), *own, *arguments], check=True, timeout=20)


def machine(daemon: DaemonProcess, machine_id: str) -> Any:
    """What the API says of a machine."""
    return httpx.get(f"{daemon.url()}/api/v1/machines/{machine_id}").json()


def test_clients_of_3_1_1_command_a_plant_and_the_log_says_once_what_is_left_out(
    broker: Mosquitto, tmp_path: Path
) -> None:
    """A retained command and one of 300 KB are refused, and the one connection goes on to the clean stop."""
    long = tmp_path / "long"
    long.write_text(json.dumps({"command": "stop", "reason": "x" * 300_000}))
    topic = "factory/commands/hmi/CNC-03"
    publish(broker, "-t", topic, "-r", "-m", STOP.decode())
    with DaemonProcess(*flags(broker, "--mqtt-version", "3.1.1")) as daemon:
        daemon.says("subscribed to commands topics=factory/commands/\\+/\\+ qos=1")
        wait_until(lambda: counts(daemon) == {"retained": 1}, 10.0, "the retained command")
        publish(broker, "-t", topic, "-f", str(long))
        publish(broker, "-t", topic, "-m", STOP.decode())
        wait_until(lambda: counts(daemon).get("executed") == 1, 10.0, "the command")
        found, stopped = details(daemon), machine(daemon, "CNC-03")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0

    assert stopped["state"] == "stopped"
    assert counts_of(found) == {"retained": 1, "oversized": 1, "executed": 1}
    assert found["connection"]["connects"] == 1
    assert daemon.log.count("MQTT 3.1.1 has no Response Topic: commands over MQTT are executed and not answered") == 1
    assert daemon.log.count("MQTT 3.1.1 has no properties, left out of all messages: CloudEvents attributes, ") == 1


def counts_of(found: Any) -> dict[str, int]:
    """The counts of /healthz that are not 0."""
    all_of_them: dict[str, int] = found["connection"]["commands"]["counts"]
    return {outcome: count for outcome, count in all_of_them.items() if count}


def test_a_subscription_that_mosquitto_refuses_is_in_the_log(start_mosquitto: StartMosquitto, tmp_path: Path) -> None:
    """Telemetry goes on."""
    rules = tmp_path / "dynamic-security.json"
    access = {"publishClientSend": True, "publishClientReceive": True, "subscribe": False, "unsubscribe": True}
    rules.write_text(json.dumps({"defaultACLAccess": access, "clients": [], "groups": [], "roles": []}))
    options = {"plugin": dynamic_security(), "plugin_opt_config_file": rules}
    broker = start_mosquitto(listeners=("plain",), options=options)
    with DaemonProcess(*flags(broker, "--mqtt-version", "3.1.1")) as daemon:
        daemon.says("the broker refused the subscription to factory/commands/\\+/\\+: return code 0x80 Failure")
        wait_until(lambda: details(daemon)["ledger"]["messages_sent"] > 5, 10.0, "telemetry")

        assert details(daemon)["connection"]["connects"] == 1


def test_mosquitto_sub_without_a_version_sees_the_messages_of_a_run(broker: Mosquitto) -> None:
    """Of a run with either version, as its default is 3.1.1."""
    own = ["-h", "127.0.0.1", "-p", str(broker.ports["plain"]), "-t", "factory/#", "-v", "-C", "5", "-W", "20"]
    for version in ("3.1.1", "5"):
        arguments = flags(broker, "--mqtt-version", version, commands=False)
        with DaemonProcess(*arguments) as daemon:
            watching = [program("mosquitto_sub"), *own]
            seen = subprocess.run(watching, check=True, capture_output=True, text=True, timeout=25).stdout
            daemon.signal(signal.SIGTERM)
            assert daemon.wait() == 0
        topics, payloads = zip(*(line.split(" ", 1) for line in seen.splitlines()), strict=True)
        assert len(topics) == 5
        assert all(topic.startswith("factory/") for topic in topics)
        assert all(isinstance(json.loads(payload), dict) for payload in payloads)
        assert ("has no properties" in daemon.log) == (version == "3.1.1")


def test_two_workers_are_two_clients_of_3_1_1_and_the_lines_come_once(broker: Mosquitto) -> None:
    """Their client ids end in the number of their part."""
    arguments = flags(broker, "--mqtt-version", "3.1.1", "--workers", "2", "--seed", "1", commands=False)
    with DaemonProcess(*arguments) as daemon:
        wait_until(lambda: daemon.log.count("connected to broker") == 2, 15.0, "both connected")
        wait_until(lambda: details(daemon)["ledger"]["messages_sent"] > 5, 10.0, "telemetry")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0

    assert daemon.log.count("MQTT 3.1.1 has no reason codes: a message that the broker refuses counts as ack") == 1
    assert all(f"as sim-{part} (p2, c1, k60)" in broker.log_tail() for part in (1, 2))
