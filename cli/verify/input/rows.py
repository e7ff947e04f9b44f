"""Rows as a consumer reads them: lines in any order become each machine's rows in order of time.

Lines may be those of a dry run, bare payloads, or what `mosquitto_sub -v` writes (`topic payload`). Types differ in
one table of field names only. Memory is bounded, see record_store: what is kept beside that grows with the machines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

import orjson

from cli.verify.input.record_store import MOST_HELD, RecordStore
from edge.routing import TRIGGER


class KeyNames(NamedTuple):
    """What the messages of a machine type call what they report; empty where they do not report it."""

    machine_id: str = ""
    station: str = ""
    status: str = ""
    job_kind: str = ""
    finished_id: str = ""
    finished_cycle: str = ""
    finished_result: str = ""
    finished_issues: str = ""
    finished_consumed: str = ""
    current_id: str = ""
    progress: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Self:
        """Return the names from a mapping of keys to roles, as the ground truth has it; unknown roles are left out."""
        return cls(**{role: name for name, role in fields.items() if role in cls._fields})


@dataclass(frozen=True, slots=True)
class TypeNames:
    """What is known of a machine type's messages: the names of their keys, and the results that count as good."""

    keys: KeyNames
    good: frozenset[str]


USUAL_GOOD: Final = frozenset({"good", "pass"})
_COMMON: Final = KeyNames("machine_id", "station_id", "status", finished_issues="issues_found", progress="progress")


def _usual(finished_id: str, result: str, cycle: str, kind: str, current_id: str) -> KeyNames:
    return _COMMON._replace(
        job_kind=kind,
        finished_id=finished_id,
        finished_cycle=cycle,
        finished_result=result,
        finished_consumed="consumed_ids",
        current_id=current_id,
    )


_USUAL: Final = (
    _usual("part_id", "quality", "cycle_time", "color", "current_part_id"),
    _usual("part_id", "quality", "cycle_time", "part_type", "current_part_id"),
    _usual("assembly_id", "quality", "last_cycle_time", "assembly_type", "current_assembly_id"),
    _usual("target_id", "test_result", "cycle_time", "target_type", "current_target_id"),
)
"""For machines of which the ground truth does not say it, as older versions did not write it: the first fits whose job,
result and kind a row has. Printers and test rigs report no cycle time."""

ORDER, DISPATCH = "order", "dispatch"
_EVENTS: Final[Mapping[str, str]] = {"order_placed": ORDER, "order_dispatched": DISPATCH}
_JOBLESS: Final = _COMMON
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

    __slots__ = ("backwards", "facts", "first_ms", "keys", "last_ms", "rows")

    def __init__(self, keys: KeyNames, time_ms: int) -> None:
        self.keys = keys
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

    def __init__(
        self,
        since_ms: float = -math.inf,
        until_ms: float = math.inf,
        most_held: int = MOST_HELD,
        *,
        types: Iterable[TypeNames] = (),
        type_of: Callable[[str], TypeNames | None] = lambda _machine_id: None,
    ) -> None:
        self._type_of = type_of
        named = {(each.keys.machine_id, each.keys.status): None for each in types if each.keys.machine_id}
        self._identities = [*named] or [(_COMMON.machine_id, _COMMON.status)]
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
        for id_key, status_key in self._identities:
            if id_key in row and status_key in row:
                machine_id, status, time_ms = _text(row, id_key), _text(row, status_key), _time(row)
                if self._is_inside(time_ms):
                    self._keep(machine_id, row, time_ms, status, trigger)
                return
        self._take_other(row)

    def _take_other(self, row: dict[str, Any]) -> None:
        if not row:
            return
        if (event := _EVENTS.get(str(row.get("event_type")))) and isinstance(row.get("order_id"), str):
            time_ms = _time(row)
            if self._is_inside(time_ms):
                self.events[event] += 1
                self._orders.add(event, (time_ms, self.lines, (orjson.dumps(row),)))
        else:
            self.others += 1

    def _is_inside(self, time_ms: int) -> bool:
        inside = self.since_ms < time_ms <= self.until_ms
        self.outside += not inside
        return inside

    def _keep(self, machine_id: str, row: dict[str, Any], time_ms: int, status: str, trigger: str) -> None:
        machine = self.machines.get(machine_id)
        if machine is None or (machine.keys is _JOBLESS):
            machine = self._met(machine_id, row, time_ms)
        facts = _facts(machine.keys, row, status, trigger)
        if facts == machine.facts:
            facts = machine.facts  # one object for all that are alike
        else:
            machine.facts = facts
        machine.note(time_ms)
        if self.resolution_ms != 1:
            self.resolution_ms = math.gcd(self.resolution_ms, time_ms)
        self._shelf.add(machine_id, (time_ms, self.lines, facts))

    def _met(self, machine_id: str, row: dict[str, Any], time_ms: int) -> SeenMachine:
        known = self._type_of(machine_id)
        keys = known.keys if known and known.keys.finished_id else _guessed(row)
        machine = self.machines.setdefault(machine_id, SeenMachine(keys, time_ms))
        machine.keys = keys
        return machine

    def _discard(self, error: ValueError) -> None:
        self.junk += 1
        if len(self.named) < _NAMED:
            what = "not JSON" if isinstance(error, orjson.JSONDecodeError) else str(error)
            self.named.append(f"line {self.lines:,}: {what}")


def _guessed(row: dict[str, Any]) -> KeyNames:
    """The usual names that fit a row; those without a job where it has none of them."""
    alike = [each for each in _USUAL if each.finished_id in row and each.finished_result in row]
    return next((each for each in alike if each.job_kind in row), alike[0] if alike else _JOBLESS)


def _facts(keys: KeyNames, row: dict[str, Any], status: str, trigger: str) -> tuple[Any, ...]:
    """The fields of `Facts`, as plain values; numbers are compared as numbers."""
    get = row.get
    if (result := get(keys.finished_result)) is None:
        job = cycle = issues = consumed = None
    else:
        result, cycle = _text(row, keys.finished_result), _number(row, keys.finished_cycle)
        issues = _number(row, keys.finished_issues)
        job, consumed = get(keys.finished_id), get(keys.finished_consumed)
        job = job if isinstance(job, str) else None
        consumed = tuple(map(str, consumed)) if isinstance(consumed, list) else None
    current, progress = get(keys.current_id, _ABSENT), get(keys.progress)
    if progress is not None:
        progress = _number(row, keys.progress)
    return (
        status, result, job, cycle, _if_text(get(keys.job_kind)), _if_text(current), _if_text(get(keys.station)),
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
