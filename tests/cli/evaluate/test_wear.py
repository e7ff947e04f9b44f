"""Facts about the score of detections of wear, in runs of a plant whose tools wear."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.cli.evaluate.runs import Answer, Command
from tests.plant.faults.test_labels import PRESS
from tests.support.processes.daemon import DaemonProcess

TOOL: Final = {"life_hours": 1, "resets": "faulted", "effects": {"vibration": {"plus": 2}}}
SIGNALS: Final = {"vibration": {"base": 2, "limits": [0, 500], "decimals": 6}}
TIMES: Final = ["--seed", "1", "--start", "2026-01-01T00:00:00Z", "--duration", "12h", "--speed", "max"]
NEVER_WORN: Final = {"machine": "PRESS-01", "from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:00.001Z"}


def plant(**wear: Any) -> str:
    """The YAML of three presses whose vibration is 2 + 2 * wear."""
    return yaml.safe_dump({"message_types": {"press": {**PRESS, "signals": SIGNALS, "wear": {"tool": TOOL | wear}}}})


class Run:
    """Half a day, with other commands: its messages, its ground truth, and the labels there."""

    def __init__(self, folder: Path, name: str, *flags: str, commands: Path | None = None) -> None:
        self.truth, file = folder / name, folder / "plant.yaml"
        file.write_text(plant())
        files = ["--message-config-path", str(file), "--truth", str(self.truth), "--http-port", "0"]
        files += [] if commands is None else ["--commands", str(commands)]
        with DaemonProcess("run", "--dry-run", *files, *TIMES, *flags) as process:
            assert process.wait(50) == 0, process.log
            self.output = "".join(process.output).encode()
        self.lines = [json.loads(line) for line in self.truth.read_text().splitlines()]
        self.labels = [each for each in self.lines if each["type"] == "fault"]

    def worn(self, limit: float) -> list[dict[str, Any]]:
        """What a detector finds that compares vibration with a limit: from the first message above to the last."""
        found: list[dict[str, Any]] = []
        going_on: dict[str, dict[str, Any]] = {}
        for line in self.output.splitlines():
            row = json.loads(line)["payload"]
            machine, at = row["machine_id"], {"to": row["timestamp"]}
            if row["vibration"] < limit:
                going_on.pop(machine, None)
            elif machine not in going_on:
                going_on[machine] = {"machine": machine, "from": row["timestamp"], "fault": "tool", **at}
                found.append(going_on[machine])
            else:
                going_on[machine] |= at
        return found


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """As declared."""
    return Run(tmp_path_factory.mktemp("run"), "truth")


def scored(evaluate: Command, run: Run, found: list[dict[str, Any]], *flags: str) -> Answer:
    """The answer on detections."""
    return evaluate(run.truth.read_text(), "".join(json.dumps(each) + "\n" for each in found), *flags)


def test_a_detector_that_sees_all_worn_tools_is_perfect(evaluate: Command, ran: Run) -> None:
    """Each label is found at the next message, and no detection is false, by events and by time."""
    found = ran.worn(limit=2 + 2 * 0.8)
    figures = scored(evaluate, ran, found, "--json").report["detector"]

    assert len(ran.labels) == len(found) > 10
    assert (figures["recall"], figures["precision"], figures["time_precision"]) == (1.0, 1.0, 1.0)
    assert figures["time_recall"] > 0.99
    assert figures["delay"]["greatest"] <= 5


def test_each_that_is_missed_and_each_false_alarm_costs_its_part(evaluate: Command, ran: Run) -> None:
    """Recall and precision are those fractions."""
    found = ran.worn(limit=2 + 2 * 0.8)
    labels = len(ran.labels)
    figures = scored(evaluate, ran, [*found[2:], NEVER_WORN], "--json").report["detector"]

    assert figures["recall"] == (labels - 2) / labels
    assert figures["precision"] == (labels - 2) / (labels - 1)
    assert figures["by_fault"]["tool"]["found"] == labels - 2


def test_wear_is_a_kind_of_its_own(evaluate: Command, ran: Run) -> None:
    """Neither a fault of a machine nor one of a sensor."""
    rows = scored(evaluate, ran, ran.worn(limit=2 + 2 * 0.8)).rows

    assert rows["of wear"][:3] == rows["tool"][:3] == [str(len(ran.labels))] * 2 + ["100.0"]
    assert "of machines" not in rows
    assert "of sensors" not in rows


def test_nothing_in_messages_shows_what_is_labelled(ran: Run) -> None:
    """No key and no value names the label; there is no message about it."""
    assert b"tool" not in ran.output


def test_a_replay_of_the_ground_truth_has_the_same_labels(tmp_path: Path) -> None:
    """Also where a reload has changed from which wear on there is one, and a command has reset it."""
    commands = tmp_path / "commands"
    reload = {"after_seconds": 7200, "command": "reload", "content": plant(label_from=0)}
    repair = {"after_seconds": 9000, "command": "set_state", "machine_id": "PRESS-02", "state": "faulted", "seconds": 9}
    commands.write_text(json.dumps(reload) + "\n" + json.dumps(repair) + "\n")
    first = Run(tmp_path, "truth", "--duration", "4h", commands=commands)
    again = Run(tmp_path, "again", "--duration", "4h", commands=first.truth)

    assert again.output == first.output
    assert sorted(again.truth.read_text().splitlines()) == sorted(first.truth.read_text().splitlines())
    assert "2026-01-01T02:00:00.000Z" in {each["from"] for each in first.labels}
    repaired = next(each["to"] for each in first.lines if each.get("from") == "2026-01-01T02:30:00.000Z")
    assert ("PRESS-02", repaired) in {(each["machine_id"], each["to"]) for each in first.labels}
