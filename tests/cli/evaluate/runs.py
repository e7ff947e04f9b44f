"""Ground truth files and detections written by hand, and calls of the command."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import app

START = datetime(2026, 1, 5, 8, tzinfo=UTC).timestamp()
"""The begin of each run here; the tests count seconds from it."""

HOUR, DAY = 3600, 86_400
MACHINES = ("CNC-01", "CNC-02", "CNC-03")


class Fault(NamedTuple):
    """A label; seconds since the start of the run."""

    machine: str
    since: float
    until: float
    fault: str = "bearing_wear"
    severity: float | None = 1.0
    signal: str | None = None
    is_open: bool = False


class Found(NamedTuple):
    """A detection; seconds since the start of the run."""

    machine: str
    since: float
    until: float
    score: float | None = None
    fault: str | None = None


def stamp(seconds: float) -> str:
    """RFC 3339 of a moment of the run."""
    return datetime.fromtimestamp(START + seconds, UTC).isoformat("T", "milliseconds").replace("+00:00", "Z")


def fault_line(fault: Fault) -> dict[str, Any]:
    """The line of a fault episode, as the simulator writes it."""
    line: dict[str, Any] = {"type": "fault", "machine_id": fault.machine, "fault": fault.fault}
    line |= {"from": stamp(fault.since), "to": stamp(fault.until)}
    line |= {"severity": fault.severity, "ramp_seconds": 0.0, "cause": "chance", "effects": ["vibration"]}
    line |= {"signal": fault.signal} if fault.signal else {}
    return line | ({"open": True} if fault.is_open else {})


def truth_lines(
    faults: Iterable[Fault], seconds: float = DAY, machines: Iterable[str] = MACHINES
) -> list[dict[str, Any]]:
    """The lines of a ground truth file: run, machines, faults and end."""
    begin = {"type": "run", "start": stamp(0), "seed": "1"}
    present = [
        {"type": "machine", "at": stamp(0), "machine_id": each, "machine_type": "cnc_machine", "period_seconds": 5.0,
         "ideal_cycle_seconds": 10.0, "producing_state": "running", "station_id": f"LINE-{each}"}
        for each in machines
    ]  # fmt: skip
    return [begin, *present, *map(fault_line, faults), {**begin, "end": stamp(seconds)}]


def detection(found: Found) -> dict[str, Any]:
    """A detection as JSON."""
    line = {"machine": found.machine, "from": stamp(found.since), "to": stamp(found.until)}
    given = {"score": found.score, "fault": found.fault}
    return line | {key: value for key, value in given.items() if value is not None}


def json_lines(lines: Iterable[Mapping[str, Any]]) -> str:
    """JSON, one object a line."""
    return "".join(json.dumps(each) + "\n" for each in lines)


class Answer(NamedTuple):
    """What the command answered."""

    code: int
    text: str
    error: str

    @property
    def report(self) -> dict[str, Any]:
        """The report as JSON."""
        return dict(json.loads(self.text))

    @property
    def rows(self) -> dict[str, list[str]]:
        """The cells of each row of the tables, by their first cell; of several with one name, those of the first."""
        found: dict[str, list[str]] = {}
        for line in self.text.splitlines():
            first, *cells = [each.strip() for each in line.split("  ") if each.strip()] or [""]
            found.setdefault(first, cells)
        return found


class Command:
    """Calls the command with files in a folder of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder, self._capsys = folder, capsys

    def __call__(
        self,
        truth: Sequence[Mapping[str, Any]] | str,
        detections: Iterable[Found] | str,
        *flags: str,
        messages: Iterable[Mapping[str, Any]] | None = None,
    ) -> Answer:
        """Evaluate detections, given as such or as the text of their file."""
        text = detections if isinstance(detections, str) else json_lines(map(detection, detections))
        files = {"truth": truth if isinstance(truth, str) else json_lines(truth), "detections": text}
        if messages is not None:
            files["messages"] = json_lines(messages)
            flags = *flags, "--messages", str(self._folder / "messages")
        for name, content in files.items():
            (self._folder / name).write_text(content, "utf-8")
        return self.call(str(self._folder / "detections"), "--truth", str(self._folder / "truth"), *flags)

    def call(self, *arguments: str) -> Answer:
        """Call the command as it is."""
        code = app.main(["evaluate", *arguments], {})
        out, error = self._capsys.readouterr()
        return Answer(code, out, error.replace(f"{self._folder}/", ""))
