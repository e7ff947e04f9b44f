"""Compare the messages of a machine that has several classes of them, or one that is unusual, with a reference.

Figures are from two classes: time from the one that reports states, jobs from the one that reports results. A message
outside the period, which reports a finished job, represents no time. Where changes of the state are reported, each
state lasts until the next message. The trigger says which messages report a change; in bare payloads, these are the
ones with another status than the message before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import Final, NamedTuple

from cli.verify.counts.message_counts import MessageCounts
from cli.verify.discrepancies import Discrepancies
from cli.verify.input.ground_truth import GroundTruth
from cli.verify.input.machine_readings import Machine, Mode, Stretch
from cli.verify.input.received_messages import MessageContent, ReceivedMessages
from cli.verify.input.reference import InvalidInput, Reference, Span
from cli.verify.machine_checks import MachineChecker
from cli.verify.time_tolerance import COARSE_MS, time_tolerance_ms

_CHANGE: Final = "change"
_NO_TIME: Final = "no time"
"""The trigger of messages of a class that represents no time."""


class _Source(NamedTuple):
    """The messages of one class of a machine.  counts: of these messages alone."""

    name: str
    class_name: str
    counts: MessageCounts


@dataclass(slots=True)
class ClassOutcome:
    """What a comparison has found.

    counts: of states and jobs; None without messages that have a time.  sources: by source, each class's own counts.
    unreported_jobs, unreported_changes: finished jobs, and changes of the state, without a message.
    """

    counts: MessageCounts | None
    sources: dict[str, MessageCounts]
    unreported_jobs: int = 0
    unreported_changes: int = 0


def verify_classes(
    machine: Machine, messages: ReceivedMessages, reference: Reference, span: Span, discrepancies: Discrepancies
) -> ClassOutcome:
    """Compare the messages of a machine. Raise InvalidInput if the times of its states are too coarse."""
    sources = [*_sources(machine, messages)]
    outcome = ClassOutcome(None, {each.name: each.counts for each in sources})
    if not sources:
        return outcome
    counts = _machine_counts(machine, sources, span)
    checker = _checker(machine, reference, span, sources, discrepancies)
    for time_ms, source, content in _records(machine, sources, messages):
        is_new = source.counts.add(time_ms, content)
        readings = machine.readings_at(time_ms)
        if is_new and counts is not None:
            counts.add(time_ms, content, source.class_name)
        if is_new and checker is not None:
            regular = source.class_name == readings.job_class and not source.counts.is_additional(content)
            checker.check(time_ms, content, regular=regular)
    if counts is not None:
        counts.close(span[1])
        outcome.counts = counts.counts
    if checker is not None:
        checker.close()
        are_named = not any(each.job_class in machine.nameless for each in machine.readings)
        outcome.unreported_jobs = checker.unreported_jobs if are_named else 0
    if isinstance(reference, GroundTruth):
        changes = (_unreported_changes(each, machine, messages, reference, span) for each in sources)
        outcome.unreported_changes = sum(changes)
    return outcome


def _sources(machine: Machine, messages: ReceivedMessages) -> Iterator[_Source]:
    """Yield the classes whose messages have a time, also one that the machine sends nothing of."""
    for name, timeline in machine.class_timelines.items():
        infos = [each for each in machine.classes_named(name) if each.timestamp]
        if not infos:
            continue
        source = machine.source(name)
        resolution_ms = max(each.resolution_ms for each in infos)
        needed = any(each.time_class == name for each in machine.readings)
        tolerance_ms = _tolerance_ms(machine, name, resolution_ms, messages, needed=needed)
        yield _Source(source, name, MessageCounts(source, timeline, tolerance_ms, is_coarse=resolution_ms >= COARSE_MS))


def _tolerance_ms(
    machine: Machine, class_name: str, resolution_ms: int, messages: ReceivedMessages, *, needed: bool
) -> float:
    """Return how far the times of a source may be off. needed: figures depend on them, so they must not be coarse."""
    source, timeline = machine.source(class_name), machine.class_timelines[class_name]
    coarsest_ms = max(resolution_ms, messages.resolution_ms)
    try:
        return time_tolerance_ms(source, with_changes(machine, class_name, messages), timeline, coarsest_ms)
    except InvalidInput:
        if needed:
            raise
        return timeline.shortest_period_ms


class _MachineCounts:
    """The counts of a machine, from the classes that report states and jobs.

    since_ms: the beginning of the span. A first message that reports no change reports the state since then; before one
    that does, the state is unknown. So it is again after each time without the machine, or without such messages.
    """

    def __init__(self, counts: MessageCounts, machine: Machine, stretches: Sequence[Stretch]) -> None:
        self.counts, self._machine = counts, machine
        self._stretches, self._index = stretches, 0
        self._since: tuple[float, str] | None = None
        self._bare = self._full = MessageContent("")

    def add(self, time_ms: int, content: MessageContent, class_name: str) -> None:
        """Count a message of a class."""
        self._move_to(time_ms)
        readings = self._machine.readings_at(time_ms)
        if class_name == readings.time_class and not readings.by_changes:
            self.counts.add(time_ms, self._with_status(content, readings.constant_status))
            return
        if class_name == readings.time_class:
            self._begin(time_ms, content)
            self._count_stay(time_ms, content.status)
        if class_name == readings.job_class and content.result is not None:
            self.counts.add(time_ms, content._replace(trigger=content.trigger or _NO_TIME))

    def _with_status(self, content: MessageContent, constant: str | None) -> MessageContent:
        if constant is None:
            return content
        if content is not self._bare:
            self._bare, self._full = content, content._replace(status=constant)
        return self._full

    def close(self, until_ms: int) -> None:
        """Count the last stay, as there are no more messages."""
        self._move_to(math.inf)
        self._end(until_ms)

    def _move_to(self, time_ms: float) -> None:
        """Leave the stretches that end before a moment; states are unknown in those in which nothing reported them."""
        while self._index < len(self._stretches) - 1 and self._stretches[self._index].until_ms < time_ms:
            self._end(self._stretches[self._index].until_ms)
            self._index += 1

    def _end(self, until_ms: float) -> None:
        stretch = self._stretches[self._index]
        if self._since is not None:
            self._count_stay(min(until_ms, stretch.until_ms), "")
        elif stretch.mode is not Mode.REGULAR:
            self.counts.unseen_seconds += max(0.0, min(until_ms, stretch.until_ms) - stretch.since_ms) / 1000
        self._since = None

    def _begin(self, time_ms: int, content: MessageContent) -> None:
        since_ms = self._stretches[self._index].since_ms
        if self._since is None and content.trigger:
            self.counts.unseen_seconds += max(0.0, time_ms - since_ms) / 1000
        elif self._since is None:
            self._since = since_ms, content.status

    def _count_stay(self, time_ms: float, status: str) -> None:
        if self._since is not None:
            from_ms, before = self._since
            self.counts.add_stay(before, from_ms, time_ms)
        self._since = time_ms, status


def _machine_counts(machine: Machine, sources: Sequence[_Source], span: Span) -> _MachineCounts | None:
    """Return the counts of a machine; None if none of its messages report states, or not all name it."""
    of_states = [each for each in sources if any(its.time_class == each.class_name for its in machine.readings)]
    if not of_states or any(each.time_class in machine.nameless for each in machine.readings):
        return None
    tolerance_ms = max(each.counts.jitter_ms for each in of_states)
    is_coarse = any(each.counts.is_coarse for each in of_states)
    counts = MessageCounts(machine.machine_id, machine.state_timeline(), tolerance_ms, is_coarse=is_coarse)
    return _MachineCounts(counts, machine, [*machine.stretches(*span)])


def _checker(
    machine: Machine, reference: Reference, span: Span, sources: Sequence[_Source], discrepancies: Discrepancies
) -> MachineChecker | None:
    """Return a checker of each message; None if only sums are known."""
    if not isinstance(reference, GroundTruth):
        return None
    events = reference.intervals(machine.machine_id), reference.jobs(machine.machine_id)
    checker = MachineChecker(machine.machine_id, machine.timeline, *events, discrepancies)
    checker.tolerance_ms = max(each.counts.jitter_ms for each in sources)
    checker.since_ms, checker.until_ms = span
    return checker


def _records(
    machine: Machine, sources: Sequence[_Source], messages: ReceivedMessages
) -> Iterator[tuple[int, _Source, MessageContent]]:
    """Yield the messages of all classes of a machine in order of time."""

    def of(place: int, source: _Source) -> Iterable[tuple[int, int, MessageContent]]:
        found = with_changes(machine, source.class_name, messages)
        return ((time_ms, place, content) for time_ms, content in found)

    in_order = merge(*(of(place, each) for place, each in enumerate(sources)), key=lambda each: each[:2])
    return ((time_ms, sources[place], content) for time_ms, place, content in in_order)


def with_changes(machine: Machine, class_name: str, messages: ReceivedMessages) -> Iterator[tuple[int, MessageContent]]:
    """Yield the messages of a source; in bare payloads, those that report a change get a trigger."""
    source = machine.source(class_name)
    statistics, records = messages.machines.get(source), messages.of_machine(source)
    if statistics is not None and class_name in machine.nameless:
        records = (each for each in records if machine.class_timelines[class_name].at(each[0]))
    by_changes = any(each.on_change for each in machine.classes_named(class_name))
    if statistics is None or not by_changes or statistics.with_trigger:
        yield from records
        return
    before = None
    for time_ms, content in records:
        changed = content.status != before and class_name in machine.readings_at(time_ms).change_classes
        before = content.status
        yield time_ms, content._replace(trigger=_CHANGE) if changed else content


def _unreported_changes(
    source: _Source, machine: Machine, messages: ReceivedMessages, truth: GroundTruth, span: Span
) -> int:
    """Return how many changes of the state no message of a class reports that should."""
    reports = any(source.class_name in each.change_classes for each in machine.readings)
    if not reports or source.class_name in machine.nameless:
        return 0
    tolerance_ms = source.counts.jitter_ms
    records = with_changes(machine, source.class_name, messages)
    reported = iter([time_ms for time_ms, content in records if content.trigger])
    at_ms: float = next(reported, math.inf)
    missing = 0
    for from_ms in _changes_ms(truth, machine.machine_id, span):
        readings = machine.readings_at(from_ms), machine.readings_at(from_ms + 1)
        if not all(source.class_name in each.change_classes - each.untimed_classes for each in readings):
            continue  # no message reports it, or none with a time
        while at_ms < from_ms - tolerance_ms:
            at_ms = next(reported, math.inf)
        missing += at_ms > from_ms + tolerance_ms
    return missing


def _changes_ms(truth: GroundTruth, machine_id: str, span: Span) -> Iterator[int]:
    """Yield when the state of a machine changes; what it is at first is reported a little later."""
    before = None
    for interval in truth.intervals(machine_id):
        continued = before is not None and before.to_ms == interval.from_ms
        if (
            continued
            and before is not None
            and before.state != interval.state
            and span[0] < interval.from_ms <= span[1]
        ):
            yield interval.from_ms
        before = interval


def missing_untimed(machine: Machine, messages: ReceivedMessages, span: Span) -> dict[str, int]:
    """Return how many messages of the classes without a time are missing, by their number and period."""
    found = {}
    for name, timeline in machine.class_timelines.items():
        statistics = messages.machines.get(machine.source(name))
        if statistics is not None and statistics.untimed:
            expected = sum(
                presence.periods(each.since_ms, each.until_ms)
                for presence in timeline.presences
                for each in machine.readings_between(*span)
                if name in each.untimed_classes
            )
            found[machine.source(name)] = max(0, int(expected) - statistics.untimed)
    return found
