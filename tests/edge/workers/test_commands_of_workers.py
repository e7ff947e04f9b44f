"""Commands in a plant of several workers: together they execute what one process executes."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from edge.timestamps import rfc3339
from sandbox.broker import EmbeddedBroker
from tests.support.brokers.requester import Requester
from tests.support.brokers.subscriber import Recorder
from tests.support.factory.acted_on import PLANTS, content, played, random_log, read
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.ports import free_port

SECONDS, LIVE_SECONDS = 60, 8


def test_workers_with_commands_say_what_one_process_says(tmp_path: Path) -> None:
    """Each of them executes all commands on its part of the plant."""
    plant, commands = tmp_path / "plant.yaml", tmp_path / "commands"
    plant.write_text(content(PLANTS["faults"]))
    log = random_log(5, 40, SECONDS, PLANTS["faults"], reloads=1)
    commands.write_text("".join(json.dumps({"at": rfc3339(at), **command}) + "\n" for at, command in log))
    expected = Counter(message.payload for message in played(read(PLANTS["faults"]), log, SECONDS).messages)
    flags = ["--workers", "2", "--message-config-path", str(plant), "--commands", str(commands), "--http-port", "0"]
    flags += ["--seed", "1", "--start", "2026-01-01T00:00:00Z", "--speed", "max", "--duration", str(SECONDS)]
    with running(EmbeddedBroker()) as broker, Recorder(broker.port) as recorder:
        with DaemonProcess("run", *flags, *plain(broker)) as daemon:
            assert daemon.wait(60) == 0, daemon.log
        heard = Counter(record.payload for record in recorder.wait_for(expected.total()))

    assert heard == expected
    assert "command executed" in daemon.log


def test_commands_to_workers_that_run_are_executed_at_the_same_plant_time(tmp_path: Path) -> None:
    """So one process that executes them at the times of the answers sends the same messages."""
    plant = tmp_path / "plant.yaml"
    plant.write_text(content(PLANTS["faults"]))
    flags = ["--workers", "2", "--message-config-path", str(plant), "--seed", "1", "--http-port", str(free_port())]
    flags += ["--start", "2026-01-01T00:00:00Z", "--speed", "1", "--duration", str(LIVE_SECONDS)]
    log: list[tuple[int, dict[str, Any]]] = []
    with running(EmbeddedBroker()) as broker, Recorder(broker.port) as recorder:
        with DaemonProcess("run", *flags, *plain(broker)) as daemon:
            base_url = daemon.says(r"HTTP on (http://\S+):").group(1)
            with httpx.Client(base_url=base_url, transport=httpx.HTTPTransport(retries=5)) as client:
                for _, command in random_log(5, 60, LIVE_SECONDS, PLANTS["faults"], reloads=0):
                    answer = client.post("/api/v1/commands", json=command)
                    if answer.status_code == 200:
                        at = datetime.fromisoformat(answer.json()["at"])
                        log.append((round(at.timestamp() * 1000), dict(command)))
            assert daemon.wait(60) == 0, daemon.log
        expected = Counter(message.payload for message in played(read(PLANTS["faults"]), log, LIVE_SECONDS).messages)
        heard = Counter(record.payload for record in recorder.wait_for(expected.total()))

    assert len(log) > 20
    assert heard == expected


def test_commands_over_mqtt_to_workers_are_executed_at_the_same_plant_time_too(tmp_path: Path) -> None:
    """The first worker takes them, and hands them to the supervisor; the embedded broker carries them."""
    plant = tmp_path / "plant.yaml"
    plant.write_text(content(PLANTS["faults"]))
    flags = [
        "--workers",
        "2",
        "--message-config-path",
        str(plant),
        "--seed",
        "1",
        "--http-port",
        "0",
        "--mqtt-commands",
    ]
    flags += ["--start", "2026-01-01T00:00:00Z", "--speed", "1", "--duration", str(LIVE_SECONDS)]
    log: list[tuple[int, dict[str, Any]]] = []
    with running(EmbeddedBroker()) as broker, Recorder(broker.port, topics=["factory/+", "factory/+/+"]) as recorder:
        with DaemonProcess("run", *flags, *plain(broker)) as daemon, Requester(broker.port) as hmi:
            daemon.says("subscribed to commands")
            for _, command in random_log(6, 60, LIVE_SECONDS, PLANTS["faults"], reloads=0):
                said = {key: value for key, value in command.items() if key != "machine_id"}
                answer = hmi.ask(str(command.get("machine_id", "-")), said).content
                if "at" in answer:
                    log.append((round(datetime.fromisoformat(answer["at"]).timestamp() * 1000), dict(command)))
            assert daemon.wait(60) == 0, daemon.log
        expected = Counter(message.payload for message in played(read(PLANTS["faults"]), log, LIVE_SECONDS).messages)
        heard = Counter(record.payload for record in recorder.wait_for(expected.total()))

    assert len(log) > 20
    assert heard == expected
