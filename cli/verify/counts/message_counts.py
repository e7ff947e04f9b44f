"""Count one machine's messages as a consumer does: time by status, finished jobs by result, missing messages.

Each regular message represents one period in its status, by the period in force at its time; an additional message,
which reports a finished job, represents no time. A consumer would read period and ideal cycle from the nameplate.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median_low
from typing import Final

from cli.verify.counts.job_numbers import JobNumbers
from cli.verify.counts.job_sums import JobSums, most_seconds_off
from cli.verify.counts.sampling import SampledTime
from cli.verify.input.received_messages import MessageContent
from cli.verify.input.timeline import MachineParameters, Presence, Timeline

EXACT_MS: Final = 2.0
_JITTER_SHARE: Final = 0.95


class _Samples:
    """The regular messages of one presence: number, gaps, surplus, first and last time."""

    __slots__ = ("count", "first_ms", "gaps", "last_ms", "surplus")

    def __init__(self, time_ms: int) -> None:
        self.first_ms = self.last_ms = time_ms
        self.count = self.gaps = self.surplus = 0


class MessageCounts:
    """The counts of one machine's messages, each of which counts once.

    samples: regular messages by status; `seconds`: the time that they represent.  producing, planned: those in the
    producing state, and outside planned stops.  good: jobs with a good result.  additional: messages that only report
    a job.  results: finished jobs by result.  states: the samples by status; `categories`: by whether the machine
    is producing, stopped, or in a planned stop.  repeated_messages: messages received again.  repeated_jobs: jobs
    reported again in another message.  jitter_ms: how far times may be off a multiple of the period.
    unseen_seconds: the time before the first message, where that reports a change of an unknown state.
    is_coarse: whether different messages may have the same time and content, so that repeated ones are not recognised.
    """

    def __init__(self, machine_id: str, timeline: Timeline, jitter_ms: float = 2.0, *, is_coarse: bool = False) -> None:
        self.machine_id, self.timeline, self.jitter_ms, self.is_coarse = machine_id, timeline, jitter_ms, is_coarse
        self.samples: defaultdict[str, int] = defaultdict(int)
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.results: defaultdict[str, int] = defaultdict(int)
        self.states, self.categories = SampledTime(), SampledTime()
        self.additional = self.repeated_messages = self.repeated_jobs = 0
        self.producing = self.planned = self.good = 0
        self.producing_seconds = self.planned_seconds = self.unseen_seconds = 0.0
        self.job_numbers = JobNumbers()
        self._presence, self._parameters, self._until_ms = (
            timeline.presences[0],
            timeline.presences[0].parameters[0],
            -math.inf,
        )
        self._index, self._samples = 0, dict[int, _Samples]()
        self._job_sums: dict[MachineParameters, JobSums] = {}
        self._time_ms, self._same_time = -1, list[MessageContent]()
        self._stay_samples = 0

    @property
    def messages(self) -> int:
        """Different messages."""
        return sum(self.samples.values()) - self._stay_samples + self.additional

    def unseen_share(self, known_seconds: float) -> float:
        """Return by how much the time in an unknown state can change a share of a known time.

        A share s of p seconds becomes (s p + x) / (p + y) with x seconds more of the y that are unknown: it changes by
        (x - s y) / (p + y), which is most where all of them are so, or none.
        """
        return self.unseen_seconds / (known_seconds + self.unseen_seconds) if known_seconds else 0.0

    @property
    def jobs(self) -> int:
        """Finished jobs."""
        return sum(self.results.values())

    @property
    def cycles(self) -> int:
        """How many cycle times are reported."""
        return sum(each.cycles for each in self._job_sums.values())

    @property
    def cycle_seconds(self) -> float:
        """The sum of the cycle times."""
        return math.fsum(each.cycle_seconds for each in self._job_sums.values())

    @property
    def shortest_seconds(self) -> float:
        """The shortest cycle time; infinity if none is reported."""
        return min((each.shortest_seconds for each in self._job_sums.values()), default=math.inf)

    @property
    def ideal_seconds(self) -> float:
        """The ideal time of the finished jobs: by the shortest cycle time, or by the nameplate if few are reported."""
        return math.fsum(each.ideal_seconds for each in self._job_sums.values())

    @property
    def longest_share(self) -> float:
        """The share of `ideal_seconds` that is the longest job's."""
        longest = max((each.longest_seconds for each in self._job_sums.values()), default=0.0)
        return longest / self.ideal_seconds if longest else 0.0

    @property
    def ideal_excess(self) -> float:
        """By what share `ideal_seconds` may be off: the shortest cycle time exceeds the ideal one, jobs end early."""
        if not self.jobs:
            return 0.0
        excess = math.fsum(each.excess for each in self._job_sums.values()) / self.jobs
        off = most_seconds_off(math.fsum(each.early_variance for each in self._job_sums.values()))
        off += math.fsum(each.early_bias for each in self._job_sums.values())
        return excess + (off / self.ideal_seconds if off else 0.0)

    @property
    def first_ms(self) -> float:
        """The time of the first regular message; infinity if there is none."""
        return min((each.first_ms for each in self._samples.values()), default=math.inf)

    @property
    def presences_seen(self) -> int:
        """How many presences of the machine have regular messages, at least 1."""
        return max(1, len(self._samples))

    def missing_messages(self, since_ms: float, until_ms: float) -> int:
        """Return how many regular messages of a span are missing."""
        return sum(
            self._missing(index, presence, since_ms, until_ms) for index, presence in enumerate(self.timeline.presences)
        )

    @property
    def surplus_messages(self) -> int:
        """Regular messages beyond one per period; each change to a longer period allows one more, for a waiting job."""
        presences = [(self.timeline.presences[index], samples) for index, samples in self._samples.items()]
        return sum(
            max(0, self._missing_and_surplus(presence, samples)[1] - presence.longer_periods)
            for presence, samples in presences
        )

    def add(self, time_ms: int, content: MessageContent) -> bool:
        """Count a message, in order of time, and return whether it is new."""
        if time_ms == self._time_ms:
            if content in self._same_time and not self.is_coarse:
                self.repeated_messages += 1
                return False
            self._same_time.append(content)
        else:
            self._time_ms, self._same_time = time_ms, [content]
        if time_ms > self._until_ms:
            self._move_to(time_ms)
        if self.is_additional(content):
            self.additional += 1
        else:
            self._count_sample(time_ms, content.status)
        if content.result is not None:
            self._count_job(time_ms, content)
        return True

    def is_additional(self, content: MessageContent) -> bool:
        """Return whether the message counted last represents no time."""
        return self._parameters.is_additional(content)

    def _move_to(self, time_ms: float) -> None:
        self._presence = self.timeline.presence(time_ms) or self._presence
        self._index = self.timeline.presences.index(self._presence)
        self._parameters = self._presence.at(time_ms)
        self._until_ms = self._parameters.until_ms

    def _count_sample(self, time_ms: int, status: str) -> None:
        """Count a period in a status."""
        seconds = self._parameters.period_ms / 1000
        self._count_time(status, 1, seconds)
        self.states.add(status, seconds, self._index)
        self.categories.add(self._category(status), seconds, self._index)
        samples = self._samples.get(self._index)
        if samples is None:
            samples = self._samples[self._index] = _Samples(time_ms)
        else:
            periods = round((time_ms - samples.last_ms) * 0.001 / seconds)
            if periods != 1:
                periods = round(self._presence.periods(samples.last_ms, time_ms))
                samples.gaps += max(0, periods - 1)
                samples.surplus += periods == 0
        samples.count += 1
        samples.last_ms = time_ms

    def add_stay(self, status: str, from_ms: float, to_ms: float) -> None:
        """Count a stay whose ends are reported: as if the state were sampled each millisecond."""
        if to_ms > from_ms:
            if to_ms > self._until_ms:
                self._move_to(to_ms)
            self._stay_samples += round(to_ms - from_ms)
            self._count_time(status, round(to_ms - from_ms), (to_ms - from_ms) / 1000)
            self.states.add_stay(status)
            self.categories.add_stay(self._category(status))

    def _count_time(self, status: str, samples: int, seconds: float) -> None:
        producing = self._parameters.producing
        self.samples[status] += samples
        self.seconds[status] += seconds
        if status == producing:
            self.producing += samples
            self.producing_seconds += seconds
        if status not in self._parameters.planned_stops:
            self.planned += samples
            self.planned_seconds += seconds

    def _category(self, status: str) -> str:
        if status in self._parameters.planned_stops:
            return "planned stop"
        return "producing" if status == self._parameters.producing else "stopped"

    def _count_job(self, time_ms: int, content: MessageContent) -> None:
        """Count a finished job once; one whose id has no number always counts."""
        sums = self._sums_at(time_ms)
        number = _number_of(content.job)
        quickest_ms = min(sums.shortest_seconds * 1000, self._parameters.period_ms)
        if number is not None and not self.job_numbers.add(number, time_ms, quickest_ms):
            self.repeated_jobs += 1
            return
        self.results[str(content.result)] += 1
        self.good += content.result in self._parameters.good
        sums.add(content.kind, content.result, content.cycle)

    def _sums_at(self, time_ms: int) -> JobSums:
        """Return where a job is added. One at a time whose states are unknown is no part of what was then produced."""
        if not self.timeline.presence(time_ms, self.jitter_ms):
            return JobSums(self._parameters, first=True)
        sums = self._job_sums.get(self._parameters)
        if sums is None:
            sums = self._job_sums[self._parameters] = JobSums(self._parameters, first=not self._job_sums)
        return sums

    def _missing(self, index: int, presence: Presence, since_ms: float, until_ms: float) -> int:
        begins_ms, ends_ms = max(presence.since_ms, since_ms), min(presence.until_ms, until_ms)
        samples = self._samples.get(index)
        if samples is None:
            return max(0, int(presence.periods(begins_ms, ends_ms)))
        ends = (begins_ms, samples.first_ms), (samples.last_ms, ends_ms)
        spare = (self.jitter_ms + 1) / presence.at(begins_ms).period_ms
        outside = sum(max(0, math.ceil(presence.periods(*end) - spare) - 1) for end in ends)
        return outside + max(0, self._missing_and_surplus(presence, samples)[0] - presence.additional_starts)

    def _missing_and_surplus(self, presence: Presence, samples: _Samples) -> tuple[int, int]:
        """Return missing and surplus messages. If times are irregular, only their difference is known."""
        if self.jitter_ms <= self._parameters.period_ms / 8:
            return samples.gaps, samples.surplus
        missing = round(presence.periods(samples.first_ms, samples.last_ms)) + 1 - samples.count
        spare = math.ceil(self.jitter_ms / self._parameters.period_ms) if self.is_coarse else 0
        return missing - spare, -missing - spare


