"""Rows as a consumer reads them: lines in any order become each machine's rows in order of time.

Lines may be those of a dry run, bare payloads, or what `mosquitto_sub -v` writes (`topic payload`). Types differ in
one table of field names only. Memory is bounded, see record_store: what is kept beside that grows with the machines.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

from cli.verify.input.record_store import MOST_HELD, RecordStore
from edge.routing import TRIGGER


class Fields(NamedTuple):
    """Where a type's rows say what there is to know of a job."""

    job: str
    result: str
    cycle: str
    kind: str
    current: str


FIELDS: Final = (
    Fields("part_id", "quality", "cycle_time", "color", "current_part_id"),
    Fields("part_id", "quality", "cycle_time", "part_type", "current_part_id"),
    Fields("assembly_id", "quality", "last_cycle_time", "assembly_type", "current_assembly_id"),
    Fields("target_id", "test_result", "cycle_time", "target_type", "current_target_id"),
)
"""The first whose job, result and kind a row has is that of its type. Printers and rigs say no cycle time."""

ORDER, DISPATCH = "order", "dispatch"
_EVENTS: Final[Mapping[str, str]] = {"order_placed": ORDER, "order_dispatched": DISPATCH}
_JOBLESS: Final = Fields("", "", "", "", "")
_NAMED = 3
_ABSENT: Final = ""


class Facts(NamedTuple):
    """What a row says beside its machine and its time.

    job, result, cycle: of the finished job that it reports, else None.  kind: of that job, else of the present one.
    current: the id of the present job; empty where the row has no such key.  station, progress, issues, consumed: None
    where the row does not say them.  trigger: what made the machine say an extra row, else empty.
    """

    status: str
    result: str | None = None
    job: str | None = None
    cycle: float | None = None
    kind: str | None = None
    current: str | None = _ABSENT
    station: str | None = None
    progress: float | None = None
    issues: float | None = None
    consumed: tuple[str, ...] | None = None
    trigger: str = ""


class NotARow(ValueError):
    """A line that is no row; the text says why."""


