"""Commands in a plant of several workers: together they execute what one process executes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from edge.timestamps import rfc3339
from sandbox.broker import EmbeddedBroker
from tests.support.brokers.subscriber import Recorder
from tests.support.factory.acted_on import PLANTS, content, played, random_log, read
from tests.support.processes.acting import OF_MESSAGES, acting, in_journal
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.ports import free_port

SECONDS, LIVE_SECONDS = 60, 7
FAST = PLANTS["faults"] | {"global": {"target_rate": 300}}


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
    """A hundred commands over HTTP and MQTT, and three reloads: their journal gives the messages again.

    By one process and by workers; and each answer has said at which plant time its command was executed.
    """
    plant, journal, again = tmp_path / "plant.yaml", tmp_path / "journal", tmp_path / "again"
    plant.write_text(content(FAST))
    flags = ["--workers", "2", "--message-config-path", str(plant), "--seed", "1", "--duration", str(LIVE_SECONDS)]
    flags += ["--start", "2026-01-01T00:00:00Z", "--queue-size", "100000"]
    live = ["--speed", "1", "--journal", str(journal), "--reload-seconds", "3600", "--mqtt-commands"]
    live += ["--http-port", str(free_port())]
    with running(EmbeddedBroker()) as broker, Recorder(broker.port, topics=OF_MESSAGES) as recorder:
        with DaemonProcess("run", *flags, *live, *plain(broker)) as daemon:
            with acting(daemon, broker.port, plant) as actors:
                executed = actors.act(random_log(5, 100, LIVE_SECONDS, FAST, reloads=3), LIVE_SECONDS - 3)
            assert daemon.wait(60) == 0, daemon.log
        done = in_journal(journal)
        log = [each for _, each in done]
        expected = Counter(message.payload for message in played(read(FAST), log, LIVE_SECONDS).messages)
        heard = Counter(record.payload for record in recorder.wait_for(expected.total()))
    plant.write_text(content(FAST))
    fast = ["--speed", "max", "--commands", str(journal), "--journal", str(again), "--http-port", "0"]
    with running(EmbeddedBroker()) as broker, Recorder(broker.port) as recorder:
        with DaemonProcess("run", *flags, *fast, *plain(broker)) as daemon:
            assert daemon.wait(60) == 0, daemon.log
        replayed = Counter(record.payload for record in recorder.wait_for(expected.total()))

    ways = Counter((way, command["command"] == "reload") for way, (_, command) in done)
    assert min(ways["http", False], ways["mqtt", False]) > 10
    assert [way for way, (_, command) in done if command["command"] == "reload"] == ["http", "http", "SIGHUP"]
    assert [each for each in log if each[1]["command"] != "reload"] == executed
    assert heard == expected
    assert replayed == expected
    assert [each for _, each in in_journal(again)] == log