def jitter(times: Iterable[int], timeline: Timeline) -> float:
    """Return how far times, in milliseconds, are off multiples of the period, without the farthest twentieth.

    Times with any constant period are exact, even if it is a wrong one. Gaps across a change of parameters, or across
    an absence, do not count.
    """
    gaps = [(before, after - before) for before, after in pairwise(sorted({*times}))]
    if not gaps:
        return EXACT_MS
    own_ms = median_low(gap for _, gap in gaps)
    ends = [(gap, timeline.at(at), timeline.at(at + gap)) for at, gap in gaps]
    within = [
        (gap, parameters.period_ms) for gap, parameters, until in ends if parameters is not None and parameters is until
    ]
    by_own, by_terms = _deviation([(gap, own_ms) for gap, _ in within]), _deviation(within)
    return EXACT_MS if by_own <= EXACT_MS else 1.0 + by_terms


def _deviation(gaps: Sequence[tuple[int, float]]) -> float:
    """Return how far gaps are off whole multiples of their periods, without the farthest twentieth."""
    off = sorted(abs(gap - round(gap / period_ms) * period_ms) for gap, period_ms in gaps)
    return off[int(_JITTER_SHARE * (len(off) - 1))] if off else 0.0


def _number_of(identity: str | None) -> int | None:
    """Return the number at the end of a job id, by its last ten digits; None if there is none."""
    tail = identity.rpartition("-")[2][-10:] if identity else ""
    return int(tail) if tail.isdecimal() else None
