"""The journal: what was done to the plant, and what was refused, by whom and when."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from io import BytesIO
from pathlib import Path

import httpx
import orjson
import pytest

import edge.control.control
from edge.control.control import Control
from edge.control.inbox import Command, Executed
from edge.control.journal import MOST_ENTRIES, Journal
from edge.control.problems import Problem
from edge.status import Busy, ReloadOutcome
from plant.interventions.commands import CommandRefused
from sandbox.broker import EmbeddedBroker
from tests.support.factory.acted_on import PLANTS, content
from tests.support.processes.daemon import DaemonProcess, plain, running
from tests.support.processes.ports import free_port

PLANT = content(PLANTS["faults"])
STOP: Command = {"command": "stop", "machine_id": "CNC-01"}
AT_MS = 1_767_225_600_000
STOPPED = {"machine_id": "CNC-01", "state": "stopped"}


async def at_once() -> None:
    """Take no time."""


def control(
    journal: Journal,
    outcome: Mapping[str, object] | Exception = STOPPED,
    before: Callable[[], Awaitable[None]] = at_once,
) -> Control:
    """The front of a plant that answers so, or raises. before: what takes time until then."""

    async def execute(_: Command) -> Executed:
        await before()
        if isinstance(outcome, Exception):
            raise outcome
        return Executed(AT_MS, outcome)

    async def load(_: str) -> ReloadOutcome:
        return ReloadOutcome()

    async def put(_content: bytes, _by: str, *, save: bool) -> ReloadOutcome:
        return ReloadOutcome()

    return Control(journal, execute, load, put)


def test_a_command_is_noted_with_who_gave_it_and_what_was_then_so() -> None:
    """By plant time and by the clock on the wall."""
    journal = Journal(lambda: 1_800_000_000.0)
    asyncio.run(control(journal).execute(STOP, "http 127.0.0.1"))

    assert [each.described() for each in journal.entries()] == [
        {
            "number": 1,
            "time": "2027-01-15T08:00:00.000Z",
            "by": "http 127.0.0.1",
            "command": STOP,
            "at": "2026-01-01T00:00:00.000Z",
            "answer": STOPPED,
        }
    ]


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (CommandRefused("machine_id", "no machine has the id CNC-9"), 422, "machine_id: no machine has the id CNC-9"),
        (Busy(), 503, "too many commands wait; try again in a moment"),
        (TimeoutError(), 503, "the plant does not answer in time; it may still execute the command"),
    ],
)
def test_a_refusal_is_noted_and_raised_as_a_problem(error: Exception, status: int, detail: str) -> None:
    """The same one, whoever gave the command."""
    file = BytesIO()
    journal = Journal(lambda: 0.0, file)
    with pytest.raises(Problem) as raised:
        asyncio.run(control(journal, error).execute(STOP, "mqtt"))

    assert (raised.value.status, raised.value.detail) == (status, detail)
    assert [(each.error, each.at_ms) for each in journal.entries()] == [(detail, None)]
    assert len(file.getvalue().splitlines()) == 1  # the file has what was done


def test_the_newest_entries_are_kept() -> None:
    """A thousand of them, the newest first; older ones of those are found by their number."""
    journal = Journal(lambda: 0.0)
    for _ in range(MOST_ENTRIES + 10):
        journal.executed(STOP, "file", AT_MS)

    assert [each.number for each in journal.entries()] == list(range(MOST_ENTRIES + 10, 10, -1))
    assert [each.number for each in journal.entries(before=13)] == [12, 11]


def test_the_commands_to_one_machine_are_found() -> None:
    """Those to others, and to the whole plant, are left out."""
    journal = Journal(lambda: 0.0)
    for machine_id in ("PRESS-01", "PRESS-02", "PRESS-01"):
        journal.executed({"command": "stop", "machine_id": machine_id}, "file", AT_MS)
    journal.executed({"command": "rate"}, "file", AT_MS)

    assert [each.number for each in journal.entries(machine_id="PRESS-01")] == [3, 1]
    assert [each.number for each in journal.entries(before=3, machine_id="PRESS-01")] == [1]


def test_a_journal_that_cannot_be_written_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    """The run goes on, as its messages do not depend on it."""

    class Full(BytesIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    journal = Journal(lambda: 0.0, Full())
    for _ in range(3):
        journal.executed(STOP, "file", AT_MS)

    assert caplog.messages == ["journal is incomplete: cannot write to it reason=No space left on device"]
    assert not journal.complete


def test_a_run_ends_with_an_error_where_its_journal_is_incomplete(tmp_path: Path) -> None:
    """As it cannot be had again."""
    commands = tmp_path / "commands"
    commands.write_text(json.dumps({"after_seconds": 1, **STOP}) + "\n")
    flags = ["--dry-run", "--speed", "max", "--duration", "5", "--http-port", "0", "--commands", str(commands)]
    with DaemonProcess("run", *flags, "--journal", "/dev/full") as daemon:
        assert daemon.wait(30) == 1

    assert daemon.log.count("journal is incomplete") == 1
    assert "standard output" not in daemon.log
    assert daemon.output


def test_commands_of_a_file_are_in_the_journal_too(tmp_path: Path) -> None:
    """With the run that they were executed in, so that it can be had again; refused ones are not."""
    commands, journal = tmp_path / "commands", tmp_path / "journal"
    journal.write_text("what was there before is replaced, and not by a few bytes at its beginning alone" * 20)
    lines = [{"after_seconds": 1, **STOP}, {"after_seconds": 2, **STOP, "machine_id": "CNC-99"}]
    commands.write_text("".join(json.dumps(each) + "\n" for each in lines))
    flags = ["--dry-run", "--speed", "max", "--duration", "5", "--http-port", "0", "--commands", str(commands)]
    flags += ["--seed", "7", "--start", "2026-01-01"]
    with DaemonProcess("run", *flags, "--journal", str(journal)) as daemon:
        assert daemon.wait(30) == 0, daemon.log

    assert [json.loads(line) for line in journal.read_text().splitlines()] == [
        {"type": "run", "start": "2026-01-01T00:00:00.000Z", "seed": "7"},
        {"at": "2026-01-01T00:00:01.000Z", **STOP, "by": "file"},
    ]


@pytest.mark.parametrize("other", ["commands", "truth"])
def test_a_journal_is_a_file_of_its_own(tmp_path: Path, other: str) -> None:
    """Else it would replace the commands that it is to repeat."""
    file = tmp_path / "file"
    file.write_text(json.dumps({"after_seconds": 1, **STOP}) + "\n")
    before = file.read_text()
    with DaemonProcess("run", "--dry-run", f"--{other}", str(file), "--journal", str(file)) as daemon:
        assert daemon.wait(30) == 2

    assert daemon.log.strip() == f"--journal: must be another file than that of --{other}"
    assert file.read_text() == before


def test_a_command_for_a_machine_of_another_part_is_refused() -> None:
    """As nothing was done to it."""
    journal = Journal(lambda: 0.0)
    with pytest.raises(Problem) as raised:
        asyncio.run(control(journal, {}).execute(STOP, "http 127.0.0.1"))

    detail = "machine_id: another part of the plant has this machine (SHARD)"
    assert (raised.value.status, raised.value.detail) == (404, detail)
    assert [each.error for each in journal.entries()] == [detail]


@pytest.mark.parametrize("depth", [252, 1000])
def test_a_nested_command_is_noted_by_its_name(depth: int) -> None:
    """However deep: more can be read than written, and nobody could see the journal any more."""
    nested = orjson.loads(b"[" * depth + b"]" * depth)
    journal = Journal(lambda: 0.0)
    refusal = CommandRefused("machine_id", "must be text, got a list of 1")
    with pytest.raises(Problem, match="must be text"):
        asyncio.run(control(journal, refusal).execute({"command": "stop", "machine_id": nested}, "mqtt"))

    (entry,) = journal.entries()
    assert json.loads(orjson.dumps({"entries": [entry.described()]}))["entries"][0]["command"] == {"command": "stop"}


def test_a_journal_is_not_the_plants_file(tmp_path: Path) -> None:
    """It would be emptied."""
    plant = tmp_path / "plant.yaml"
    plant.write_text(PLANT)
    flags = ["--dry-run", "--speed", "max", "--duration", "1", "--http-port", "0", "--message-config-path", str(plant)]
    with DaemonProcess("run", *flags, "--journal", str(plant)) as daemon:
        assert daemon.wait(30) == 2

    assert f"--journal: '{plant}' is the plant's file" in daemon.log
    assert plant.read_text() == PLANT


def test_two_runs_do_not_share_a_journal(tmp_path: Path) -> None:
    """The second would empty it while the first writes to it."""
    flags = ["--dry-run", "--http-port", "0", "--journal", str(tmp_path / "journal")]
    with DaemonProcess("run", *flags) as first:
        first.says("plant: ")
        with DaemonProcess("run", *flags) as second:
            assert second.wait(30) == 2

    assert "another run is writing to it" in second.log


@pytest.mark.parametrize("workers", ["1", "2"])
def test_nothing_waits_for_the_reader_of_a_journal(tmp_path: Path, workers: str) -> None:
    """Not what is done, not the probes, not the end: a pipe takes 64 KiB, and its reader may pause."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    long = (PLANT + "# " + "x" * 30_000).encode()
    flags = ["--workers", workers, "--http-port", str(free_port()), "--journal", str(pipe)]
    with running(EmbeddedBroker()) as broker, DaemonProcess("run", *flags, *plain(broker)) as daemon:
        url = daemon.says(r"HTTP on (http://\S+):").group(1)
        with httpx.Client(base_url=url, transport=httpx.HTTPTransport(retries=5), timeout=20) as client:
            codes = [client.put("/api/v1/plant", content=long).status_code for _ in range(5)]
            assert client.get("/livez").status_code == 200
        os.set_blocking(reader, True)
        with os.fdopen(reader, "rb") as file:
            first = [json.loads(file.readline()) for _ in range(6)]
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(30) == 0, daemon.log

    assert codes == [200] * 5
    assert [line.get("command", line.get("type")) for line in first] == ["run", *["reload"] * 5]


def test_a_command_that_takes_longer_than_its_caller_waits_is_answered_with_what_it_did() -> None:
    """Where the plant does nothing else meanwhile, as when it makes a million machines."""
    journal = Journal(lambda: 0.0)

    async def slow() -> None:
        await asyncio.sleep(0)
        time.sleep(0.2)  # noqa: ASYNC251 - as a plant does

    front = control(journal, before=slow)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edge.control.control, "_ANSWER_SECONDS", 0.1)
        executed = asyncio.run(front.execute(STOP, "http"))

    assert executed == Executed(AT_MS, STOPPED)
    assert [each.at_ms for each in journal.entries()] == [AT_MS]