def milliseconds(timestamp: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 text; ValueError where it is none or has no time zone."""
    moment = datetime.fromisoformat(timestamp)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {timestamp!r:.40}")
    return round(moment.timestamp() * 1_000_000) // 1000


class SeenMachine:
    """A machine of which there are rows: how many, of what time, and how many are older than one read before."""

    __slots__ = ("backwards", "facts", "fields", "first_ms", "last_ms", "rows")

    def __init__(self, fields: Fields, time_ms: int) -> None:
        self.fields = fields
        self.first_ms = self.last_ms = time_ms
        self.rows = self.backwards = 0
        self.facts: tuple[Any, ...] = ()

    def note(self, time_ms: int) -> None:
        """Count a row."""
        self.rows += 1
        if time_ms >= self.last_ms:
            self.last_ms = time_ms
        else:
            self.backwards += 1
            self.first_ms = min(time_ms, self.first_ms)


class Rows:
    """All rows of a time: `machines` by id, `events` by whether they are orders or dispatches.

    since_ms and until_ms: rows of other times are `outside`; the limits may be changed between reads.
    others: objects that are neither.  junk: lines that are no rows; `named` tells what the first three are instead.
    resolution_ms: what all times are multiples of.
    """

    def __init__(self, since_ms: float = -math.inf, until_ms: float = math.inf, most_held: int = MOST_HELD) -> None:
        self.since_ms, self.until_ms = since_ms, until_ms
        self.machines: dict[str, SeenMachine] = {}
        self.events = {ORDER: 0, DISPATCH: 0}
        self.lines = self.others = self.outside = self.junk = self.resolution_ms = 0
        self.named: list[str] = []
        self._shelf, self._orders = RecordStore(most_held), RecordStore(most_held)

    def read(self, lines: Iterable[bytes]) -> None:
        """Take in more lines."""
        for line in lines:
            self.lines += 1
            try:
                self._take(*_object(line))
            except ValueError as error:
                self._discard(error)

    def of(self, machine_id: str) -> Iterator[tuple[int, Facts]]:
        """A machine's rows in order of time, with those that came again."""
        make, before, facts = Facts._make, None, Facts("")
        for time_ms, _, values in self._shelf.records(machine_id):
            if values is not before:
                before, facts = values, make(values)
            yield time_ms, facts

    def orders(self, event: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Orders, or dispatches, in order of time."""
        for time_ms, _, (payload,) in self._orders.records(event):
            yield time_ms, orjson.loads(payload)

    def _take(self, row: dict[str, Any], trigger: str) -> None:
        if "machine_id" in row and "status" in row:
            machine_id, status, time_ms = _text(row, "machine_id"), _text(row, "status"), _time(row)
            if self._is_inside(time_ms):
                self._keep(machine_id, row, time_ms, status, trigger)
        elif (event := _EVENTS.get(str(row.get("event_type")))) and isinstance(row.get("order_id"), str):
            time_ms = _time(row)
            if self._is_inside(time_ms):
                self.events[event] += 1
                self._orders.add(event, (time_ms, self.lines, (orjson.dumps(row),)))
        else:
            self.others += bool(row)

    def _is_inside(self, time_ms: int) -> bool:
        inside = self.since_ms < time_ms <= self.until_ms
        self.outside += not inside
        return inside

    def _keep(self, machine_id: str, row: dict[str, Any], time_ms: int, status: str, trigger: str) -> None:
        machine = self.machines.get(machine_id)
        if machine is None or (machine.fields is _JOBLESS):
            machine = self._met(machine_id, row, time_ms)
        facts = _facts(machine.fields, row, status, trigger)
        if facts == machine.facts:
            facts = machine.facts  # one object for all that are alike
        else:
            machine.facts = facts
        machine.note(time_ms)
        if self.resolution_ms != 1:
            self.resolution_ms = math.gcd(self.resolution_ms, time_ms)
        self._shelf.add(machine_id, (time_ms, self.lines, facts))

    def _met(self, machine_id: str, row: dict[str, Any], time_ms: int) -> SeenMachine:
        alike = [each for each in FIELDS if each.job in row and each.result in row]
        fields = next((each for each in alike if each.kind in row), alike[0] if alike else _JOBLESS)
        machine = self.machines.setdefault(machine_id, SeenMachine(fields, time_ms))
        machine.fields = fields
        return machine

    def _discard(self, error: ValueError) -> None:
        self.junk += 1
        if len(self.named) < _NAMED:
            what = "not JSON" if isinstance(error, orjson.JSONDecodeError) else str(error)
            self.named.append(f"line {self.lines:,}: {what}")


def _facts(fields: Fields, row: dict[str, Any], status: str, trigger: str) -> tuple[Any, ...]:
    """The fields of `Facts`, as plain values; numbers are compared as numbers."""
    get = row.get
    if (result := get(fields.result)) is None:
        job = cycle = issues = consumed = None
    else:
        result, cycle, issues = _text(row, fields.result), _number(row, fields.cycle), _number(row, "issues_found")
        job, consumed = get(fields.job), get("consumed_ids")
        job = job if isinstance(job, str) else None
        consumed = tuple(map(str, consumed)) if isinstance(consumed, list) else None
    current, progress = get(fields.current, _ABSENT), get("progress")
    if progress is not None:
        progress = _number(row, "progress")
    return (
        status, result, job, cycle, _if_text(get(fields.kind)), _if_text(current), _if_text(get("station_id")),
        progress, issues, consumed, trigger,
    )  # fmt: skip


def _object(line: bytes) -> tuple[dict[str, Any], str]:
    """The payload in a line of any form, nothing for an empty line; and what made it be said, where that is told."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        found = orjson.loads(line[line.find(b"{") :]) if line.strip() else {}
    trigger = ""
    if isinstance(found, dict) and "payload" in found:
        properties = found.get("user_properties")
        trigger = str(properties.get(TRIGGER, "")) if isinstance(properties, dict) else ""
        found = found["payload"]
    if not isinstance(found, dict):
        raise NotARow("no JSON object")
    return found, trigger


def _time(row: dict[str, Any]) -> int:
    return milliseconds(_text(row, "timestamp"))


def _text(row: dict[str, Any], key: str) -> str:
    text = row.get(key)
    if not isinstance(text, str):
        raise NotARow(f"no text in {key}")
    return text


def _if_text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(row: dict[str, Any], key: str) -> float | None:
    number = row.get(key)
    if number is not None and not isinstance(number, int | float):
        raise NotARow(f"no number in {key}")
    return number
