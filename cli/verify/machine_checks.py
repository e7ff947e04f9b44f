"""One machine's rows held against all that is known to have happened: every stay, every job.

A row tells the state that holds at its time, and the job that is on the machine. A finished job is reported once: by
the next regular row, or where jobs may be shorter than a period by an extra row at its end. Where times are known to so
many milliseconds only, what is true within them will do.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

from cli.verify.findings import Findings, Kind, text
from cli.verify.input.events import Job, Stay
from cli.verify.input.rows import Facts
from cli.verify.input.timeline import Lifetime, Timeline
from cli.verify.pairing import Pairing
from plant.telemetry import PLANNED_STOP

_ROUNDED_SECONDS: Final = 0.0501
_BLOCKED, _STARVED = "blocked", "starved"
T = TypeVar("T")


class _Ahead(Generic[T]):
    """An iterator of which the next item can be seen."""

    __slots__ = ("_rest", "next")

    def __init__(self, items: Iterator[T]) -> None:
        self._rest = items
        self.next = next(items, None)

    def take(self) -> T | None:
        """Go on to the one after it."""
        taken, self.next = self.next, next(self._rest, None)
        return taken


class MachineChecker:
    """Looks at a machine's rows in order of time, and notes what is not so.

    slack_ms: how far the times of rows may be off.  lost: finished jobs whose row is not there.
    """

    def __init__(
        self, machine_id: str, timeline: Timeline, stays: Iterator[Stay], jobs: Iterator[Job], findings: Findings
    ) -> None:
        self.machine_id, self._timeline, self._findings = machine_id, timeline, findings
        self.slack_ms = 2.0
        self.since_ms, self.until_ms = -math.inf, math.inf
        self.lost = 0
        self._stays, self._jobs = _Ahead(stays), _Ahead(jobs)
        self._near: deque[Stay] = deque()
        self._just: deque[Job] = deque(maxlen=8)
        self._pairing = Pairing[Facts, Job](self._pair, self._twice, self._unknown, self._untold)
        self._left_out: dict[str, int] = {}
        self._life = timeline.lives[0]
        self._seen: Facts | None = None
        self._is_right = True
        self._quiet_until_ms = -math.inf
        self._progress: tuple[str | None, float] = (None, 0.0)

    def row(self, time_ms: int, facts: Facts, *, regular: bool) -> None:
        """Look at a row."""
        if facts is self._seen and time_ms < self._quiet_until_ms:
            return  # said and found right before, and nothing has happened since
        self._is_right = True
        life = self._life
        if not life.since_ms < time_ms <= life.until_ms:
            found = self._timeline.life(time_ms, self.slack_ms)
            self._life = life = found or life
        if not life.since_ms - self.slack_ms < time_ms <= life.until_ms + self.slack_ms:
            self._note(Kind.ABSENT, time_ms, f"says {facts.status}, and is not there")
            return
        self._look_at_state(time_ms, facts.status)
        self._learn_jobs(time_ms + self.slack_ms)
        if facts.result is not None:
            self._report(time_ms, facts)
        if regular:
            self._look_for_report(time_ms, life)
        self._look_at_present(time_ms, facts, life)
        self._seen = facts if facts.result is None and self._is_right else None
        ends_ms = min(self._near[0].to_ms, self._near[-1].to_ms) if self._near else -math.inf
        finish_ms = self._jobs.next.finished_ms if self._jobs.next else math.inf
        self._quiet_until_ms = min(ends_ms, finish_ms, life.at(time_ms).until_ms) - self.slack_ms

    def close(self) -> None:
        """No more rows come."""
        self._learn_jobs(self.until_ms)
        self._pairing.close()

    # states

    def _look_at_state(self, time_ms: int, status: str) -> None:
        slack_ms, near, stays = self.slack_ms, self._near, self._stays
        while stays.next and stays.next.from_ms <= time_ms + slack_ms:
            near.append(stays.next)
            stays.take()
        while near and near[0].to_ms < time_ms - slack_ms:
            near.popleft()
        if near and all(status != stay.state for stay in near):
            true = near[-1] if near[-1].from_ms <= time_ms else near[0]
            since = f"since {text(true.from_ms)}"
            self._note(Kind.STATUS, time_ms, f"says {status}, and is {true.state} {since}")

    # finished jobs

    def _learn_jobs(self, until_ms: float) -> None:
        jobs = self._jobs
        while jobs.next and jobs.next.finished_ms <= until_ms:
            self._just.append(jobs.next)
            self._pairing.true(jobs.next.job_id, jobs.next.finished_ms, jobs.next)
            jobs.take()

    def _report(self, time_ms: int, facts: Facts) -> None:
        if facts.job is None:
            self._note(Kind.UNKNOWN, time_ms, f"reports a job with the result {facts.result}, and without an id")
        else:
            self._pairing.told(facts.job, time_ms, facts)

    def _look_for_report(self, time_ms: int, life: Lifetime) -> None:
        """Note a job that this row should have reported: the row is the first after it, and jobs wait for such rows."""
        for name in [*self._pairing.waiting][-2:] if self._pairing.waiting else ():
            finished_ms, _ = self._pairing.waiting[name]
            late_ms = time_ms - finished_ms
            terms = life.at(finished_ms)
            if self.slack_ms < late_ms <= terms.period_ms + self.slack_ms and not terms.crowded:
                self._left_out.setdefault(name, time_ms)

    def _pair(self, told_ms: int, facts: Facts, finished_ms: int, job: Job) -> None:
        self._left_out.pop(job.job_id, None)
        late_ms = told_ms - finished_ms
        if not -self.slack_ms <= late_ms <= self._patience_ms(told_ms, finished_ms) + self.slack_ms:
            when = f"{abs(late_ms) / 1000:,.3f} s {'after' if late_ms > 0 else 'before'} it is finished"
            self._note(Kind.TIME, told_ms, f"reports {job.job_id} {when}")
        wrong = [f"{what} {told} and not {true}" for what, told, true in _compared(facts, job)]
        if wrong:
            self._note(Kind.REPORT, told_ms, f"reports {job.job_id} with {', '.join(wrong)}")

    def _patience_ms(self, told_ms: int, finished_ms: int) -> float:
        """For how long a finished job may wait for its row."""
        life = self._timeline.life(finished_ms, self.slack_ms)
        both = (life.at(finished_ms), life.at(told_ms)) if life else ()
        return 0.0 if all(terms.crowded for terms in both) else max(terms.period_ms for terms in both)

    def _twice(self, told_ms: int, facts: Facts) -> None:
        self._note(Kind.TWICE, told_ms, f"reports {facts.job} once more")

    def _unknown(self, told_ms: int, facts: Facts) -> None:
        self._note(
            Kind.UNKNOWN, told_ms, f"reports {facts.job} with the result {facts.result}, and there is no such job"
        )

    def _untold(self, finished_ms: int, job: Job) -> None:
        left_out_ms = self._left_out.pop(job.job_id, None)
        life = self._timeline.life(finished_ms)
        if life is None or not self.since_ms < finished_ms <= self.until_ms:
            return
        if left_out_ms is not None:
            what = f"says nothing of {job.job_id}, finished {text(finished_ms)} with the result {job.result}"
            self._note(Kind.UNREPORTED, left_out_ms, what)
        else:
            ends_ms = min(life.until_ms, self.until_ms)
            self.lost += finished_ms + life.at(finished_ms).period_ms + self.slack_ms < ends_ms

    # the present job

    def _look_at_present(self, time_ms: int, facts: Facts, life: Lifetime) -> None:
        wrong = [*self._wrong_job(time_ms, facts, life), *self._wrong_progress(facts)]
        if facts.station != life.at(time_ms).station:
            wrong += self._wrong_station(time_ms, facts.station, life)
        if wrong:
            self._note(Kind.PRESENT, time_ms, ", ".join(wrong))

    def _wrong_job(self, time_ms: int, facts: Facts, life: Lifetime) -> Iterator[str]:
        """The job on the machine is the next to finish; nothing is known of one that did not finish in this life."""
        job, waits = self._jobs.next, facts.status in (_BLOCKED, _STARVED, PLANNED_STOP)
        if facts.current == "" or job is None or job.finished_ms > life.until_ms:
            return
        if facts.current is None:
            if not waits:
                yield f"says no present job, and works on {job.job_id}"
            return
        just = [each.job_id for each in self._just if each.finished_ms >= time_ms - self.slack_ms]
        if waits and self._just:
            just.append(self._just[-1].job_id)
        if facts.current != job.job_id and facts.current not in just:
            yield f"says present job {facts.current} and not {job.job_id}"
        elif facts.current == job.job_id and facts.result is None and facts.kind not in (None, job.kind):
            yield f"says {facts.kind} is on it and not {job.kind}"

    def _wrong_station(self, time_ms: int, station: str | None, life: Lifetime) -> Iterator[str]:
        known = {life.at(time_ms - self.slack_ms).station, life.at(time_ms + self.slack_ms).station}
        if station is not None and None not in known and station not in known:
            yield f"says station {station} and not {' or '.join(map(str, known))}"

    def _wrong_progress(self, facts: Facts) -> Iterator[str]:
        if facts.progress is None:
            return
        if (facts.progress == 1.0) != (facts.result is not None):
            yield f"says progress {facts.progress} {'of a finished job' if facts.result else 'of an unfinished job'}"
        current, before = self._progress
        if facts.result is None and facts.current is not None and facts.current == current and facts.progress < before:
            yield f"says progress {facts.progress} after {before} of the same job"
        self._progress = facts.current, 0.0 if facts.result is not None else facts.progress

    def _note(self, kind: Kind, time_ms: float, what: str) -> None:
        self._is_right = False
        self._findings.note(kind, self.machine_id, time_ms, what)


def _compared(facts: Facts, job: Job) -> Iterator[tuple[str, object, object]]:
    """What a report and the job it is of do not agree in."""
    if facts.result != job.result:
        yield "result", facts.result, job.result
    if facts.kind is not None and facts.kind != job.kind:
        yield "kind", facts.kind, job.kind
    if facts.cycle is not None and abs(facts.cycle - job.cycle_seconds) > _ROUNDED_SECONDS:
        yield "cycle time", facts.cycle, job.cycle_seconds
    if None not in (facts.issues, job.issues) and facts.issues != job.issues:
        yield "issues found", facts.issues, job.issues
    if facts.consumed is not None and job.consumed is not None and facts.consumed != job.consumed:
        yield "consumed ids", len(facts.consumed), len(job.consumed)
