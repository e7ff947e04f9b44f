"""docs/evaluate.md shows what comes: its example, its perfect detector, and its detector in pandas."""

from __future__ import annotations

import ast
import io
import json
import random  # noqa: TID251 - the noise of planted messages is no part of the plant
import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.evaluate.runs import MACHINES, Command, Fault, stamp, truth_lines
from tests.support.factory.plants import ROOT

PAGE = (ROOT / "docs" / "evaluate.md").read_text("utf-8")


def blocks(language: str) -> Sequence[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example_is_shown_as_it_is_printed(
    evaluate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two files of the page, and the report on them."""
    truth, detections, report = blocks("text")
    (tmp_path / "truth.jsonl").write_text(truth)
    (tmp_path / "detections.csv").write_text(detections)
    monkeypatch.chdir(tmp_path)

    assert evaluate.call("detections.csv", "--truth", "truth.jsonl").text == report


def test_the_labels_themselves_are_the_perfect_detector(
    evaluate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `grep` takes them out of the file."""
    truth = blocks("text")[0]
    (tmp_path / "truth.jsonl").write_text(truth)
    labels = "".join(line for line in truth.splitlines(keepends=True) if '"type":"fault"' in line)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(labels.encode())))

    assert evaluate.call("-", "--truth", str(tmp_path / "truth.jsonl"), "--f1-at-least", "1").code == 0


def test_the_detector_in_pandas_is_a_dozen_lines_that_read_messages_and_write_detections() -> None:
    """As far as it can be seen without pandas: its syntax, the keys that it reads, and the columns that it writes."""
    (example,) = blocks("python")
    texts = {node.value for node in ast.walk(ast.parse(example)) if isinstance(node, ast.Constant)}
    named = {word.arg for node in ast.walk(ast.parse(example)) if isinstance(node, ast.Call) for word in node.keywords}

    statements = [line for line in example.splitlines() if line and "import" not in line]
    assert len(statements) <= 12
    assert {"payload", "machine_id", "timestamp", "vibration"} <= texts
    assert {"machine", "score"} <= named
    assert {"from", "to"} <= texts


def test_the_detector_in_pandas_finds_planted_faults(
    evaluate: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where pandas is installed: the same as the baseline of z-scores, up to the definition of sigma."""
    pytest.importorskip("pandas")
    faults = [Fault("CNC-01", 3000, 3100), Fault("CNC-02", 5000, 5100)]
    noise = random.Random(1)

    def vibration(machine: str, at: int) -> float:
        return noise.gauss(50, 1) + 20 * any(each.machine == machine and 0 <= at - each.since <= 100 for each in faults)

    rows = [
        {"payload": {"timestamp": stamp(at), "machine_id": each, "vibration": vibration(each, at)}}
        for at in range(0, 7200, 10)
        for each in MACHINES
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(json.dumps(each) + "\n" for each in rows)))
    exec(compile(blocks("python")[0], "detector", "exec"), {})  # noqa: S102 - our own example
    report = evaluate(truth_lines(faults, 7200), capsys.readouterr().out, "--json", messages=rows).report

    assert report["detector"]["recall"] == report["z_scores"]["recall"] == 1.0
    assert report["detector"]["precision"] > 0.5
