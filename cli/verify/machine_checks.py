"""Check each message of a machine against the ground truth: its state intervals and finished jobs.

A message reports the state at its time and the current job. A finished job is reported once: by the next regular
message or, if jobs may be shorter than a period, by an additional message at its end. If times have a tolerance, any
value that is correct within it is accepted.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

from cli.verify.discrepancies import Discrepancies, DiscrepancyKind, text
from cli.verify.input.events import NO_REASON_KEYS, PLANNED_STOP, FinishedJob, Reason, StateInterval, agrees
from cli.verify.input.received_messages import MessageContent
from cli.verify.input.timeline import Presence, Timeline
from cli.verify.matching import Matcher

_CYCLE_ROUNDING_SECONDS: Final = 0.0501
_PASSING: Final = frozenset({"blocked", "starved"})
_WAITING: Final = frozenset({"blocked", "starved", PLANNED_STOP, "stopped", ""})
"""States in which a machine may wait for material or space; one that is also stopped reports that. A message without a
status does not tell."""
T = TypeVar("T")


class _Peekable(Generic[T]):
    """An iterator whose next item is visible.  next: that item, None at the end."""

    __slots__ = ("_rest", "next")

    def __init__(self, items: Iterator[T]) -> None:
        self._rest = items
        self.next = next(items, None)

    def take(self) -> T | None:
        """Return the next item and advance."""
        taken, self.next = self.next, next(self._rest, None)
        return taken


class MachineChecker:
    """A check of one machine's messages in order of time, which records discrepancies.

    tolerance_ms: how far the times of messages may be off.  since_ms, until_ms: the span that is checked.
    unreported_jobs: finished jobs without a message.
    """

    def __init__(
        self,
        machine_id: str,
        timeline: Timeline,
        intervals: Iterator[StateInterval],
        jobs: Iterator[FinishedJob],
        discrepancies: Discrepancies,
    ) -> None:
        self.machine_id, self._timeline, self._discrepancies = machine_id, timeline, discrepancies
        self.tolerance_ms = 2.0
        self.since_ms, self.until_ms = -math.inf, math.inf
        self.unreported_jobs = 0
        self._intervals, self._jobs = _Peekable(intervals), _Peekable(jobs)
        self._nearby: deque[StateInterval] = deque()
        self._recent_jobs: deque[FinishedJob] = deque(maxlen=8)
        self._matcher = Matcher[MessageContent, FinishedJob](
            self._check_match, self._repeated, self._unknown, self._unreported
        )
        self._unreported_at_ms: dict[str, int] = {}
        self._presence = timeline.presences[0]
        self._last_matching: MessageContent | None = None
        self._matches = True
        self._unchanged_until_ms = -math.inf
        self._progress: tuple[str | None, float] = (None, 0.0)

    def check(self, time_ms: int, content: MessageContent, *, regular: bool) -> None:
        """Check a message.  regular: whether it represents a period of time."""
        if content is self._last_matching and time_ms < self._unchanged_until_ms:
            return  # the same as the previous one, which was correct, and nothing has happened since
        self._matches = True
        presence = self._presence
        if not presence.since_ms < time_ms <= presence.until_ms:
            found = self._timeline.presence(time_ms, self.tolerance_ms)
            self._presence = presence = found or presence
        if not presence.since_ms - self.tolerance_ms < time_ms <= presence.until_ms + self.tolerance_ms:
            self._add(
                DiscrepancyKind.ABSENT_MACHINE, time_ms, f"status {content.status}, but the machine does not exist"
            )
            return
        if content.status or content.state_reason != NO_REASON_KEYS:
            self._check_state(time_ms, content)
        self._advance_jobs(time_ms + self.tolerance_ms)
        if content.result is not None:
            self._check_report(time_ms, content)
        if regular:
            self._check_job_is_reported(time_ms, presence)
        self._check_current(time_ms, content, presence)
        self._last_matching = content if content.result is None and self._matches else None
        ends_ms = min(self._nearby[0].to_ms, self._nearby[-1].to_ms) if self._nearby else -math.inf
        finish_ms = self._jobs.next.finished_ms if self._jobs.next else math.inf
        self._unchanged_until_ms = min(ends_ms, finish_ms, presence.at(time_ms).until_ms) - self.tolerance_ms

    def close(self) -> None:
        """Report jobs without a message, as there are no more messages."""
        self._advance_jobs(self.until_ms)
        self._matcher.close()

    # states

    def _check_state(self, time_ms: int, content: MessageContent) -> None:
        nearby = self._intervals_at(time_ms)
        possible = [interval for interval in nearby if content.status in ("", interval.state)]
        if (
            not nearby
            or self._is_passing(time_ms, content)
            or any(agrees(content.state_reason, interval.reason) for interval in possible)
        ):
            return
        actual = nearby[-1] if nearby[-1].from_ms <= time_ms else nearby[0]
        since = f"(since {text(actual.from_ms)})"
        if not possible:
            problem = f"status {content.status} instead of {actual.state} {since}"
            self._add(DiscrepancyKind.STATUS, time_ms, problem)
        else:
            problem = f"reason {_shown(content.state_reason)} instead of {actual.reason or 'none'} {since}"
            self._add(DiscrepancyKind.CURRENT, time_ms, problem)

    def _is_passing(self, time_ms: int, content: MessageContent) -> bool:
        """Return whether a machine of a line may have been in the reported state for less than a millisecond.

        It is blocked or starved until another machine acts, at the same time perhaps; no ground truth has such a stay.
        """
        return content.status in _PASSING and any(each.from_ms == time_ms for each in self._nearby)

    def _intervals_at(self, time_ms: int) -> deque[StateInterval]:
        tolerance_ms, nearby, intervals = self.tolerance_ms, self._nearby, self._intervals
        while intervals.next and intervals.next.from_ms <= time_ms + tolerance_ms:
            nearby.append(intervals.next)
            intervals.take()
        while nearby and nearby[0].to_ms < time_ms - tolerance_ms:
            nearby.popleft()
        return nearby

    # finished jobs

    def _advance_jobs(self, until_ms: float) -> None:
        jobs = self._jobs
        while jobs.next and jobs.next.finished_ms <= until_ms:
            self._recent_jobs.append(jobs.next)
            self._matcher.add_actual(jobs.next.job_id, jobs.next.finished_ms, jobs.next)
            jobs.take()

    def _check_report(self, time_ms: int, content: MessageContent) -> None:
        if content.job is None:
            self._add(DiscrepancyKind.UNKNOWN_JOB, time_ms, f"reports a job with result {content.result} and no id")
        else:
            self._matcher.add_reported(content.job, time_ms, content)

    def _check_job_is_reported(self, time_ms: int, presence: Presence) -> None:
        """Remember a job that this message, the first regular one after it, should have reported."""
        for job_id in [*self._matcher.waiting][-2:] if self._matcher.waiting else ():
            finished_ms, _ = self._matcher.waiting[job_id]
            delay_ms = time_ms - finished_ms
            parameters = presence.at(finished_ms)
            if (
                self.tolerance_ms < delay_ms <= parameters.period_ms + self.tolerance_ms
                and not parameters.has_additional_messages
            ):
                self._unreported_at_ms.setdefault(job_id, time_ms)

    def _check_match(self, reported_ms: int, content: MessageContent, finished_ms: int, job: FinishedJob) -> None:
        self._unreported_at_ms.pop(job.job_id, None)
        delay_ms = reported_ms - finished_ms
        if not -self.tolerance_ms <= delay_ms <= self._longest_delay_ms(reported_ms, finished_ms) + self.tolerance_ms:
            when = f"{abs(delay_ms) / 1000:,.3f} s {'after' if delay_ms > 0 else 'before'} it finishes"
            self._add(DiscrepancyKind.JOB_TIME, reported_ms, f"reports {job.job_id} {when}")
        wrong = [f"{problem} {reported} instead of {actual}" for problem, reported, actual in _compared(content, job)]
        if wrong:
            self._add(DiscrepancyKind.JOB_CONTENT, reported_ms, f"reports {job.job_id} with {', '.join(wrong)}")

    def _longest_delay_ms(self, reported_ms: int, finished_ms: int) -> float:
        """Return how long after its end a job may be reported."""
        presence = self._timeline.presence(finished_ms, self.tolerance_ms)
        both = (presence.at(finished_ms), presence.at(reported_ms)) if presence else ()
        return (
            0.0
            if all(parameters.has_additional_messages for parameters in both)
            else max(parameters.period_ms for parameters in both)
        )

    def _repeated(self, reported_ms: int, content: MessageContent) -> None:
        self._add(DiscrepancyKind.REPEATED_JOB, reported_ms, f"reports {content.job} again")

    def _unknown(self, reported_ms: int, content: MessageContent) -> None:
        self._add(
            DiscrepancyKind.UNKNOWN_JOB,
            reported_ms,
            f"reports {content.job} with result {content.result}, which does not exist",
        )

    def _unreported(self, finished_ms: int, job: FinishedJob) -> None:
        unreported_at_ms = self._unreported_at_ms.pop(job.job_id, None)
        presence = self._timeline.presence(finished_ms)
        if presence is None or not self.since_ms < finished_ms <= self.until_ms:
            return
        if unreported_at_ms is not None:
            problem = f"does not report {job.job_id}, finished {text(finished_ms)} with result {job.result}"
            self._add(DiscrepancyKind.UNREPORTED_JOB, unreported_at_ms, problem)
        else:
            latest_ms = finished_ms + presence.at(finished_ms).period_ms + self.tolerance_ms
            is_told = presence.at(finished_ms).reports_jobs and presence.at(latest_ms).reports_jobs
            self.unreported_jobs += is_told and latest_ms < min(presence.until_ms, self.until_ms)

    # the current job

    def _check_current(self, time_ms: int, content: MessageContent, presence: Presence) -> None:
        wrong = [*self._wrong_job(time_ms, content, presence), *self._wrong_progress(time_ms, content, presence)]
        if content.station != presence.at(time_ms).station:
            wrong += self._wrong_station(time_ms, content.station, presence)
        if wrong:
            self._add(DiscrepancyKind.CURRENT, time_ms, ", ".join(wrong))

    def _wrong_job(self, time_ms: int, content: MessageContent, presence: Presence) -> Iterator[str]:
        """Yield what is wrong with the current job, which is the next to finish; unknown if it never finished."""
        job, is_waiting = self._jobs.next, content.status in _WAITING
        if content.current == "" or job is None or job.finished_ms > presence.until_ms:
            return
        if content.current is None:
            if not is_waiting:
                yield f"no current job instead of {job.job_id}"
            return
        recent = [each.job_id for each in self._recent_jobs if each.finished_ms >= time_ms - self.tolerance_ms]
        if is_waiting and self._recent_jobs:
            recent.append(self._recent_jobs[-1].job_id)
        if content.current != job.job_id and content.current not in recent:
            yield f"current job {content.current} instead of {job.job_id}"
        elif content.current == job.job_id and content.result is None:
            for name, reported, actual in _different_places(content, job):
                yield f"current job's {name} {reported} instead of {actual}"

    def _wrong_station(self, time_ms: int, station: str | None, presence: Presence) -> Iterator[str]:
        known = {presence.at(time_ms - self.tolerance_ms).station, presence.at(time_ms + self.tolerance_ms).station}
        if station is not None and None not in known and station not in known:
            yield f"station {station} instead of {' or '.join(map(str, known))}"

    def _wrong_progress(self, time_ms: int, content: MessageContent, presence: Presence) -> Iterator[str]:
        if content.progress is None:
            return
        if (content.progress == 1.0) != (content.result is not None):
            yield f"progress {content.progress} {'of a finished job' if content.result else 'of an unfinished job'}"
        current, before = self._progress
        if (
            content.result is None
            and content.current is not None
            and content.current == current
            and content.progress < before
            and not presence.at(time_ms).restarts
        ):
            yield f"progress {content.progress} after {before} of the same job"
        self._progress = content.current, 0.0 if content.result is not None else content.progress

    def _add(self, kind: DiscrepancyKind, time_ms: float, problem: str) -> None:
        self._matches = False
        self._discrepancies.add(kind, self.machine_id, time_ms, problem)


def _compared(content: MessageContent, job: FinishedJob) -> Iterator[tuple[str, object, object]]:
    """Yield name, reported and actual value of each difference between a report and its job."""
    if content.result != job.result:
        yield "result", content.result, job.result
    yield from _different_places(content, job)
    if content.cycle is not None and abs(content.cycle - job.cycle_seconds) > _CYCLE_ROUNDING_SECONDS:
        yield "cycle time", content.cycle, job.cycle_seconds
    if None not in (content.issues, job.issues) and content.issues != job.issues:
        yield "issues found", content.issues, job.issues
    if not agrees(content.job_reason, job.reason):
        yield "reason", _shown(content.job_reason), job.reason
    if content.consumed is not None and job.consumed is not None and content.consumed != job.consumed:
        yield "consumed ids", len(content.consumed), len(job.consumed)


def _different_places(content: MessageContent, job: FinishedJob) -> Iterator[tuple[str, object, object]]:
    """Yield the same of what a job is of: its kind, its order and its lot."""
    if content.kind not in (None, job.kind):
        yield "kind", content.kind, job.kind
    if content.order not in ("", job.order):
        yield "order", content.order, job.order
    if content.lot not in ("", job.lot):
        yield "lot", content.lot, job.lot


def _shown(reason: Reason) -> str:
    """Return what a message reports of a reason."""
    return " ".join(each for each in dict.fromkeys(reversed(reason)) if each) or "none"
