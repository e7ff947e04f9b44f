"""The energy plant in the commands of the command line: its energy is verified, and a detector of its faults scored."""

from __future__ import annotations

import contextlib
import io
import json
from collections import defaultdict
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from app import main
from tests.energy.plants import SCENARIO
from tests.support.processes.daemon import DaemonProcess

ENVIRON: Final = {"MESSAGE_CONFIG_PATH": str(SCENARIO)}
COMPRESSOR, MOLDING = (f"c0000000-0000-0000-0000-{number:012d}" for number in (1, 5))
INJECTED: Final = [
    {"after_seconds": 300, "machine_id": COMPRESSOR, "fault": "bearing_fault", "severity": 2.0},
    {"after_seconds": 1500, "machine_id": COMPRESSOR, "fault": "leak", "severity": 2.0},
    {"after_seconds": 1800, "machine_id": MOLDING, "fault": "hydraulic_leak", "severity": 2.0},
    {"after_seconds": 2700, "machine_id": COMPRESSOR, "fault": "bearing_fault", "severity": 5.0},
]


class Run(NamedTuple):
    """What a run has written: messages as JSON lines, and the ground truth."""

    rows: list[str]
    truth: Path


def called(*arguments: str) -> tuple[int, str]:
    """Run a command that ends by itself in this process, and return its exit code and what it prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        return main(arguments, ENVIRON), output.getvalue()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An hour of a morning, with faults that are injected."""
    folder = tmp_path_factory.mktemp("energy")
    commands, truth = folder / "commands.jsonl", folder / "truth.jsonl"
    commands.write_text("\n".join(json.dumps({"command": "inject", "seconds": 150, **each}) for each in INJECTED))
    with DaemonProcess(
        "run", "--dry-run", "--speed", "max", "--duration", "1h", "--start", "2026-03-02T16:00:00Z", "--seed", "1",
        "--stats-interval", "0", "--commands", str(commands), "--truth", str(truth), environ=ENVIRON,
    ) as process:  # fmt: skip
        code = process.wait(50)
    rows = [line.rstrip("\n") for line in process.output]

    assert code == 0, process.log[-2000:]
    assert len(rows) > 25_000
    return Run(rows, truth)


def test_the_energy_in_messages_is_the_true_energy(run: Run, tmp_path: Path) -> None:
    """Of each machine and each site, exactly: no message is lost, and none is counted twice."""
    (tmp_path / "rows").write_text("\n".join(run.rows))
    code, text = called("verify", str(tmp_path / "rows"), "--truth", str(run.truth))

    assert code == 0, text
    for name in (COMPRESSOR, MOLDING, "site demo", "site europe"):
        assert f"{name} " in text
    assert "Every compared figure is within its bound." in text


def test_a_machine_whose_messages_are_lost_for_a_time_lacks_their_energy(run: Run, tmp_path: Path) -> None:
    """And it is named; so is its site where that is off, too."""
    kept = [line for line in run.rows if not (MOLDING in line and "T16:3" in line)]
    (tmp_path / "rows").write_text("\n".join(kept))
    code, text = called("verify", str(tmp_path / "rows"), "--truth", str(run.truth))

    assert code == 1
    assert f"* energy off: {MOLDING} -" in text


def test_the_ground_truth_has_cost_peak_and_baseline_of_each_machine_and_site(run: Run) -> None:
    """What a fault wastes is above the baseline of the quarters without one."""
    lines = [json.loads(line) for line in run.truth.read_text().splitlines()]
    totals = {each.get("machine_id") or each.get("site"): each for each in lines if each["type"] == "energy_totals"}
    quarters = [each for each in lines if each["type"] == "energy" and each["machine_id"] == COMPRESSOR]
    compressor = totals[COMPRESSOR]

    assert len(totals) == 10
    assert len(quarters) == 4
    assert sum(each["kwh"] for each in quarters) == pytest.approx(compressor["kwh"], abs=1e-6)
    assert compressor["cost"] == pytest.approx(0.28 * compressor["kwh"], rel=0.01)
    assert compressor["base_load_kw"] < compressor["kwh"] < compressor["peak_kw"]


def test_a_simple_detector_finds_the_damaged_bearings(run: Run, tmp_path: Path) -> None:
    """A limit on vibration: all of them, nothing else, and at once."""
    detections = ["machine,from,to,score"]
    vibrations: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for line in run.rows:
        row: dict[str, Any] = json.loads(line)["payload"]
        if "vibration_mm_s" in row and "pressure_bar" in row:
            vibrations[row["machine_id"]].append((row["time"], row["vibration_mm_s"]))
    for machine, values in vibrations.items():
        means = [
            (values[place][0], sum(value for _, value in values[max(place - 59, 0) : place + 1]) / 60)
            for place in range(len(values))
        ]
        for is_high, group in groupby(means, key=lambda each: each[1] > 3):
            if is_high:
                spans = [*group]
                detections.append(f"{machine},{spans[0][0]},{spans[-1][0]},{max(value for _, value in spans)}")
    (tmp_path / "detections.csv").write_text("\n".join(detections))
    code, text = called(
        "evaluate", str(tmp_path / "detections.csv"), "--truth", str(run.truth), "--only", "bearing_fault", "--json"
    )
    found = json.loads(text)["detector"]

    assert code == 0, text
    assert found["labels"] == found["found"] == found["detections"] == 2
    assert found["recall"] == found["precision"] == 1.0
    assert found["delay"]["greatest"] < 60
