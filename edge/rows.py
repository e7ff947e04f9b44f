"""Rows as a consumer reads them: what each machine's rows say of its time and its jobs, and what shows of loss.

Lines may be those of a dry run, bare payloads, or what `mosquitto_sub -v` writes (`topic payload`). Types differ in
one table of field names only. What is kept grows with the machines and with the gaps in their rows, not with the rows.
Each regular row stands for one period in the state that it names; extra rows for finished jobs stand for no time.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson

from edge.beat import Beat, JobNumbers
from plant.telemetry import GOOD, PLANNED_STOP


class Fields(NamedTuple):
    """Where a type's rows say what there is to know of a finished job, and the state in which it produces."""

    job: str
    result: str
    cycle: str
    producing: str


FIELDS: Final = (
    Fields("part_id", "quality", "cycle_time", "running"),
    Fields("assembly_id", "quality", "last_cycle_time", "running"),
    Fields("target_id", "test_result", "cycle_time", "testing"),
)
"""The first whose job and result a row has is that of its type. Printers and rigs say no cycle time."""

_JOBLESS: Final = Fields("", "", "", "running")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_EARLY_ROWS = 32
_NAMED = 3

Told = tuple[int, str, int | None, str | None, float | None]
"""What counts of a row: time, status, and of a finished job its number, result and cycle time in seconds."""


class NotARow(ValueError):
    """A line that is no row; the text says why."""


