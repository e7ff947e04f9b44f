"""The totals of a machine over any span, from its state intervals and finished jobs."""

from __future__ import annotations

import math
from collections.abc import Iterator

from cli.verify.input.events import FinishedJob, StateInterval
from cli.verify.input.reference import MachineTotals
from cli.verify.input.timeline import Timeline


def cut(timeline: Timeline, interval: StateInterval) -> Iterator[StateInterval]:
    """Yield an interval in parts, each with the same parameters of the machine."""
    begins_ms = interval.from_ms
    for each in timeline:
        if begins_ms < each.until_ms < interval.to_ms:
            yield interval._replace(from_ms=begins_ms, to_ms=round(each.until_ms))
            begins_ms = round(each.until_ms)
    yield interval if begins_ms == interval.from_ms else interval._replace(from_ms=begins_ms)


class SpanTotals:
    """The totals of a span, from state intervals and jobs in order of time.

    A job is credited with its ideal time while it is worked on: with the part of its cycle that lies in the span, by a
    clock of the machine that advances only while it produces.
    """

    def __init__(self, timeline: Timeline, since_ms: int, until_ms: int) -> None:
        self._timeline, self._since_ms, self._until_ms = timeline, since_ms, until_ms
        self._parameters = timeline.presences[0].parameters[0]
        self._clock_ms = self._begins_ms = 0.0
        self._since_clock_ms, self._until_clock_ms = 0.0, math.inf
        self._to_ms: int | None = None
        self.elapsed_ms = self.planned_ms = self.producing_ms = self.ideal_ms = 0.0
        self.states: dict[str, float] = {}
        self.jobs = self.good = 0

    def enter(self, interval: StateInterval) -> None:
        """Begin an interval: add its time, and read the machine's clock at the ends of the span."""
        if self._to_ms != interval.from_ms:
            self._begins_ms = self._clock_ms  # a new presence
        self._to_ms = interval.to_ms
        if interval.to_ms > self._parameters.until_ms:
            self._parameters = self._timeline.at(interval.to_ms) or self._parameters
        inside_ms = min(interval.to_ms, self._until_ms) - max(interval.from_ms, self._since_ms)
        if inside_ms > 0:
            self.elapsed_ms += inside_ms
            self.states[interval.state] = self.states.get(interval.state, 0.0) + inside_ms
            self.planned_ms += inside_ms * (interval.state not in self._parameters.planned_stops)
            self.producing_ms += inside_ms * (interval.state == self._parameters.producing)
        if interval.from_ms <= self._since_ms:
            self._since_clock_ms = self._at(self._since_ms, interval)
        if interval.from_ms <= self._until_ms:
            self._until_clock_ms = self._at(self._until_ms, interval)

    def finish(self, job: FinishedJob, interval: StateInterval) -> None:
        """Count a job that finishes in the interval, and credit it."""
        if self._since_ms < job.finished_ms <= self._until_ms:
            self.jobs += 1
            self.good += job.result in self._parameters.good
        cycle_ms, ends_ms = job.cycle_seconds * 1000, self._at(job.finished_ms, interval)
        begins_ms = max(ends_ms - cycle_ms, self._begins_ms, self._since_clock_ms)
        if cycle_ms > 0 and job.finished_ms > self._since_ms:
            part_ms = min(ends_ms, self._until_clock_ms) - begins_ms
            self.ideal_ms += max(0.0, part_ms) * job.ideal_seconds * 1000 / cycle_ms
        elif job.finished_ms > self._since_ms and job.finished_ms <= self._until_ms:
            self.ideal_ms += job.ideal_seconds * 1000

    def leave(self, interval: StateInterval) -> None:
        """End an interval."""
        self._clock_ms = self._at(interval.to_ms, interval)

    def totals(self, machine_id: str) -> MachineTotals:
        """Return the totals so far."""
        parameters = self._timeline.last
        return MachineTotals(
            machine_id,
            parameters.kind,
            parameters.period_ms / 1000,
            parameters.ideal_seconds,
            parameters.producing,
            self.elapsed_ms,
            self.planned_ms,
            self.producing_ms,
            self.ideal_ms,
            self.jobs,
            self.good,
            self.states,
        )

    def _at(self, time_ms: int, interval: StateInterval) -> float:
        """Return the machine's clock at a moment of an interval."""
        produces = interval.state == self._parameters.producing
        return self._clock_ms + produces * max(0, min(time_ms, interval.to_ms) - interval.from_ms)
