"""Commands in a plant of several workers: together they execute what one process executes."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import time
from collections import Counter
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest

import edge.control.control
import edge.workers.supervisor
from edge.control.control import Control
from edge.control.inbox import Command, Executed
from edge.control.journal import Journal
from edge.control.problems import Problem
from edge.runtime.reload import NotApplied
from edge.runtime.tasks import TaskSupervisor
from edge.status import ReloadOutcome
from edge.timestamps import rfc3339
from edge.workers.channel import Channel
from edge.workers.process import Worker, fork
from edge.workers.supervisor import WorkerSupervisor
from messages import START
from sandbox.broker import EmbeddedBroker
from tests.support.brokers.rig import until
from tests.support.brokers.subscriber import Recorder
from tests.support.factory.acted_on import PLANTS, content, played, random_log, read
from tests.support.processes.acting import OF_MESSAGES, acting, in_journal, in_ms
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.ports import free_port

SECONDS, LIVE_SECONDS = 60, 3
FAST = PLANTS["faults"] | {"global": {"target_rate": 300}}
FORKS = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
"""The threads of the test's process take no part in what the worker does."""


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

    By one process and by workers; and each answer has said at which plant time its command was executed. Up to the
    last of these times all workers have come; a signal ends each of them a little later.
    """
    plant, journal, again = tmp_path / "plant.yaml", tmp_path / "journal", tmp_path / "again"
    plant.write_text(content(FAST))
    flags = ["--workers", "2", "--message-config-path", str(plant), "--seed", "1"]
    flags += ["--start", "2026-01-01T00:00:00Z", "--queue-size", "100000"]
    live = ["--speed", "1", "--journal", str(journal), "--reload-seconds", "3600", "--mqtt-commands"]
    live += ["--http-port", str(free_port())]
    with running(EmbeddedBroker()) as broker, Recorder(broker.port, topics=OF_MESSAGES) as recorder:
        with DaemonProcess("run", *flags, *live, *plain(broker)) as daemon:
            with acting(daemon, broker.port, plant) as actors:
                executed = actors.act(random_log(5, 100, LIVE_SECONDS, FAST, reloads=3), LIVE_SECONDS)
            daemon.signal(signal.SIGTERM)
            assert daemon.wait(30) == 0, daemon.log
        heard = recorder.wait_for(int(re.findall(r"Messages Sent: (\d+)", daemon.log)[-1]), 30.0)
    done = in_journal(journal)
    log = [each for _, each in done]
    last_ms = log[-1][0]
    seconds = last_ms / 1000 - START + 1
    expected = played(read(FAST), log, seconds).messages
    plant.write_text(content(FAST))
    fast = ["--speed", "max", "--commands", str(journal), "--journal", str(again), "--http-port", "0"]
    with running(EmbeddedBroker()) as broker, Recorder(broker.port) as recorder:
        with DaemonProcess("run", *flags, *fast, "--duration", f"{seconds:.3f}", *plain(broker)) as daemon:
            assert daemon.wait(60) == 0, daemon.log
        replayed = Counter(record.payload for record in recorder.wait_for(len(expected), 30.0))

    ways = Counter((way, command["command"] == "reload") for way, (_, command) in done)
    assert min(ways["http", False], ways["mqtt", False]) > 10
    assert [way for way, (_, command) in done if command["command"] == "reload"] == ["http", "http", "SIGHUP"]
    assert [each for each in log if each[1]["command"] != "reload"] == executed
    early = Counter(record.payload for record in heard if in_ms(json.loads(record.payload)["timestamp"]) < last_ms)
    assert early.total() > 300
    assert early == Counter(message.payload for message in expected if message.time_ms < last_ms)
    assert replayed == Counter(message.payload for message in expected)
    assert [each for _, each in in_journal(again)] == log


def late(seconds: float | None, end: socket.socket) -> int:
    """The life of a worker that has a command executed after so many seconds, or dies of it."""

    async def live() -> None:
        channel = await Channel.over(end)
        async for name, value in channel.messages():
            if name in {"ping", "hold"}:
                channel.send("answer", (value[0], 1.0))
            if name == "end" or (name == "execute" and seconds is None):
                break
            if name == "execute":
                await asyncio.sleep(seconds or 0.0)
                channel.send("answer", (value[0], Executed(1000, {"messages_per_second": None})))
        await channel.close()

    asyncio.run(live())
    return 0


def control_of(workers: WorkerSupervisor, journal: Journal) -> Control:
    """The front of workers that nobody reloads."""

    async def load(_: str) -> ReloadOutcome:
        return ReloadOutcome()

    async def put(_content: bytes, _by: str, *, save: bool) -> ReloadOutcome:
        return ReloadOutcome()

    return Control(journal, workers.execute, load, put)


async def ended(workers: WorkerSupervisor, life: TaskSupervisor, forked: list[Worker]) -> None:
    """End workers, and close what led to them."""
    await workers.shutdown(None)
    await life.close()
    for worker in forked:
        assert worker.channel is not None
        await worker.channel.close()


@FORKS
def test_a_command_that_workers_execute_too_late_is_noted_when_they_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the run could not be had again: they cannot take it back. What waits for its turn meanwhile is not done."""
    monkeypatch.setattr(edge.control.control, "_ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(edge.workers.supervisor, "_TRIAL_SECONDS", 0.3)
    file = BytesIO()
    forked = fork([partial(late, seconds) for seconds in (0.0, 3.0)], time.monotonic)
    workers = WorkerSupervisor(forked, 1, "", time.monotonic, 0.0)
    control = control_of(workers, Journal(time.time, file))

    async def talk() -> list[object]:
        workers.start(life := TaskSupervisor(), lambda *_: None)
        commands: list[Command] = [{"command": "rate"}, {"command": "rate", "messages_per_second": 5.0}]
        tried = await asyncio.gather(*(control.execute(each, "http") for each in commands), return_exceptions=True)
        assert [getattr(each, "status", each) for each in tried] == [503, 503]
        with pytest.raises(NotApplied, match="a command before it is not executed yet"):
            await workers.apply(read(PLANTS["faults"]))
        await until(lambda: len(file.getvalue().splitlines()) == 2, "it is noted")
        await ended(workers, life, forked)
        return [(each.command, each.at_ms) for each in control.journal.entries()]

    assert asyncio.run(talk()) == [
        ({"command": "rate"}, 1000),
        ({"command": "rate", "messages_per_second": 5.0}, None),
    ]
    assert [json.loads(line).get("command") for line in file.getvalue().splitlines()] == [None, "rate"]


@FORKS
def test_a_command_that_a_worker_dies_of_is_answered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing waits for it: an answer would be waited for longer than a test may take."""
    monkeypatch.setattr(edge.control.control, "_ANSWER_SECONDS", 600.0)
    forked = fork([partial(late, None)], time.monotonic)
    workers = WorkerSupervisor(forked, 1, "", time.monotonic, 0.0)
    control = control_of(workers, Journal(time.time))

    async def talk() -> None:
        workers.start(life := TaskSupervisor(), lambda *_: None)
        with pytest.raises(Problem, match="does not answer"):
            await control.execute({"command": "rate"}, "http")
        await ended(workers, life, forked)

    asyncio.run(talk())