def milliseconds(timestamp: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 text; ValueError where it is none or has no time zone."""
    try:
        return (datetime.fromisoformat(timestamp) - _EPOCH) // _MILLISECOND
    except TypeError:
        raise ValueError(f"no time zone in {timestamp!r:.40}") from None


class MachineRows:
    """One machine's rows, counted. A row that comes again counts once.

    beats: rows that stand for a period each, by status.  extra: rows for finished jobs between them.
    results: finished jobs by result.  cycles, cycle_seconds, shortest_seconds: how many cycle times there are, their
    sum and the least.  switches: how often beats went between producing, stopped, and stopped by plan.
    repeated_rows: rows that came before.  repeated_jobs: jobs reported again in another row.
    backwards: rows older than one before them.  first_ms and last_ms: time of the oldest and the newest row.
    """

    __slots__ = (
        "_beat", "_early", "_status", "backwards", "beats", "cycle_seconds", "cycles", "extra", "fields", "first_ms",
        "last_ms", "machine_id", "numbers", "repeated_jobs", "repeated_rows", "results", "shortest_seconds", "switches",
    )  # fmt: skip

    def __init__(self, machine_id: str, fields: Fields, time_ms: int) -> None:
        self.machine_id, self.fields = machine_id, fields
        self.first_ms = self.last_ms = time_ms
        self.beats: defaultdict[str, int] = defaultdict(int)
        self.results: defaultdict[str, int] = defaultdict(int)
        self.extra = self.switches = self.cycles = 0
        self.repeated_rows = self.repeated_jobs = self.backwards = 0
        self.cycle_seconds, self.shortest_seconds = 0.0, math.inf
        self.numbers = JobNumbers()
        self._beat: Beat | None = None
        self._early: list[Told] = []
        self._status = ""

    @property
    def beat(self) -> Beat:
        """The beat of its regular rows, found by now or found from what there is."""
        if self._beat is None:
            times, quiet = [told[0] for told in self._early], [told[0] for told in self._early if told[3] is None]
            self._beat = Beat(times, quiet)
            for told in self._early:
                self._count(self._beat, *told)
            self._early = []
        return self._beat

    @property
    def rows(self) -> int:
        """Different rows."""
        return sum(self.beats.values()) + self.extra

    @property
    def producing(self) -> int:
        """Beats in the producing state."""
        return self.beats.get(self.fields.producing, 0)

    @property
    def planned(self) -> int:
        """Beats outside planned stops."""
        return sum(self.beats.values()) - self.beats.get(PLANNED_STOP, 0)

    @property
    def jobs(self) -> int:
        """Finished jobs."""
        return sum(self.results.values())

    @property
    def good(self) -> int:
        """Finished jobs that are good, or pass."""
        return sum(self.results.get(result, 0) for result in GOOD)

    def missing_rows(self, since_ms: float, until_ms: float) -> int:
        """Beats of a time that have no row, between the rows, before the first and after the last."""
        ends_ms = (self.first_ms - since_ms, until_ms - self.last_ms)
        return self.beat.missing + sum(max(0, round(end_ms / self.beat.period_ms) - 1) for end_ms in ends_ms)

    def add(self, told: Told) -> None:
        """Take a row in. The first ones wait until there are enough of them to see the beat."""
        if self._beat is not None:
            self._count(self._beat, *told)
            return
        self._early.append(told)
        if len(self._early) == _EARLY_ROWS:
            self.settle()

    def settle(self) -> None:
        """Count what still waits: call it after the last row."""
        _ = self.beat

    def _count(
        self, beat: Beat, time_ms: int, status: str, number: int | None, result: str | None, seconds: float | None
    ) -> None:
        self._note_order(time_ms)
        if result is None:
            self.repeated_rows += not self._spend(beat, time_ms, status)
        elif beat.reports_between(time_ms):
            new = self._finish(beat, time_ms, number, result, seconds)
            self.extra += new
            self.repeated_rows += not new
        else:
            new_beat = self._spend(beat, time_ms, status)
            new_job = self._finish(beat, time_ms, number, result, seconds)
            self.repeated_rows += not new_beat
            self.repeated_jobs += new_beat and not new_job

    def _note_order(self, time_ms: int) -> None:
        if time_ms >= self.last_ms:
            self.last_ms = time_ms
        else:
            self.backwards += 1
            self.first_ms = min(time_ms, self.first_ms)

    def _spend(self, beat: Beat, time_ms: int, status: str) -> bool:
        """Count a period in a state, once; say whether it is new."""
        if not beat.take(time_ms):
            return False
        self.beats[status] += 1
        if status != self._status:
            self.switches += self._sort_of(status) != self._sort_of(self._status or status)
            self._status = status
        return True

    def _sort_of(self, status: str) -> str:
        return status if status in (self.fields.producing, PLANNED_STOP) else "stopped"

    def _finish(self, beat: Beat, time_ms: int, number: int | None, result: str, seconds: float | None) -> bool:
        """Count a finished job, once; say whether it is new. One without a number always is."""
        quickest_ms = min(self.shortest_seconds * 1000, beat.period_ms)
        if number is not None and not self.numbers.take(number, time_ms, quickest_ms):
            return False
        self.results[result] += 1
        if seconds is not None:
            self.cycles += 1
            self.cycle_seconds += seconds
            self.shortest_seconds = min(seconds, self.shortest_seconds)
        return True


class Rows:
    """All rows of a time: `machines` by id.

    since_ms and until_ms: rows of other times are `outside`; the limits may be changed between reads.
    others: objects that are no machine's row, such as orders.  junk: lines that are no rows; `named` tells what the
    first three are instead.
    """

    def __init__(self, since_ms: float = -math.inf, until_ms: float = math.inf) -> None:
        self.since_ms, self.until_ms = since_ms, until_ms
        self.machines: dict[str, MachineRows] = {}
        self.lines = self.others = self.outside = self.junk = 0
        self.named: list[str] = []

    def read(self, lines: Iterable[bytes]) -> None:
        """Take in more lines."""
        for line in lines:
            self.lines += 1
            try:
                self._take(_object(line))
            except ValueError as error:
                self._discard(error)

    def settle(self) -> None:
        """Count what still waits: call it after the last line."""
        for machine in self.machines.values():
            machine.settle()

    def _take(self, row: dict[str, Any]) -> None:
        if "machine_id" not in row or "status" not in row:
            self.others += bool(row)
            return
        machine_id, status, time_ms = (
            _text(row, "machine_id"),
            _text(row, "status"),
            milliseconds(_text(row, "timestamp")),
        )
        if not self.since_ms < time_ms <= self.until_ms:
            self.outside += 1
            return
        machine = self.machines.get(machine_id) or self._met(machine_id, row, time_ms)
        job, result, cycle, _ = machine.fields
        if row.get(result) is None:
            machine.add((time_ms, status, None, None, None))
        else:
            machine.add((time_ms, status, _number(row.get(job)), _text(row, result), _seconds(row, cycle)))

    def _met(self, machine_id: str, row: dict[str, Any], time_ms: int) -> MachineRows:
        fields = next((each for each in FIELDS if each.job in row and each.result in row), _JOBLESS)
        machine = self.machines[machine_id] = MachineRows(machine_id, fields, time_ms)
        return machine

    def _discard(self, error: ValueError) -> None:
        self.junk += 1
        if len(self.named) < _NAMED:
            what = "not JSON" if isinstance(error, orjson.JSONDecodeError) else str(error)
            self.named.append(f"line {self.lines:,}: {what}")


def _object(line: bytes) -> dict[str, Any]:
    """The payload in a line of any form; nothing for an empty line."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        found = orjson.loads(line[line.find(b"{") :]) if line.strip() else {}
    if isinstance(found, dict) and "payload" in found:
        found = found["payload"]
    if not isinstance(found, dict):
        raise NotARow("no JSON object")
    return found


def _text(row: dict[str, Any], key: str) -> str:
    text = row.get(key)
    if not isinstance(text, str):
        raise NotARow(f"no text in {key}")
    return text


def _seconds(row: dict[str, Any], key: str) -> float | None:
    seconds = row.get(key)
    if seconds is not None and not isinstance(seconds, int | float):
        raise NotARow(f"no number in {key}")
    return seconds


def _number(identity: object) -> int | None:
    """The number that a job id ends with, by its last ten digits; None where it ends with none."""
    tail = identity.rpartition("-")[2][-10:] if isinstance(identity, str) else ""
    return int(tail) if tail.isdecimal() else None
