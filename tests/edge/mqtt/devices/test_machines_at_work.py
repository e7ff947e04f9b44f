"""Facts about the program with a connection for each machine: commands by all ways, workers, replays and exit codes."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mqtt5 import PublishPacket, SubscribePacket

from sandbox.broker import EmbeddedBroker
from sandbox.faults import Peer, Rule
from tests.support.brokers.requester import Requester
from tests.support.brokers.subscriber import Recorder
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

PLANT = """
global: {machine_counts: {cnc: 4}}
message_types:
  cnc_machine:
    report_seconds: 0.2
    cycle_time_range: [10, 15]
    quality_distribution: {good: 1}
    status_distribution: {running: 1}
    part_types: [HullPanel]
    station_pattern: S
"""
PER_MACHINE = ["--mqtt-connections", "per_machine", "--mqtt-client-id", "sim"]
COMMANDS = "/api/v1/commands"
STATUS = "factory/status/+"


class Broker:
    """An embedded broker in a thread.  filters: what was subscribed to, by client.  answers: who published where."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self.broker = broker
        self.filters: dict[str, list[str]] = {}
        self.publishers: list[tuple[str, str]] = []
        broker.faults.add(Rule(on=SubscribePacket, actions=(self._subscribed,), times=None))
        broker.faults.add(Rule(on=PublishPacket, actions=(self._published,), times=None))

    def _subscribed(self, peer: Peer, packet: SubscribePacket) -> bool:
        self.filters.setdefault(peer.client_id, []).extend(each.pattern for each in packet.topic_filters)
        return False

    def _published(self, peer: Peer, packet: PublishPacket) -> bool:
        self.publishers.append((peer.client_id, packet.topic))
        return False

    def flags(self, *more: str) -> list[str]:
        """Flags of a simulator with an HTTP port."""
        http = ["--http-port", str(free_port()), "--http-host", "127.0.0.1", "--stats-interval", "0"]
        return ["run", *plain(self.broker), *http, *more]

    def states(self) -> dict[str, str]:
        """What a subscriber finds who comes now."""
        with Recorder(self.broker.port, topics=[STATUS]) as late:
            late.wait_for(1)
            wait_until(lambda: late.quiet_seconds() > 0.2, 20.0, "no more of them")
            contents = [json.loads(each.payload) for each in late.records]
        return {each["device_id"]: each["status"] for each in contents}


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker that notes who subscribes and publishes."""
    with running(EmbeddedBroker()) as one:
        yield Broker(one)


@pytest.fixture
def plant(tmp_path: Path) -> list[str]:
    """Flags for a plant of four machines that report five times a second."""
    path = tmp_path / "plant.yaml"
    path.write_text(PLANT)
    return ["--message-config-path", str(path)]


def client_of(daemon: DaemonProcess) -> httpx.Client:
    """A client of its HTTP port."""
    return httpx.Client(base_url=daemon.url(), transport=httpx.HTTPTransport(retries=5))


def devices(client: httpx.Client) -> dict[str, Any]:
    """The connections of machines, as /healthz has them."""
    found: dict[str, Any] = client.get("/healthz").json()["connection"]["devices"]
    return found


def test_a_run_over_http_from_the_first_machine_to_the_last(broker: Broker, plant: list[str]) -> None:
    """Commands for connections, more machines and fewer, metrics, statistics, and a clean end with code 0."""
    with DaemonProcess(*broker.flags(*PER_MACHINE, *plant)) as daemon, client_of(daemon) as client:
        wait_until(lambda: devices(client)["up"] == 4, 15.0, "all are up")
        daemon.says("all machines are connected connections=4 after=")
        answer = client.post(COMMANDS, json={"command": "disconnect", "machine_id": "CNC-02"}).json()["answer"]
        assert answer == {"machine_id": "CNC-02", "connection": "disconnected"}
        wait_until(lambda: broker.states().get("CNC-02") == "offline", 20.0, "offline")
        assert "edgemqttsim_connections_up 3.0" in client.get("/metrics").text
        assert client.post(COMMANDS, json={"command": "reconnect", "machine_id": "CNC-02"}).status_code == 200
        assert client.post(COMMANDS, json={"command": "crash", "machine_id": "CNC-03"}).status_code == 200
        wait_until(lambda: devices(client)["wills_expected"] == 1, 20.0, "will")
        unknown = client.post(COMMANDS, json={"command": "crash", "machine_id": "CNC-99"})
        assert (unknown.status_code, "CNC-99" in unknown.text) == (422, True)
        for count in (6, 2):
            client.post(COMMANDS, json={"command": "scale", "message_type": "cnc_machine", "count": count})
            wait_until(lambda count=count: devices(client)["up"] == count, 10.0, f"{count} are up")  # type: ignore[misc]
        assert client.get("/readyz").status_code == 200
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0

    assert set(broker.states().values()) == {"offline"}
    assert "of 2 connections up (reconnects: 2, token renewals: 0)" in daemon.log
    assert [client_id for client_id in broker.broker.sessions if client_id.startswith("sim")] == []


def test_each_machine_takes_its_own_commands_over_mqtt_and_answers_them(broker: Broker, plant: list[str]) -> None:
    """It subscribes to its topic alone; those for the plant as a whole come on the plant's connection.

    A machine that a command has sent away answers it when it is back.
    """
    with DaemonProcess(*broker.flags(*PER_MACHINE, *plant, "--mqtt-commands")) as daemon, client_of(daemon) as client:
        wait_until(lambda: devices(client)["up"] == 5, 15.0, "all are up")
        wait_until(lambda: len(broker.filters) == 5, 20.0, "all have subscribed")
        assert broker.filters == {
            "sim": ["factory/commands/+/-"],
            **{f"sim-CNC-0{number}": [f"factory/commands/+/CNC-0{number}"] for number in (1, 2, 3, 4)},
        }
        with Requester(broker.broker.port) as hmi:
            stopped = hmi.ask("CNC-03", {"command": "stop"})
            rate = hmi.ask("-", {"command": "rate", "messages_per_second": 7})
            away = hmi.ask("CNC-02", {"command": "disconnect", "seconds": 0.5})
            who = {client for client, topic in broker.publishers if topic == hmi.response_topic}

        assert stopped.content["answer"]["machine_id"] == "CNC-03"
        assert "answer" in rate.content
        assert away.content["answer"]["connection"] == "disconnected"
        assert who == {"sim-CNC-03", "sim", "sim-CNC-02"}
        status = client.get("/healthz").json()["connection"]["commands"]
        assert status["counts"]["executed"] == 3


def test_workers_have_each_machine_once_and_their_figures_add_up(broker: Broker, plant: list[str]) -> None:
    """Client ids do not say which worker has a machine."""
    split = ["--workers", "2", "--seed", "1"]
    with DaemonProcess(*broker.flags(*PER_MACHINE, *plant, *split)) as daemon, client_of(daemon) as client:
        wait_until(lambda: devices(client)["up"] == 4, 20.0, "all are up")
        assert devices(client)["wanted"] == 4
        assert sorted(broker.broker.connected) == [f"sim-CNC-0{number}" for number in (1, 2, 3, 4)]
        answer = client.post(COMMANDS, json={"command": "crash", "machine_id": "CNC-04"}).json()
        assert answer["answer"] == {"machine_id": "CNC-04", "connection": "crashed"}
        wait_until(lambda: devices(client)["wills_expected"] == 1 and devices(client)["up"] == 4, 10.0, "back")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0


def test_a_broker_that_refuses_all_machines_ends_the_process_with_3(broker: Broker, plant: list[str]) -> None:
    """As with one connection, and the last line says why."""
    broker.broker.faults.refuse(0x87, times=None)
    with DaemonProcess(*broker.flags(*PER_MACHINE, *plant)) as daemon:
        assert daemon.wait() == 3
    assert "0x87 Not authorized" in daemon.log.splitlines()[-1]


SENTENCE = "needs a connection for each machine: MQTT_CONNECTIONS=per_machine"


def test_with_one_connection_for_all_such_commands_are_refused_by_all_ways(
    broker: Broker, plant: list[str], tmp_path: Path
) -> None:
    """Over HTTP, over MQTT and from a file: with the option to set, and nobody is cut."""
    commands = tmp_path / "commands.jsonl"
    commands.write_text('{"after_seconds": 0.5, "command": "crash", "machine_id": "CNC-01"}\n')
    flags = [*plant, "--mqtt-client-id", "sim", "--mqtt-commands", "--commands", str(commands)]
    with DaemonProcess(*broker.flags(*flags)) as daemon, client_of(daemon) as client:
        daemon.says("subscribed to commands")
        for command in ("crash", "disconnect", "reconnect"):
            refused = client.post(COMMANDS, json={"command": command, "machine_id": "CNC-01"})
            assert refused.status_code == 422
            assert SENTENCE in refused.text
        with Requester(broker.broker.port) as hmi:
            assert SENTENCE in json.dumps(hmi.ask("CNC-01", {"command": "crash"}).content)
        daemon.says(f"command refused command=crash .*{SENTENCE}")
        assert client.get("/healthz").json()["connection"]["connects"] == 1


def test_commands_for_connections_are_replayed_without_a_trace_in_the_messages(
    broker: Broker, plant: list[str], tmp_path: Path
) -> None:
    """A live run's journal, played again without a broker, gives the messages that there were, to the byte."""
    journal = tmp_path / "journal.jsonl"
    live = [*PER_MACHINE, *plant, "--journal", str(journal), "--duration", "4"]
    with Recorder(broker.broker.port, topics=["factory/cnc"]) as seen:
        with DaemonProcess(*broker.flags(*live)) as daemon, client_of(daemon) as client:
            wait_until(lambda: devices(client)["up"] == 4, 15.0, "all are up")
            for command in ("crash", "disconnect", "reconnect"):
                assert client.post(COMMANDS, json={"command": command, "machine_id": "CNC-01"}).status_code == 200
            assert daemon.wait() == 0
        first, *executed = [json.loads(line) for line in journal.read_text().splitlines()]
        assert [each["command"] for each in executed] == ["crash", "disconnect", "reconnect"]

        flags = ["--commands", str(journal), "--seed", first["seed"], "--start", first["start"]]
        replay = ["run", "--dry-run", *plant, *flags, "--duration", "4", "--speed", "max", "--http-port", "0"]
        with DaemonProcess(*replay) as again:
            assert again.wait() == 0
        assert again.log.count("command refused") == 0
        replayed = {payload_of(line) for line in again.output}
        assert len(replayed) == len(again.output)
        # As a set: what was not acknowledged at the crash comes twice, as at least once is the rule.
        wait_until(lambda: {each.payload for each in [*seen.records]} >= replayed, 10.0, "all has come")
    assert {each.payload for each in seen.records} == replayed


def payload_of(line: str) -> bytes:
    """The payload in a line of a dry run, to the byte."""
    return line.partition('"payload":')[2].rstrip().removesuffix("}").encode()
