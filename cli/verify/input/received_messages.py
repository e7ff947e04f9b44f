"""Read messages as a consumer does: lines in any order become each machine's messages in order of time.

Lines are those of a dry run, bare payloads, or the output of `mosquitto_sub -v` (`topic payload`). Machine types differ
only in a table of key names. Memory is bounded, see record_store; the rest grows with the number of machines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

import orjson

from cli.verify.input.record_store import DEFAULT_CAPACITY, RecordStore
from edge.routing import TRIGGER


class KeyNames(NamedTuple):
    """The keys of a machine type's messages by role; empty if they have none for it."""

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
        """Return the keys from a mapping of keys to roles, as in the ground truth; unknown roles are ignored."""
        return cls(**{role: name for name, role in fields.items() if role in cls._fields})


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """How to read a machine type's messages: the keys by role, and the results that count as good."""

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
"""For ground truth without the keys, which older versions did not write: the first whose id, result and kind are in a
message. Printers and test rigs report no cycle time."""

ORDER, DISPATCH = "order", "dispatch"
_EVENTS: Final[Mapping[str, str]] = {"order_placed": ORDER, "order_dispatched": DISPATCH}
_WITHOUT_JOBS: Final = _COMMON
_EXAMPLES = 3
_NO_KEY: Final = ""


class MessageContent(NamedTuple):
    """What a message reports besides its machine and its time.

    job, result, cycle: of the finished job that it reports, or None.  kind: of that job, otherwise of the
    current one.  current: the id of the current job; empty if the message has no such key.  station, progress, issues,
    consumed: None if the message does not have them.  trigger: the cause of an additional message, or empty.
    """

    status: str
    result: str | None = None
    job: str | None = None
    cycle: float | None = None
    kind: str | None = None
    current: str | None = _NO_KEY
    station: str | None = None
    progress: float | None = None
    issues: float | None = None
    consumed: tuple[str, ...] | None = None
    trigger: str = ""


class NotAMessage(ValueError):
    """A line that is not a message; the text says why."""


def milliseconds(timestamp: str) -> int:
    """Return milliseconds since 1970 of an RFC 3339 text. Raise ValueError if it is none or has no time zone."""
    moment = datetime.fromisoformat(timestamp)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {timestamp!r:.40}")
    return round(moment.timestamp() * 1_000_000) // 1000


class MachineStatistics:
    """Statistics of a machine's messages: number, first and last time, and how many are older than an earlier one."""

    __slots__ = ("content", "first_ms", "keys", "last_ms", "messages", "out_of_order")

    def __init__(self, keys: KeyNames, time_ms: int) -> None:
        self.keys = keys
        self.first_ms = self.last_ms = time_ms
        self.messages = self.out_of_order = 0
        self.content: tuple[Any, ...] = ()

    def count(self, time_ms: int) -> None:
        """Count a message."""
        self.messages += 1
        if time_ms >= self.last_ms:
            self.last_ms = time_ms
        else:
            self.out_of_order += 1
            self.first_ms = min(time_ms, self.first_ms)


