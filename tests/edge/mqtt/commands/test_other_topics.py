"""Another topic for commands while the simulator runs: the program, mosquitto, and a controller on the broker."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.conftest import StartMosquitto
from tests.support.brokers.requester import Requester
from tests.support.processes.daemon import ROOT, DaemonProcess
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

STOP = {"command": "stop"}
PLANT = (ROOT / "message_structure.yaml").read_text()


def plant_with(topic: str) -> str:
    """The default plant with another topic for commands."""
    return f'{PLANT}\ncommands:\n  topic: "{topic}"\n'


def counts(url: str) -> dict[str, int]:
    """Commands over MQTT by outcome, without those that have not happened."""
    found: dict[str, int] = httpx.get(f"{url}/healthz").json()["connection"]["commands"]["counts"]
    return {outcome: count for outcome, count in found.items() if count}


@pytest.mark.parametrize("flags", [[], ["--workers", "2"]], ids=["one process", "workers"])
def test_commands_are_taken_from_another_topic_at_once_and_from_the_one_before_no_more(
    start_mosquitto: StartMosquitto, tmp_path: Path, flags: list[str]
) -> None:
    """By PUT, and by a change of the file; one that is refused changes nothing. The broker sends none of the former."""
    broker, plant = start_mosquitto(listeners=("plain",)), tmp_path / "plant.yaml"
    plant.write_text(PLANT)
    address = ["--mqtt-broker", "127.0.0.1", "--mqtt-port", str(broker.ports["plain"]), "--no-mqtt-tls"]
    own = ["--mqtt-auth-method", "none", "--mqtt-commands", "--http-port", str(free_port()), "--seed", "1"]
    own += ["--message-config-path", str(plant), "--reload-seconds", "0.2"]
    with (
        DaemonProcess("run", *address, *own, *flags) as daemon,
        Requester(broker.ports["plain"]) as hmi,
    ):

        def answered(topic: str) -> str:
            answer: str = hmi.ask("", STOP, topic=topic).content["answer"]["machine_id"]
            return answer

        daemon.says(r"subscribed to commands topics=factory/commands/\+/\+ qos=1")
        assert answered("factory/commands/hmi/CNC-01") == "CNC-01"

        put = httpx.put(f"{daemon.url()}/api/v1/plant", content=plant_with("{prefix}/do/{machine_id}"))
        daemon.says(r"subscribed to commands topics=factory/do/\+ qos=1")
        hmi.send("", STOP, topic="factory/commands/hmi/CNC-02", correlation=b"former")
        assert answered("factory/do/CNC-03") == "CNC-03"

        refused = httpx.put(f"{daemon.url()}/api/v1/plant", content=plant_with("{prefix}/{machine_id}"))
        assert answered("factory/do/CNC-04") == "CNC-04"

        plant.write_text(plant_with("line/{publisher}/{machine_id}/do"))
        daemon.says(r"subscribed to commands topics=line/\+/\+/do qos=1")
        hmi.send("", STOP, topic="factory/do/CNC-02", correlation=b"former")
        assert answered("line/hmi/CNC-05/do") == "CNC-05"
        wait_until(lambda: counts(daemon.url()).get("executed") == 4, 20.0, "the report of the first worker")
        journal = httpx.get(f"{daemon.url()}/api/v1/journal").json()["entries"]

        assert counts(daemon.url()) == {"executed": 4}
    assert (put.status_code, refused.status_code) == (200, 422)
    assert "must not match a topic that the plant publishes to" in refused.text
    assert [entry["by"] for entry in journal if entry["command"]["command"] == "stop"] == [
        "mqtt hmi",
        "mqtt",
        "mqtt",
        "mqtt hmi",
    ]
    assert not any(reply.correlation == b"former" for reply in hmi.replies)
