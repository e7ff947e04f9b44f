"""Read messages as a consumer does: lines in any order become each machine's messages in order of time.

Machine types differ only in a table of key names, for each class of messages where they have several. Memory is
bounded, see record_store; the rest grows with the number of machines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

from cli.verify.alarms.alarm_messages import AlarmMessages
from cli.verify.input.consecutive_numbers import Numbers
from cli.verify.input.message_keys import ClassInfo, Found, KeyNames, MessageFinder, TypeInfo
from cli.verify.input.message_lines import NotAMessage, parse_line
from cli.verify.input.record_store import DEFAULT_CAPACITY, RecordStore

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


def milliseconds(timestamp: str) -> int:
    """Return milliseconds since 1970 of an RFC 3339 text. Raise ValueError if it is none or has no time zone."""
    moment = datetime.fromisoformat(timestamp)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {timestamp!r:.40}")
    return round(moment.timestamp() * 1_000_000) // 1000


class SourceStatistics:
    """Statistics of the messages of a source: number, first and last time, and how many are older than an earlier one.

    machine_id: the machine.  info: the class of messages, where its type has several or unusual ones.
    sequence: the numbers of the messages, if they have them;
    repeated_numbers: how many came again.  with_trigger: how many messages have a trigger.
    """

    __slots__ = (
        "content", "first_ms", "info", "keys", "last_ms", "machine_id", "messages", "out_of_order", "repeated_numbers",
        "sequence", "with_trigger",
    )  # fmt: skip

    def __init__(self, machine_id: str, keys: KeyNames, time_ms: int, info: ClassInfo | None = None) -> None:
        self.machine_id, self.keys, self.info = machine_id, keys, info
        self.first_ms = self.last_ms = time_ms
        self.messages = self.out_of_order = self.with_trigger = self.repeated_numbers = 0
        self.sequence: Numbers | None = None
        self.content: tuple[Any, ...] = ()

    @property
    def has_times(self) -> bool:
        """Whether its messages have a time."""
        return self.info is None or bool(self.info.timestamp)

    def count(self, time_ms: int, trigger: str = "") -> None:
        """Count a message."""
        self.messages += 1
        self.with_trigger += bool(trigger)
        if time_ms >= self.last_ms:
            self.last_ms = time_ms
        else:
            self.out_of_order += 1
            self.first_ms = min(time_ms, self.first_ms)

    def count_number(self, number: object) -> None:
        """Count the number of a message, from which missing ones follow."""
        if not isinstance(number, int):
            raise NotAMessage(f"no whole number in {self.keys.sequence}")
        if self.sequence is None:
            self.sequence = Numbers(number)
        else:
            self.repeated_numbers += not self.sequence.add(number)


class ReceivedMessages:
    """All messages of a span: `machines` by source, `events` as counts of orders and dispatches.

    The source of a message is the machine's id, with / and the class where its type has several classes of messages.

    since_ms, until_ms: messages of other times count as `outside`; the limits may be changed between reads.
    unrelated: objects that are neither.  unreadable: lines that are not messages; unreadable_examples: why the first
    three are not.  resolution_ms: the greatest common divisor of all times.
    types: how to read each machine type's messages.  type_of: returns that of a machine, None if unknown.
    finder: finds the source of messages that are not usual.  alarm_finder: that of messages about alarms.
    """

    def __init__(
        self,
        since_ms: float = -math.inf,
        until_ms: float = math.inf,
        buffer_size: int = DEFAULT_CAPACITY,
        *,
        types: Iterable[TypeInfo] = (),
        type_of: Callable[[str], TypeInfo | None] = lambda _machine_id: None,
        finder: MessageFinder | None = None,
        alarm_finder: MessageFinder | None = None,
    ) -> None:
        self._type_of, self._finder, self._alarm_finder = type_of, finder, alarm_finder
        self.alarms = AlarmMessages()
        usual = [each.keys for each in types if not each.classes]
        identities = {(keys.machine_id, keys.status): None for keys in usual if keys.machine_id}
        self._identities = [*identities] or [(_COMMON.machine_id, _COMMON.status)]
        self.since_ms, self.until_ms = since_ms, until_ms
        self.machines: dict[str, SourceStatistics] = {}
        self.events = {ORDER: 0, DISPATCH: 0}
        self.lines = self.unrelated = self.outside = self.unreadable = self.resolution_ms = 0
        self.unreadable_examples: list[str] = []
        self._store, self._orders = RecordStore(buffer_size), RecordStore(buffer_size)

    def read(self, lines: Iterable[bytes]) -> None:
        """Read more lines."""
        for line in lines:
            self.lines += 1
            try:
                self._add(*parse_line(line))
            except ValueError as error:
                self._count_unreadable(error)

    @property
    def by_machine(self) -> Mapping[str, Sequence[SourceStatistics]]:
        """The sources of each machine, by its id."""
        found: dict[str, list[SourceStatistics]] = {}
        for each in self.machines.values():
            found.setdefault(each.machine_id, []).append(each)
        return found

    def of_machine(self, source: str) -> Iterator[tuple[int, MessageContent]]:
        """Return the messages of a source in order of time, with repeated ones."""
        make, before, content = MessageContent._make, None, MessageContent("")
        for time_ms, _, values in self._store.records(source):
            if values is not before:
                before, content = values, make(values)
            yield time_ms, content

    def orders(self, event: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Return the messages of orders, or of dispatches, in order of time."""
        for time_ms, _, (payload,) in self._orders.records(event):
            yield time_ms, orjson.loads(payload)

    def _add(self, message: dict[str, Any], trigger: str, topic: str | None) -> None:
        if self._alarm_finder and (found := self._alarm_finder.find(message, topic)):
            time_ms = time_of(found.values, found.info)
            if self._is_inside(time_ms):
                self.alarms.add(found.machine_id, time_ms, self.lines, found.values)
            return
        if self._finder and (found := self._finder.find(message, topic)):
            self._add_found(found, trigger)
            return
        for id_key, status_key in self._identities:
            if id_key in message and status_key in message:
                machine_id, status, time_ms = _text(message, id_key), _text(message, status_key), _time(message)
                if self._is_inside(time_ms):
                    self._store_message(machine_id, message, time_ms, status, trigger)
                return
        self._add_other(message)

    def _add_found(self, found: Found, trigger: str) -> None:
        """Store a message whose class is known; one without a time is counted only."""
        machine_id, info, values = found
        time_ms = time_of(values, info) if info.timestamp else None
        if time_ms is not None and not self._is_inside(time_ms):
            return
        source = info.source(machine_id)
        statistics = self.machines.get(source)
        if statistics is None:
            first_ms = 0 if time_ms is None else time_ms
            statistics = self.machines[source] = SourceStatistics(machine_id, info.keys, first_ms, info)
        if info.keys.sequence:
            statistics.count_number(values[info.keys.sequence])
        if time_ms is None:
            statistics.messages += 1
            return
        known = self._type_of(machine_id)
        assumed = (known.constant_status if known else None) or ""
        status = _text(values, info.keys.status) if info.keys.status else assumed
        self._store_content(source, statistics, time_ms, _content_of(info.keys, values, status, trigger))

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
        self._store_content(machine_id, machine, time_ms, _content_of(machine.keys, message, status, trigger))

    def _store_content(self, source: str, statistics: SourceStatistics, time_ms: int, content: tuple[Any, ...]) -> None:
        if content == statistics.content:
            content = statistics.content  # one object for all that are equal
        else:
            statistics.content = content
        statistics.count(time_ms, content[-1])
        if self.resolution_ms != 1:
            self.resolution_ms = math.gcd(self.resolution_ms, time_ms)
        self._store.add(source, (time_ms, self.lines, content))

    def _new_machine(self, machine_id: str, message: dict[str, Any], time_ms: int) -> SourceStatistics:
        known = self._type_of(machine_id)
        keys = known.keys if known and known.keys.finished_id else _guess_keys(message)
        machine = self.machines.setdefault(machine_id, SourceStatistics(machine_id, keys, time_ms))
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


def _content_of(keys: KeyNames, message: Mapping[str, Any], status: str, trigger: str) -> tuple[Any, ...]:
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


def _time(message: dict[str, Any]) -> int:
    return milliseconds(_text(message, "timestamp"))


def time_of(message: Mapping[str, Any], info: ClassInfo) -> int:
    """Return the time of a message of a class, whatever its form, in milliseconds since 1970.

    Of a time without its last digits it is the middle of those that it may be.
    """
    if not info.ms_per_unit:
        return milliseconds(_text(message, info.timestamp)) + info.resolution_ms // 2
    number = _number(message, info.timestamp)
    if number is None:
        raise NotAMessage(f"no time in {info.timestamp}")
    return round(number * info.ms_per_unit)


def _text(message: Mapping[str, Any], key: str) -> str:
    text = message.get(key)
    if not isinstance(text, str):
        raise NotAMessage(f"no text in {key}")
    return text


def _if_text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(message: Mapping[str, Any], key: str) -> float | None:
    number = message.get(key)
    if number is not None and not isinstance(number, int | float):
        raise NotAMessage(f"no number in {key}")
    return number