class ReceivedMessages:
    """All messages of a span: `machines` by id, `events` as counts of orders and dispatches.

    since_ms, until_ms: messages of other times count as `outside`; the limits may be changed between reads.
    unrelated: objects that are neither.  unreadable: lines that are not messages; unreadable_examples: why the first
    three are not.  resolution_ms: the greatest common divisor of all times.
    types: how to read each machine type's messages.  type_of: returns that of a machine, None if unknown.
    """

    def __init__(
        self,
        since_ms: float = -math.inf,
        until_ms: float = math.inf,
        buffer_size: int = DEFAULT_CAPACITY,
        *,
        types: Iterable[TypeInfo] = (),
        type_of: Callable[[str], TypeInfo | None] = lambda _machine_id: None,
    ) -> None:
        self._type_of = type_of
        unreadable_examples = {(each.keys.machine_id, each.keys.status): None for each in types if each.keys.machine_id}
        self._identities = [*unreadable_examples] or [(_COMMON.machine_id, _COMMON.status)]
        self.since_ms, self.until_ms = since_ms, until_ms
        self.machines: dict[str, MachineStatistics] = {}
        self.events = {ORDER: 0, DISPATCH: 0}
        self.lines = self.unrelated = self.outside = self.unreadable = self.resolution_ms = 0
        self.unreadable_examples: list[str] = []
        self._store, self._orders = RecordStore(buffer_size), RecordStore(buffer_size)

    def read(self, lines: Iterable[bytes]) -> None:
        """Read more lines."""
        for line in lines:
            self.lines += 1
            try:
                self._add(*_parse_line(line))
            except ValueError as error:
                self._count_unreadable(error)

    def of_machine(self, machine_id: str) -> Iterator[tuple[int, MessageContent]]:
        """Return a machine's messages in order of time, with repeated ones."""
        make, before, content = MessageContent._make, None, MessageContent("")
        for time_ms, _, values in self._store.records(machine_id):
            if values is not before:
                before, content = values, make(values)
            yield time_ms, content

    def orders(self, event: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Return the messages of orders, or of dispatches, in order of time."""
        for time_ms, _, (payload,) in self._orders.records(event):
            yield time_ms, orjson.loads(payload)

    def _add(self, message: dict[str, Any], trigger: str) -> None:
        for id_key, status_key in self._identities:
            if id_key in message and status_key in message:
                machine_id, status, time_ms = _text(message, id_key), _text(message, status_key), _time(message)
                if self._is_inside(time_ms):
                    self._store_message(machine_id, message, time_ms, status, trigger)
                return
        self._add_other(message)

    def _add_other(self, message: dict[str, Any]) -> None:
        if not message:
            return
        if (event := _EVENTS.get(str(message.get("event_type")))) and isinstance(message.get("order_id"), str):
            time_ms = _time(message)
            if self._is_inside(time_ms):
                self.events[event] += 1
                self._orders.add(event, (time_ms, self.lines, (orjson.dumps(message),)))
        else:
            self.unrelated += 1

    def _is_inside(self, time_ms: int) -> bool:
        inside = self.since_ms < time_ms <= self.until_ms
        self.outside += not inside
        return inside

    def _store_message(self, machine_id: str, message: dict[str, Any], time_ms: int, status: str, trigger: str) -> None:
        machine = self.machines.get(machine_id)
        if machine is None or (machine.keys is _WITHOUT_JOBS):
            machine = self._new_machine(machine_id, message, time_ms)
        content = _content_of(machine.keys, message, status, trigger)
        if content == machine.content:
            content = machine.content  # one object for all that are equal
        else:
            machine.content = content
        machine.count(time_ms)
        if self.resolution_ms != 1:
            self.resolution_ms = math.gcd(self.resolution_ms, time_ms)
        self._store.add(machine_id, (time_ms, self.lines, content))

    def _new_machine(self, machine_id: str, message: dict[str, Any], time_ms: int) -> MachineStatistics:
        known = self._type_of(machine_id)
        keys = known.keys if known and known.keys.finished_id else _guess_keys(message)
        machine = self.machines.setdefault(machine_id, MachineStatistics(keys, time_ms))
        machine.keys = keys
        return machine

    def _count_unreadable(self, error: ValueError) -> None:
        self.unreadable += 1
        if len(self.unreadable_examples) < _EXAMPLES:
            problem = "not JSON" if isinstance(error, orjson.JSONDecodeError) else str(error)
            self.unreadable_examples.append(f"line {self.lines:,}: {problem}")


def _guess_keys(message: dict[str, Any]) -> KeyNames:
    """Return the usual keys that fit a message, or those without a job if it has none of them."""
    candidates = [each for each in _USUAL if each.finished_id in message and each.finished_result in message]
    return next(
        (each for each in candidates if each.job_kind in message), candidates[0] if candidates else _WITHOUT_JOBS
    )


def _content_of(keys: KeyNames, message: dict[str, Any], status: str, trigger: str) -> tuple[Any, ...]:
    """Return the fields of a `MessageContent` as plain values."""
    get = message.get
    if (result := get(keys.finished_result)) is None:
        job = cycle = issues = consumed = None
    else:
        result, cycle = _text(message, keys.finished_result), _number(message, keys.finished_cycle)
        issues = _number(message, keys.finished_issues)
        job, consumed = get(keys.finished_id), get(keys.finished_consumed)
        job = job if isinstance(job, str) else None
        consumed = tuple(map(str, consumed)) if isinstance(consumed, list) else None
    current, progress = get(keys.current_id, _NO_KEY), get(keys.progress)
    if progress is not None:
        progress = _number(message, keys.progress)
    return (
        status, result, job, cycle, _if_text(get(keys.job_kind)), _if_text(current), _if_text(get(keys.station)),
        progress, issues, consumed, trigger,
    )  # fmt: skip


def _parse_line(line: bytes) -> tuple[dict[str, Any], str]:
    """Return the payload of a line of any form, empty for an empty line, and its trigger, if any."""
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
        raise NotAMessage("no JSON object")
    return found, trigger


def _time(message: dict[str, Any]) -> int:
    return milliseconds(_text(message, "timestamp"))


def _text(message: dict[str, Any], key: str) -> str:
    text = message.get(key)
    if not isinstance(text, str):
        raise NotAMessage(f"no text in {key}")
    return text


def _if_text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(message: dict[str, Any], key: str) -> float | None:
    number = message.get(key)
    if number is not None and not isinstance(number, int | float):
        raise NotAMessage(f"no number in {key}")
    return number
