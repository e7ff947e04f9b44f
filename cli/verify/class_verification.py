"""Compare the messages of a machine that has several classes of them, or one that is unusual, with a reference.

Figures are from two classes: time from the one that reports states, jobs from the one that reports results. A message
outside the period, which reports a finished job, represents no time. Where changes of the state are reported, each
state lasts until the next message. The trigger says which messages report a change; in bare payloads, these are the
ones with another status than the message before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import Final, NamedTuple

from cli.verify.discrepancies import Discrepancies
from cli.verify.input.ground_truth import GroundTruth
from cli.verify.input.message_keys import ClassInfo, TypeInfo
from cli.verify.input.received_messages import MessageContent, ReceivedMessages
from cli.verify.input.reference import InvalidInput, Reference, Span
from cli.verify.input.timeline import Timeline
from cli.verify.machine_checks import MachineChecker
from cli.verify.message_counts import MessageCounts
from cli.verify.time_tolerance import COARSE_MS, time_tolerance_ms

_CHANGE: Final = "change"
_NO_TIME: Final = "no time"
"""The trigger of messages of a class that represents no time."""


class _Source(NamedTuple):
    """The messages of one class of a machine.  counts: of these messages alone."""

    name: str
    info: ClassInfo
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
    machine_id: str,
    info: TypeInfo,
    messages: ReceivedMessages,
    reference: Reference,
    span: Span,
    discrepancies: Discrepancies,
) -> ClassOutcome:
    """Compare the messages of a machine. Raise InvalidInput if the times of its states are too coarse."""
    sources = [*_sources(machine_id, info, messages, reference)]
    outcome = ClassOutcome(None, {each.name: each.counts for each in sources})
    if not sources:
        return outcome
    counts = _machine_counts(machine_id, info, sources, reference, span[0])
    checker = _checker(machine_id, reference, span, sources, discrepancies)
    for time_ms, source, content in _records(sources, messages):
        is_new = source.counts.add(time_ms, content)
        if is_new and counts is not None:
            counts.add(time_ms, content, source.info)
        if is_new and checker is not None:
            regular = source.info is info.classes[0] and source.info.reports_jobs
            regular = regular and not source.counts.is_additional(content)
            checker.check(time_ms, content, regular=regular)
    if counts is not None:
        counts.close(span[1])
        outcome.counts = counts.counts
    if checker is not None:
        checker.close()
        outcome.unreported_jobs = checker.unreported_jobs if info.classes[0].reports_jobs else 0
    if isinstance(reference, GroundTruth):
        changes = (_unreported_changes(each, messages, reference, machine_id, span) for each in sources)
        outcome.unreported_changes = sum(changes)
    return outcome


def _sources(machine_id: str, info: TypeInfo, messages: ReceivedMessages, reference: Reference) -> Iterator[_Source]:
    """Yield the classes whose messages have a time, also one that the machine sends nothing of.

    Where neither id nor station is in the messages, those of a class may all be unrecognised, and are not missing.
    """
    for each in info.classes:
        name = each.source(machine_id)
        is_recognised = each.keys.machine_id or each.keys.station or name in messages.machines
        if each.timestamp and is_recognised:
            timeline = reference.class_timelines[name]
            tolerance_ms = _tolerance_ms(name, each, messages, timeline, needed=each is info.time_class)
            is_coarse = each.resolution_ms >= COARSE_MS
            yield _Source(name, each, MessageCounts(name, timeline, tolerance_ms, is_coarse=is_coarse))


def _tolerance_ms(name: str, info: ClassInfo, messages: ReceivedMessages, timeline: Timeline, *, needed: bool) -> float:
    """Return how far the times of a source may be off. needed: figures depend on them, so they must not be coarse."""
    resolution_ms = max(info.resolution_ms, messages.resolution_ms)
    try:
        return time_tolerance_ms(name, with_changes(name, messages), timeline, resolution_ms)
    except InvalidInput:
        if needed:
            raise
        return math.inf if math.isinf(info.period_ms) else info.period_ms


class _MachineCounts:
    """The counts of a machine, from the classes that report states and jobs.

    since_ms: the beginning of the span. A first message that reports no change reports the state since then; before one
    that does, the state is unknown.
    """

    def __init__(self, counts: MessageCounts, time_class: ClassInfo, job_class: ClassInfo, since_ms: float) -> None:
        self.counts, self._time_class, self._job_class = counts, time_class, job_class
        self._since_ms = max(since_ms, counts.timeline.presences[0].since_ms)
        self._since: tuple[float, str] | None = None

    def add(self, time_ms: int, content: MessageContent, info: ClassInfo) -> None:
        """Count a message of a class."""
        if info is self._time_class and not info.on_change:
            self.counts.add(time_ms, content)
            return
        if info is self._time_class:
            self._begin(time_ms, content)
            self._count_stay(time_ms, content.status)
        if info is self._job_class and content.result is not None:
            self.counts.add(time_ms, content._replace(trigger=content.trigger or _NO_TIME))

    def _begin(self, time_ms: int, content: MessageContent) -> None:
        if self._since is None and content.trigger:
            self.counts.unseen_seconds = (time_ms - self._since_ms) / 1000
        elif self._since is None:
            self._since = self._since_ms, content.status

    def close(self, until_ms: int) -> None:
        """Count the last stay, as there are no more messages."""
        if self._since is not None:
            self._count_stay(until_ms, "")

    def _count_stay(self, time_ms: int, status: str) -> None:
        if self._since is not None:
            from_ms, before = self._since
            self.counts.add_stay(before, from_ms, time_ms)
        self._since = time_ms, status


def _machine_counts(
    machine_id: str, info: TypeInfo, sources: Sequence[_Source], reference: Reference, since_ms: float
) -> _MachineCounts | None:
    """Return the counts of a machine; None if none of its messages report states."""
    time_class = info.time_class
    by_class = {each.info.name: each for each in sources}
    if time_class is None or time_class.name not in by_class:
        return None
    source = by_class[time_class.name]
    timeline = reference.class_timelines[source.name]
    tolerance_ms = source.counts.jitter_ms
    is_coarse = time_class.resolution_ms >= COARSE_MS
    counts = MessageCounts(machine_id, timeline, tolerance_ms, is_coarse=is_coarse)
    return _MachineCounts(counts, time_class, info.classes[0], since_ms)


def _checker(
    machine_id: str, reference: Reference, span: Span, sources: Sequence[_Source], discrepancies: Discrepancies
) -> MachineChecker | None:
    """Return a checker of each message; None if only sums are known."""
    if not isinstance(reference, GroundTruth):
        return None
    events = reference.intervals(machine_id), reference.jobs(machine_id)
    checker = MachineChecker(machine_id, reference.timelines[machine_id], *events, discrepancies)
    checker.tolerance_ms = max(each.counts.jitter_ms for each in sources)
    checker.since_ms, checker.until_ms = span
    return checker


def _records(sources: Sequence[_Source], messages: ReceivedMessages) -> Iterator[tuple[int, _Source, MessageContent]]:
    """Yield the messages of all classes of a machine in order of time."""

    def of(place: int, source: _Source) -> Iterable[tuple[int, int, MessageContent]]:
        return ((time_ms, place, content) for time_ms, content in with_changes(source.name, messages))

    in_order = merge(*(of(place, each) for place, each in enumerate(sources)), key=lambda each: each[:2])
    return ((time_ms, sources[place], content) for time_ms, place, content in in_order)


def with_changes(name: str, messages: ReceivedMessages) -> Iterator[tuple[int, MessageContent]]:
    """Yield the messages of a source; in bare payloads, those that report a change get a trigger."""
    statistics, records = messages.machines.get(name), messages.of_machine(name)
    if statistics is None or not (statistics.info and statistics.info.on_change) or statistics.with_trigger:
        yield from records
        return
    before = None
    for time_ms, content in records:
        changed = content.status != before
        before = content.status
        yield time_ms, content._replace(trigger=_CHANGE) if changed else content


def _unreported_changes(
    source: _Source, messages: ReceivedMessages, truth: GroundTruth, machine_id: str, span: Span
) -> int:
    """Return how many changes of the state no message of a class reports that should."""
    if not source.info.on_change or not source.info.keys.status:
        return 0
    tolerance_ms = source.counts.jitter_ms
    reported = iter([time_ms for time_ms, content in with_changes(source.name, messages) if content.trigger])
    at_ms: float = next(reported, math.inf)
    missing = 0
    for from_ms in _changes_ms(truth, machine_id, span):
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


def missing_untimed(
    machine_id: str, info: TypeInfo, messages: ReceivedMessages, timelines: Mapping[str, Timeline], span: Span
) -> dict[str, int]:
    """Return how many messages of the classes without a time are missing, by their number and period."""
    found = {}
    for each in info.classes:
        name = each.source(machine_id)
        if not each.timestamp and name in messages.machines:
            expected = sum(int(presence.periods(*span)) for presence in timelines[name].presences)
            found[name] = max(0, expected - messages.machines[name].messages)
    return found
