"""Files of commands: what is wrong in them, and runs that are had again from what they have recorded."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Sequence
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any

import pytest

from edge.timestamps import LAST_SECOND, rfc3339
from messages import START
from plant.definition.plant_config import load_content
from plant.interventions.command_log import CommandFileError, CommandLog, Timed, read_commands
from tests.support.factory.acted_on import PLANTS, content, press, random_log
from tests.support.factory.acted_on import Timed as TimedCommand
from tests.support.processes.daemon import DaemonProcess

NO_HTTP = ["--http-port", "0"]
RUN = ["run", "--dry-run", "--speed", "max", "--seed", "1", "--start", "2026-01-01T00:00:00Z"]
STOP = '{"after_seconds": 5, "command": "stop", "machine_id": "CNC-01"}'


def of(path: Path, *lines: str) -> CommandLog:
    """Read a file with these lines."""
    path.write_text("".join(f"{line}\n" for line in lines))
    return read_commands(str(path), (START, LAST_SECOND), lambda content: load_content(content, "content"))


def all_of(log: CommandLog) -> list[Any]:
    """The commands of a log with their times in seconds after the start."""
    found: list[Any] = []
    while (at := log.next_seconds()) < inf:
        found += [(round(at - START, 3), each["machine_id"]) for each in log.due(at)]
    return found


def wrong(path: Path, *lines: str) -> str:
    """What is wrong with a file of these lines."""
    with pytest.raises(CommandFileError) as error:
        of(path, *lines)
    return str(error.value)


def test_commands_come_in_order_of_time_and_those_of_one_moment_as_in_the_file(tmp_path: Path) -> None:
    """Whatever the order of the file, and however times are written."""
    log = of(
        tmp_path / "commands",
        '{"after_seconds": 9, "command": "stop", "machine_id": "C"}',
        "",
        '{"at": "2026-01-01T01:00:05+01:00", "command": "stop", "machine_id": "A"}',
        '{"after_seconds": 5, "command": "stop", "machine_id": "B"}',
        '{"type": "interval", "machine_id": "CNC-01"}',
        '{"type":"command","at":"2026-01-01T00:00:00.000Z","command":"stop","machine_id":"0"}',
    )

    assert all_of(log) == [(0.0, "0"), (5.0, "A"), (5.0, "B"), (9.0, "C")]


WRONG = {
    "nonsense": "is no JSON: ",
    "[1, 2]": "must be a JSON object",
    '{"after_seconds": 1, "comand": "stop", "machine_id": "A"}': "command: is missing",
    '{"after_seconds": 1, "command": "halt"}': (
        "command: must be one of stop, start, set_state, inject, clear, set_point, scale, rate, enable, disable, "
        'reload, crash, disconnect, reconnect, got the text "halt"'
    ),
    '{"command": "stop", "machine_id": "A"}': "needs either at or after_seconds",
    '{"at": "2026-01-01T01:00:00Z", "after_seconds": 1, "command": "stop"}': "needs either at or after_seconds",
    '{"after_seconds": null, "command": "stop", "machine_id": "A"}': "after_seconds: must be a number, 0 or more",
    '{"after_seconds": -1, "command": "stop", "machine_id": "A"}': "after_seconds: must be a number, 0 or more",
    '{"after_seconds": 1e308, "command": "stop", "machine_id": "A"}': "after_seconds: must be in the time of the run",
    '{"at": null, "command": "stop", "machine_id": "A"}': "at: must be a time with its offset",
    '{"at": "2026-01-01T01:00:00", "command": "stop", "machine_id": "A"}': "at: must be a time with its offset",
    '{"at": "2025-12-31T23:59:59Z", "command": "stop", "machine_id": "A"}': (
        "at: must be in the time of the run, from its start on, 2026-01-01T00:00:00.000Z"
    ),
    '{"after_seconds": 1, "command": "stop"}': "machine_id: is missing",
    '{"after_seconds": 1, "command": "stop", "machine_id": "A", "wait": 1}': "wait: is an unknown key",
    '{"after_seconds": 1, "command": "reload", "content": "message_types: {press: {count: -1}}"}': "content:1: message",
}


def test_every_wrong_line_is_named_with_its_rule_at_once(tmp_path: Path) -> None:
    """None is left out because it looks like something else."""
    lines = wrong(tmp_path / "commands", STOP, *WRONG).splitlines()[1:]

    for number, (rule, line) in enumerate(zip(WRONG.values(), lines, strict=True), 2):
        assert line.startswith(f"  line {number}: {rule}"), line


def test_of_many_wrong_lines_the_first_twenty_are_shown(tmp_path: Path) -> None:
    """And how many more there are."""
    text = wrong(tmp_path / "commands", *["nonsense"] * 1000)

    assert text.count("is no JSON") == 20
    assert text.endswith("and 980 more")


def test_a_journal_of_another_start_says_which_run_it_is_of(tmp_path: Path) -> None:
    """So that nobody has to look for the start and the seed."""
    run = '{"type":"run","start":"2025-12-31T08:00:00.123Z","seed":"5"}'
    stop = '{"at":"2025-12-31T08:01:00.000Z","command":"stop","machine_id":"A","by":"http 127.0.0.1"}'
    text = wrong(tmp_path / "journal", run, stop)

    assert text.endswith(
        "\n  it is of a run with --start 2025-12-31T08:00:00.123Z --seed 5, and --commands needs the same"
    )


def test_a_file_that_cannot_be_read_or_never_ends_is_an_error(tmp_path: Path) -> None:
    """A line has an end somewhere."""
    for path, rule in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory"), ("/dev/zero", "is longer")):
        with pytest.raises(CommandFileError, match=rule):
            read_commands(str(path), (START, LAST_SECOND), lambda _: None)


def test_a_long_ground_truth_file_is_read_quickly(tmp_path: Path) -> None:
    """Lines of other types are passed over: a quarter of a million of them, and one command."""
    interval = '{"type":"interval","machine_id":"CNC-01","state":"idle","from":"2026","to":"2026"}'
    began = time.process_time()
    log = of(tmp_path / "truth", *[interval] * 250_000, '{"type":"command",' + STOP[1:])

    assert len(all_of(log)) == 1
    assert time.process_time() - began < 5


def written(path: Path, log: Sequence[TimedCommand]) -> str:
    """A file of commands."""
    path.write_text("".join(json.dumps({"at": rfc3339(at), **command}) + "\n" for at, command in log))
    return str(path)


def lines_of(truth: Path) -> list[bytes]:
    """The lines of a ground truth file; those of machines that do not depend on each other come in any order."""
    return sorted(truth.read_bytes().splitlines())


def ran(*flags: str) -> DaemonProcess:
    """A process that has ended well."""
    with DaemonProcess(*flags) as daemon:
        assert daemon.wait(60) == 0, daemon.log
        return daemon


@pytest.mark.parametrize("name", ["faults", "flow"])
def test_a_run_is_had_again_to_the_byte_from_its_ground_truth(name: str, tmp_path: Path) -> None:
    """Random commands and three reloads: messages and truth are the same, and they agree with each other."""
    plant, truth, again = tmp_path / "plant.yaml", tmp_path / "truth", tmp_path / "again"
    plant.write_text(content(PLANTS[name]))
    commands = written(tmp_path / "commands", random_log(7, 60, 120, PLANTS[name]))
    flags = [*RUN, "--message-config-path", str(plant), "--duration", "120"]
    first = ran(*flags, "--commands", commands, "--truth", str(truth))
    second = ran(*flags, "--commands", str(truth), "--truth", str(again))

    assert "command executed command=reload" in first.log
    assert ' answer={"machines":{' in first.log
    assert "command refused" in first.log
    assert "command refused" not in second.log
    assert second.output == first.output
    assert lines_of(again) == lines_of(truth)
    (tmp_path / "messages").write_text("".join(first.output))
    ran("verify", "--strict", "--truth", str(truth), str(tmp_path / "messages"))


def test_a_machine_that_is_stopped_while_it_starves_agrees_with_its_ground_truth(tmp_path: Path) -> None:
    """It has no job until a piece comes; `verify` takes that as it does where the machine is starved alone."""
    plant, truth = tmp_path / "plant.yaml", tmp_path / "truth"
    plant.write_text(content(PLANTS["flow"]))
    makers = [f"{kind}-0{number}" for kind in ("CNC", "3DP") for number in (1, 2)]
    log = [
        *((5.0, "stop", each) for each in makers),
        *((80.0, "stop", f"WELD-0{number}") for number in (1, 2)),
        *((95.0, "start", each) for each in makers),
        *((110.0, "start", f"WELD-0{number}") for number in (1, 2)),
    ]
    timed = [(round((START + at) * 1000), {"command": name, "machine_id": each}) for at, name, each in log]
    flags = [*RUN, "--message-config-path", str(plant), "--duration", "150", "--truth", str(truth)]
    messages = ran(*flags, "--commands", written(tmp_path / "commands", timed)).output
    (tmp_path / "messages").write_text("".join(messages))

    payloads = [json.loads(each)["payload"] for each in messages]
    assert any(each.get("status") == "stopped" and each.get("current_assembly_id", "") is None for each in payloads)
    ran("verify", "--strict", "--truth", str(truth), str(tmp_path / "messages"))


def test_reloads_of_the_file_are_recorded_and_had_again(tmp_path: Path) -> None:
    """The file changes while the process runs, by SIGHUP, at moments that nobody has planned."""
    plant, truth, again = tmp_path / "plant.yaml", tmp_path / "truth", tmp_path / "again"
    plant.write_text(content(press()))
    commands = written(tmp_path / "commands", random_log(3, 20, 30, press(), reloads=0))
    flags = ["run", "--dry-run", "--seed", "1", "--message-config-path", str(plant), *NO_HTTP]
    flags += ["--start", "2026-01-01T00:00:00Z"]
    with DaemonProcess(*flags, "--commands", commands, "--speed", "15", "--truth", str(truth)) as live:
        live.says("plant: 4 machines")
        for number, count in enumerate((6, 2, 5), 1):
            plant.write_text(content(press(count=count)))
            live.signal(signal.SIGHUP)
            live.says(rf"(?s)(reloaded configuration.*){{{number}}}")
        live.signal(signal.SIGTERM)
        assert live.wait(60) == 0
    plant.write_text(content(press()))
    end = datetime.fromisoformat(json.loads(truth.read_text().splitlines()[-1])["end"]).timestamp()
    seconds = f"{end - START:.3f}"
    replayed = ran(*flags, "--speed", "max", "--duration", seconds, "--commands", str(truth), "--truth", str(again))

    assert replayed.output == live.output
    assert lines_of(again) == lines_of(truth)


def test_a_run_of_the_wall_clock_is_had_again_from_its_start(tmp_path: Path) -> None:
    """It starts between two milliseconds; its ground truth has the nearest."""
    truth, again, commands = (tmp_path / name for name in ("truth", "again", "commands"))
    commands.write_text('{"after_seconds": 0.5, "command": "stop", "machine_id": "CNC-01"}\n')
    live = ran("run", "--dry-run", "--seed", "1", "--duration", "1", "--commands", str(commands), "--truth", str(truth))
    start = json.loads(truth.read_text().splitlines()[0])["start"]
    flags = ["--seed", "1", "--start", start, "--duration", "1", "--speed", "max"]
    replayed = ran("run", "--dry-run", *flags, "--commands", str(truth), "--truth", str(again))

    assert replayed.output == live.output
    assert [line for line in again.read_text().splitlines() if '"command"' in line] != []


@pytest.mark.parametrize("workers", [[], ["--workers", "2", "--mqtt-port", "1"]], ids=["one process", "workers"])
def test_a_wrong_file_ends_the_process_before_it_has_begun(workers: list[str], tmp_path: Path) -> None:
    """Exit code 2, and nothing but the errors."""
    path = tmp_path / "commands"
    path.write_text(f"{STOP}\nnonsense\n")
    flags = workers or ["--dry-run"]
    with DaemonProcess("run", *flags, *NO_HTTP, "--seed", "1", "--commands", str(path)) as daemon:
        assert daemon.wait() == 2

    assert "line 2: is no JSON" in daemon.log
    assert "Traceback" not in daemon.log


def test_commands_are_executed_in_history_and_in_what_follows(tmp_path: Path) -> None:
    """With --then-live they are at their times in both, and --count ends the run as usual."""
    commands = tmp_path / "commands"
    commands.write_text(f"{STOP}\n" + STOP.replace("5,", "61,").replace("stop", "start") + "\n")
    flags = ["run", "--dry-run", "--seed", "1", "--commands", str(commands), *NO_HTTP]
    with DaemonProcess(*flags, "--duration", "60", "--then-live") as daemon:
        daemon.says("command executed command=start")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
    assert daemon.log.index("command=stop") < daemon.log.index("history complete") < daemon.log.index("command=start")
    counted = ran(*flags, "--count", "60", "--speed", "max")
    assert len(counted.output) == 60
    assert "command executed command=stop" in counted.log


def test_an_empty_log_has_no_next_command() -> None:
    """It is never due."""
    none: list[Timed] = []
    assert CommandLog(none).next_seconds() == inf
