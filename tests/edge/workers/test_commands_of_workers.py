"""Commands in a plant of several workers: together they execute what one process executes."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path

import httpx

from edge.timestamps import rfc3339
from sandbox.broker import EmbeddedBroker
from tests.support.brokers.requester import Requester
from tests.support.brokers.subscriber import Recorder
from tests.support.factory.acted_on import PLANTS, Timed, content, played, random_log, read
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


def test_what_is_done_to_workers_that_run_is_done_at_the_same_plant_time_in_all(tmp_path: Path) -> None:
    """A hundred commands and three reloads: their journal gives the messages again, by one process and by workers."""
    plant, journal, again = tmp_path / "plant.yaml", tmp_path / "journal", tmp_path / "again"
    plant.write_text(content(PLANTS["faults"]))
    flags = ["--workers", "2", "--message-config-path", str(plant), "--seed", "1", "--duration", str(LIVE_SECONDS)]
    flags += ["--start", "2026-01-01T00:00:00Z"]
    live = [
        *flags,
        "--speed",
        "1",
        "--journal",
        str(journal),
        "--reload-seconds",
        "3600",
        "--http-port",
        str(free_port()),
    ]
    with running(EmbeddedBroker()) as broker, Recorder(broker.port) as recorder:
        with DaemonProcess("run", *live, *plain(broker)) as daemon:
            base_url = daemon.says(r"HTTP on (http://\S+):").group(1)
            with httpx.Client(base_url=base_url, transport=httpx.HTTPTransport(retries=5)) as client:
                codes = [_sent(client, plant, each) for each in random_log(5, 100, LIVE_SECONDS, PLANTS["faults"], 3)]
            assert daemon.wait(60) == 0, daemon.log
        log = _timed(journal)
        expected = Counter(message.payload for message in played(read(PLANTS["faults"]), log, LIVE_SECONDS).messages)
        heard = Counter(record.payload for record in recorder.wait_for(expected.total()))
    plant.write_text(content(PLANTS["faults"]))
    fast = [*flags, "--speed", "max", "--commands", str(journal), "--journal", str(again), "--http-port", "0"]
    with running(EmbeddedBroker()) as broker, Recorder(broker.port) as recorder:
        with DaemonProcess("run", *fast, *plain(broker)) as daemon:
            assert daemon.wait(60) == 0, daemon.log
        replayed = Counter(record.payload for record in recorder.wait_for(expected.total()))

    assert codes.count(200) == len(log) > 20
    assert [command["command"] for _, command in log].count("reload") == 3
    assert heard == expected
    assert replayed == expected
    assert _timed(again) == log


def _sent(client: httpx.Client, plant: Path, timed: Timed) -> int:
    """Give a command over HTTP, or load another content of the plant's file; the code of the answer."""
    command = dict(timed[1])
    if command["command"] == "reload":
        plant.write_text(command["content"])
        return client.post("/-/reload").status_code
    return client.post("/api/v1/commands", json=command).status_code


def _timed(journal: Path) -> list[Timed]:
    """The commands in a journal, each with its plant time."""
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    about = {"at", "by"}
    return [
        (
            round(datetime.fromisoformat(line["at"]).timestamp() * 1000),
            {key: value for key, value in line.items() if key not in about},
        )
        for line in lines
        if line.get("type") != "run"
    ]


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
    log: list[Timed] = []
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
