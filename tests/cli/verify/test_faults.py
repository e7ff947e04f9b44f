"""Facts about `verify` where machines have faults: it reads their labels and causes, and says what they have cost."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import yaml

import app
from tests.plant.faults.test_labels import FAULTS, PRESS
from tests.support.processes.daemon import DaemonProcess

RUN = ["--seed", "1", "--start", "2026-01-01T00:00:00Z", "--duration", "7200", "--speed", "max", "--http-port", "0"]


def run(folder: Path, *, faults: bool) -> tuple[Path, Path]:
    """Run presses for two hours, with labels and a command; return messages and ground truth."""
    plant, commands, truth, rows = (folder / name for name in ("plant.yaml", "commands", "truth", "rows"))
    causes = FAULTS | {"wear": {"tool": {**FAULTS["wear"]["tool"], "leads_to": {"state": "faulted"}}}}
    press = {**PRESS, **(causes if faults else {})}
    plant.write_text(yaml.safe_dump({"message_types": {"press": press, "fault_labels": {"enabled": True}}}))
    commands.write_text('{"after_seconds": 900, "command": "stop", "machine_id": "PRESS-02"}\n')
    files = ["--message-config-path", str(plant), "--commands", str(commands), "--truth", str(truth)]
    with rows.open("wb") as said, DaemonProcess("run", "--dry-run", *files, *RUN, stdout=said.fileno()) as process:
        assert process.wait(50) == 0, process.log
    return rows, truth


def test_faults_are_no_complaint_and_their_cost_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Lines of faults and commands, causes of stays and jobs, and labels among the messages."""
    rows, truth = run(tmp_path, faults=True)
    capfd.readouterr()
    lines = [orjson.loads(line) for line in truth.read_bytes().splitlines()]
    stopped = [
        each for each in lines if each["type"] == "interval" and each.get("cause") and each["state"] == "faulted"
    ]
    jobs = [each for each in lines if each["type"] == "job" and each.get("causes")]
    bad = sum(each["result"] == "scrap" for each in jobs)
    code = app.main(["verify", str(rows), "--truth", str(truth)], {})
    printed = capfd.readouterr()

    assert {"fault", "command"} <= {each["type"] for each in lines}
    assert (code, printed.err) == (0, "")
    assert "Every message, job and order agrees with the ground truth." in printed.out
    assert stopped
    assert jobs
    assert f"s of stops; faults changed {len(jobs):,} jobs, {bad:,} bad." in printed.out


def test_a_plant_without_faults_has_no_such_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The summary is as ever."""
    rows, truth = run(tmp_path, faults=False)
    capfd.readouterr()

    assert app.main(["verify", str(rows), "--truth", str(truth)], {}) == 0
    assert "Faults and wear" not in capfd.readouterr().out
