"""Facts about reading labels from a ground truth file, and the errors in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cli.evaluate.input.truth import Label, Truth, read_truth
from cli.verify.input.reference import InvalidInput
from edge.runtime.ground_truth import GroundTruthFile
from messages import START as PLANT_START
from messages import FactoryMessageGenerator
from tests.cli.evaluate.runs import START, Fault, json_lines, stamp, truth_lines
from tests.support.factory.plants import ROOT

START_MS = round(1000 * START)
EPISODE = (
    '{"type":"fault","machine_id":"CNC-03","fault":"temperature.stuck","from":"2026-01-05T08:12:44.120Z",'
    '"to":"2026-01-05T09:01:00.000Z","severity":0.62,"ramp_seconds":900.0,"cause":"chance",'
    '"effects":["vibration","cycle_seconds"],"signal":"temperature","open":true}\n'
)


def truth(folder: Path, text: str) -> Truth:
    """The content of a file."""
    (folder / "truth").write_text(text, "utf-8")
    return read_truth(str(folder / "truth"))


def errors(folder: Path, text: str) -> list[str]:
    """The lines of the error."""
    with pytest.raises(InvalidInput) as error:
        truth(folder, text)
    return str(error.value).replace(f"{folder}/", "").splitlines()


def changed(line: Mapping[str, Any], **change: object) -> Sequence[Mapping[str, Any]]:
    """A ground truth file whose fault has other values; one that is `...` is left out."""
    lines = truth_lines([Fault("CNC-01", 10, 20)])
    lines[-2] = {key: value for key, value in {**line, **change}.items() if value is not ...}
    return lines


def test_a_fault_line_is_a_label(tmp_path: Path) -> None:
    """With all that it has."""
    first, *rest = json_lines(truth_lines([])).splitlines(keepends=True)
    found = truth(tmp_path, first + EPISODE + "".join(rest))

    since, until = START_MS + 764_120, START_MS + 3_660_000
    assert found.labels == [Label("CNC-03", "temperature.stuck", since, until, 0.62, "temperature", is_open=True)]
    assert (found.start_ms, found.end_ms, found.is_closed) == (START_MS, START_MS + 86_400_000, True)
    assert [*found.machines] == ["CNC-01", "CNC-02", "CNC-03"]


def test_the_file_of_a_plant_is_read_as_the_simulator_writes_it(tmp_path: Path) -> None:
    """Intervals, jobs and orders are no labels."""
    generator = FactoryMessageGenerator(ROOT / "message_structure.yaml", seed=1)
    start_ms = round(PLANT_START * 1000)
    file = GroundTruthFile(tmp_path / "truth", start_ms, 1)
    file.begin()
    file.machines(generator.oee(), generator.machines(), start_ms)
    generator.listen(file, file.order)
    generator.advance(PLANT_START + 600)
    generator.close_truth()
    file.totals(generator.oee(), start_ms + 600_000)
    file.end(start_ms + 600_000)
    found = read_truth(str(tmp_path / "truth"))

    assert {*found.machines} == {each.machine_id for each in generator.oee()}
    assert (found.labels, found.end_ms) == ([], start_ms + 600_000)


def test_lines_of_other_types_may_have_keys_of_any_meaning(tmp_path: Path) -> None:
    """A command may move a machine from a state to another one; its time counts where the run was not closed."""
    command = {"type": "command", "at": stamp(500), "from": "idle", "to": "running", "end": None}
    found = truth(tmp_path, json_lines([*truth_lines([])[:-1], command]))

    assert found.end_ms == START_MS + 500_000


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"machine_id": ...}, "the key machine_id is missing"),
        ({"machine_id": 3}, "machine_id must be text, not 3"),
        ({"fault": ""}, "fault must be text, not ''"),
        ({"from": ...}, "the key from is missing"),
        ({"to": ...}, "the key to is missing"),
        ({"to": stamp(5)}, f"to must not be before from: {stamp(5)} is before {stamp(10)}"),
        ({"severity": 0}, "severity must be a number above 0, not 0"),
        ({"severity": "high"}, "severity must be a number above 0, not 'high'"),
        ({"signal": 1}, "signal must be text, not 1"),
    ],
)
def test_an_error_in_a_fault_names_its_line_and_the_rule(
    tmp_path: Path, change: Mapping[str, object], rule: str
) -> None:
    """Each key has one."""
    line = truth_lines([Fault("CNC-01", 10, 20)])[-2]

    assert errors(tmp_path, json_lines(changed(line, **change))) == [
        "1 error in truth:",
        f"truth:5: invalid line of a ground truth file: {rule}",
    ]


def test_a_severity_may_be_missing(tmp_path: Path) -> None:
    """The label then has none."""
    line = truth_lines([Fault("CNC-01", 10, 20)])[-2]

    assert truth(tmp_path, json_lines(changed(line, severity=...))).labels[0].severity is None


def test_all_errors_of_a_file_are_reported(tmp_path: Path) -> None:
    """Lines that are no JSON, or no objects, and lines after the end."""
    lines = json_lines(truth_lines([])).splitlines()

    assert errors(tmp_path, "\n".join([*lines[:2], "oops", "[]", *lines[2:], lines[1]]) + "\n") == [
        "3 errors in truth:",
        "truth:3: not JSON",
        "truth:4: invalid line of a ground truth file: not a JSON object",
        "truth:8: invalid line of a ground truth file: nothing may follow the end of the run",
    ]


@pytest.mark.parametrize("text", ["", "oops\n", '{"type":"machine"}\n', '{"type":"run"}\n', "[]\n", '"run"\n'])
def test_another_file_is_no_ground_truth(tmp_path: Path, text: str) -> None:
    """The first line says what it is."""
    assert errors(tmp_path, text) == ["truth: not a ground truth file: the first line is not of type run"]
