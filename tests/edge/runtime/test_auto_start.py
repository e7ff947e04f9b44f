"""Machines that wait until somebody starts them: from the first message on, and in a run that is played again."""

from __future__ import annotations

import json
from pathlib import Path

from tests.edge.runtime.test_live_commands import http, plant_file
from tests.support.processes.daemon import DaemonProcess


def statuses(*flags: str) -> list[tuple[str, str]]:
    """The machine and the state of each message of a short run."""
    start = ["--start", "2026-01-05T06:00:00Z", "--seed", "1", "--duration", "60", "--speed", "max"]
    with DaemonProcess("run", "--dry-run", *start, *flags) as daemon:
        assert daemon.wait(30) == 0, daemon.log
    found = [json.loads(line)["payload"] for line in daemon.output]
    return [(each["machine_id"], each["status"]) for each in found]


def test_no_machine_runs_until_it_is_started(tmp_path: Path) -> None:
    """All say that they are stopped; a command in a file starts one of them."""
    plant, commands = plant_file(tmp_path, "faults"), tmp_path / "commands"
    commands.write_text('{"after_seconds": 30, "command": "start", "machine_id": "PRESS-02"}\n')
    flags = ["--message-config-path", plant, "--no-auto-start"]
    stopped, started = statuses(*flags), statuses(*flags, "--commands", str(commands))

    assert {machine for machine, _ in stopped} == {f"PRESS-{number:02}" for number in range(1, 5)}
    assert {state for _, state in stopped} == {"stopped"}
    assert {machine for machine, state in started if state != "stopped"} == {"PRESS-02"}


def test_the_journal_has_that_they_were_stopped(tmp_path: Path) -> None:
    """So a run that was started by hand is played again without the option."""
    plant, journal = plant_file(tmp_path, "faults"), tmp_path / "journal"
    flags = ["--message-config-path", plant]
    first = statuses(*flags, "--no-auto-start", "--journal", str(journal), *http())

    assert statuses(*flags, "--commands", str(journal)) == first
