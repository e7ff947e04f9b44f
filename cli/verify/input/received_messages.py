"""Read messages as a consumer does: lines in any order become each machine's messages in order of time.

Machine types differ only in a table of key names, for each class of messages where they have several. Memory is
bounded, see record_store; the rest grows with the number of machines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from cli.verify.alarms.alarm_messages import AlarmMessages
from cli.verify.forms.message_finder import Found, MessageFinder, Named
from cli.verify.forms.message_keys import EnergyKey, KeyNames, TypeInfo
from cli.verify.forms.message_lines import parse_line
from cli.verify.forms.message_values import milliseconds, number_at, text_at
from cli.verify.forms.source_statistics import SourceStatistics
from cli.verify.input.energy_records import EnergyMessages, EnergyReading
from cli.verify.input.events import NO_REASON_KEYS, Reason
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
    consumed: None if the message does not have them.
    state_reason, job_reason: text and code of the reason of the stay, and of the result; empty without such a key, None
    where there is no reason.  lot, order: of the job whose kind is reported; empty without such a key, None outside
    lots.  trigger: the cause of an additional message, or empty.
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
    state_reason: Reason = NO_REASON_KEYS
    job_reason: Reason = NO_REASON_KEYS
    lot: str | None = _NO_KEY
    order: str | None = _NO_KEY
    trigger: str = ""


class ReceivedMessages:
    """All messages of a span: `machines` by source, `events` as counts of orders and dispatches.

    The source of a message is the machine's id, with / and the class where its type has several classes of messages.

    since_ms, until_ms: messages of other times count as `outside`; the limits may be changed between reads.
    latest_ms: of all, these included.
    unrelated: objects that are neither.  unreadable: lines that are not messages; unreadable_examples: why the first
    three are not.  resolution_ms: the greatest common divisor of all times.
    types: how to read each machine type's messages.  type_of: returns that of a machine at a moment, None if unknown.
    finder: finds the source of messages that are not usual.  alarm_finder: that of messages about alarms.
    """

    def __init__(
        self,
        since_ms: float = -math.inf,
        until_ms: float = math.inf,
        buffer_size: int = DEFAULT_CAPACITY,
        *,
        types: Iterable[TypeInfo] = (),
        type_of: Callable[[str, float], TypeInfo | None] = lambda _machine_id, _time_ms: None,
        finder: MessageFinder | None = None,
        alarm_finder: MessageFinder | None = None,
    ) -> None:
        self._type_of, self._finder, self._alarm_finder = type_of, finder, alarm_finder
        self.alarms, self.energy = AlarmMessages(), EnergyMessages(buffer_size)
        types = [*types]
        usual = [each.keys for each in types if not each.classes] if types else [_COMMON]
        identities = {(keys.machine_id, keys.status): None for keys in usual if keys.machine_id}
        self._identities = [*identities]
        self.since_ms, self.until_ms, self.latest_ms = since_ms, until_ms, -math.inf
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
            if found.time_ms is not None and self._is_inside(found.time_ms):
                self.alarms.add(found.machine_id, found.time_ms, self.lines, found.values, found.info.alarms)
            return
        if self._finder and (found := self._finder.find(message, topic)):
            self._add_found(found, trigger)
            return
        for id_key, status_key in self._identities:
            if id_key in message and status_key in message:
                machine_id, status, time_ms = text_at(message, id_key), text_at(message, status_key), _time(message)
                if self._is_inside(time_ms):
                    self._store_message(machine_id, message, time_ms, status, trigger)
                return
        self._add_other(message)

    def _add_found(self, found: Found, trigger: str) -> None:
        """Store a message whose class is known; one without a time is counted only."""
        machine_id, info, values, time_ms = found.machine_id, found.info, found.values, found.time_ms
        if time_ms is not None and not self._is_inside(time_ms):
            return
        source = info.source(machine_id)
        statistics = self.machines.get(source)
        if statistics is None:
            statistics = self.machines[source] = SourceStatistics(machine_id, info.keys, time_ms or 0, info.name)
        if found.topic_names is not Named.NEITHER and info not in statistics.of_topics[found.topic_names]:
            statistics.of_topics[found.topic_names].append(info)
        if info.keys.sequence and (time_ms is not None or found.is_lasting):
            statistics.count_number(values[info.keys.sequence], info.keys.sequence, found.since_ms)
        if time_ms is None:
            statistics.messages += 1
            statistics.untimed += 1
            return
        status = text_at(values, info.keys.status) if info.keys.status else ""
        content = _content_of(info.keys, values, status, trigger)
        self._add_energy(statistics, info.energy, values, time_ms, content)
        self._store_content(source, statistics, time_ms, content)

    def _add_energy(
        self,
        statistics: SourceStatistics,
        key: EnergyKey | None,
        values: Mapping[str, Any],
        time_ms: int,
        content: tuple[Any, ...],
    ) -> None:
        """Add what a message reports of energy; one without a value, as where a sensor drops out, reports nothing."""
        if key is not None and (value := number_at(values, key.place)) is not None:
            outside, has_result = bool(content[-1]), content[1] is not None
            reading = EnergyReading(time_ms, key, statistics.class_name or "", value, outside, has_result)
            self.energy.add(statistics.machine_id, self.lines, reading)

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
        self.latest_ms = max(self.latest_ms, time_ms)
        self.outside += not inside
        return inside

    def _store_message(self, machine_id: str, message: dict[str, Any], time_ms: int, status: str, trigger: str) -> None:
        machine = self.machines.get(machine_id)
        if machine is None or (machine.keys is _WITHOUT_JOBS):
            machine = self._new_machine(machine_id, message, time_ms)
        content = _content_of(machine.keys, message, status, trigger)
        self._add_energy(machine, machine.energy, message, time_ms, content)
        self._store_content(machine_id, machine, time_ms, content)

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
        known = self._type_of(machine_id, time_ms)
        keys = known.keys if known and known.keys.finished_id else _guess_keys(message)
        machine = self.machines.setdefault(machine_id, SourceStatistics(machine_id, keys, time_ms))
        machine.keys, machine.energy = keys, known.energy if known else None
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
        result, cycle = text_at(message, keys.finished_result), number_at(message, keys.finished_cycle)
        issues = number_at(message, keys.finished_issues)
        job, consumed = get(keys.finished_id), get(keys.finished_consumed)
        job = job if isinstance(job, str) else None
        consumed = tuple(map(str, consumed)) if isinstance(consumed, list) else None
    current, progress = get(keys.current_id, _NO_KEY), get(keys.progress)
    if progress is not None:
        progress = number_at(message, keys.progress)
    return (
        status, result, job, cycle, _if_text(get(keys.job_kind)), _if_text(current), _if_text(get(keys.station)),
        progress, issues, consumed, _reason(message, keys.state_reason, keys.state_reason_code),
        _reason(message, keys.finished_reason, keys.finished_reason_code),
        _if_text(get(keys.lot, _NO_KEY)), _if_text(get(keys.order, _NO_KEY)), trigger,
    )  # fmt: skip


def _reason(message: Mapping[str, Any], text: str, code: str) -> Reason:
    if not text and not code:
        return NO_REASON_KEYS
    return _if_text(message.get(text)) if text else _NO_KEY, _if_text(message.get(code)) if code else _NO_KEY


def _time(message: dict[str, Any]) -> int:
    return milliseconds(text_at(message, "timestamp"))


def _if_text(value: object) -> str | None:
    return value if isinstance(value, str) else None
