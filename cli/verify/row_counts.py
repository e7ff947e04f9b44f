"""One machine's rows, counted as a consumer counts them: time by status, finished jobs by result, what is missing.

Each regular row stands for one period in the status that it names, by the period in force at its time; an extra row for
a finished job stands for no time. Period and ideal cycle are what a consumer would look up on the nameplate.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median_low
from typing import Final

from cli.verify.input.rows import Facts
from cli.verify.input.timeline import Lifetime, Terms, Timeline
from cli.verify.job_numbers import JobNumbers
from plant.telemetry import PLANNED_STOP

FEW_CYCLES: Final = 8
"""Of so few cycle times the shortest says little of the ideal one."""

_CARRIED_OVER: Final = 2
_EXACT_MS: Final = 2.0
_STEADY_SHARE: Final = 0.95


class _Worked:
    """Jobs that were reported under the same terms: how many, and their cycle times, if they are said.

    Of those after other terms the first were begun before, so their times are left out.
    """

    __slots__ = ("cycle_seconds", "cycles", "jobs", "shortest_seconds", "skipped")

    def __init__(self, *, first: bool) -> None:
        self.jobs = self.cycles = 0
        self.cycle_seconds, self.shortest_seconds = 0.0, math.inf
        self.skipped = 0 if first else _CARRIED_OVER


class _Beats:
    """Regular rows of one life: how many, and the first and the last."""

    __slots__ = ("first_ms", "gaps", "last_ms", "rows", "surplus")

    def __init__(self, time_ms: int) -> None:
        self.first_ms = self.last_ms = time_ms
        self.rows = self.gaps = self.surplus = 0


class MachineRows:
    """One machine's rows, counted. A row that comes again counts once.

    beats: rows that stand for a period each, by status; `seconds` what they stand for.  extra: rows for finished jobs.
    results: finished jobs by result.  cycles, cycle_seconds, shortest_seconds: how many cycle times there are, their
    sum and the least.  switches: how often beats went between producing, stopped, and stopped by plan; `changes`: or
    between any two statuses.  repeated_rows: rows that came before.  repeated_jobs: jobs reported again in another row.
    steady_ms: how far times may be off the beat.
    """

    def __init__(self, machine_id: str, timeline: Timeline, steady_ms: float = 2.0) -> None:
        self.machine_id, self.timeline, self.steady_ms = machine_id, timeline, steady_ms
        self.beats: defaultdict[str, int] = defaultdict(int)
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.results: defaultdict[str, int] = defaultdict(int)
        self.extra = self.switches = self.changes = self.repeated_rows = self.repeated_jobs = 0
        self.producing_seconds = 0.0
        self.numbers = JobNumbers()
        self._life, self._terms, self._until_ms = timeline.lives[0], timeline.lives[0].terms[0], -math.inf
        self._place, self._lives = 0, dict[int, _Beats]()
        self._worked: dict[Terms, _Worked] = {}
        self._time_ms, self._same = -1, list[Facts]()
        self._status = ""

    @property
    def rows(self) -> int:
        """Different rows."""
        return sum(self.beats.values()) + self.extra

    @property
    def producing(self) -> int:
        """Beats in the producing state."""
        return self.beats.get(self._terms.producing, 0)

    @property
    def planned(self) -> int:
        """Beats outside planned stops."""
        return sum(self.beats.values()) - self.beats.get(PLANNED_STOP, 0)

    @property
    def planned_seconds(self) -> float:
        """What they stand for."""
        return sum(self.seconds.values()) - self.seconds.get(PLANNED_STOP, 0.0)

    @property
    def jobs(self) -> int:
        """Finished jobs."""
        return sum(self.results.values())

    @property
    def good(self) -> int:
        """Finished jobs that are good, or pass."""
        return sum(self.results.get(result, 0) for result in self.timeline.last.good)

    @property
    def cycles(self) -> int:
        """How many cycle times there are."""
        return sum(each.cycles for each in self._worked.values())

    @property
    def cycle_seconds(self) -> float:
        """Their sum."""
        return math.fsum(each.cycle_seconds for each in self._worked.values())

    @property
    def shortest_seconds(self) -> float:
        """The least of them."""
        return min((each.shortest_seconds for each in self._worked.values()), default=math.inf)

    @property
    def ideal_seconds(self) -> float:
        """The least that the finished jobs could take: by the shortest cycle time; where few are said, by nameplate."""
        return math.fsum(each.jobs * self._ideal(terms) for terms, each in self._worked.items())

    @property
    def ideal_doubt(self) -> float:
        """By what share of itself that may be too much, as the shortest of some cycle times is too long."""
        doubts = (each.jobs * _doubt(each) for each in self._worked.values())
        return math.fsum(doubts) / self.jobs if self.jobs else 0.0

    @property
    def first_ms(self) -> float:
        """When the first regular row is; infinity where there is none."""
        return min((each.first_ms for each in self._lives.values()), default=math.inf)

    @property
    def stretches(self) -> int:
        """In how many of the times in which it is there it has regular rows; 1 where it has none."""
        return max(1, len(self._lives))

    def missing_rows(self, since_ms: float, until_ms: float) -> int:
        """Beats of a time that have no row, between the rows, before the first and after the last."""
        return sum(self._missing(place, life, since_ms, until_ms) for place, life in enumerate(self.timeline.lives))

    @property
    def surplus_rows(self) -> int:
        """Rows beyond one a period, and one whenever the period grew: a job that waited then has a row at once."""
        lives = [(self.timeline.lives[place], its) for place, its in self._lives.items()]
        return sum(max(0, self._balance(life, its)[1] - life.longer_periods) for life, its in lives)

    def add(self, time_ms: int, facts: Facts) -> bool:
        """Take a row in, after all that are older; say whether it is new."""
        if time_ms == self._time_ms:
            if facts in self._same:
                self.repeated_rows += 1
                return False
            self._same.append(facts)
        else:
            self._time_ms, self._same = time_ms, [facts]
        if time_ms > self._until_ms:
            self._go_to(time_ms)
        if self.is_extra(facts):
            self.extra += 1
        else:
            self._spend(time_ms, facts.status)
        if facts.result is not None:
            self._finish(time_ms, facts)
        return True

    def is_extra(self, facts: Facts) -> bool:
        """Whether the row just taken in stands for no time."""
        return self._terms.is_extra(facts)

    def _go_to(self, time_ms: int) -> None:
        self._life = self.timeline.life(time_ms) or self._life
        self._place = self.timeline.lives.index(self._life)
        self._terms = self._life.at(time_ms)
        self._until_ms = self._terms.until_ms

    def _spend(self, time_ms: int, status: str) -> None:
        """Count a period in a state."""
        seconds = self._terms.period_ms / 1000
        self.beats[status] += 1
        self.seconds[status] += seconds
        producing = self._terms.producing
        if status == producing:
            self.producing_seconds += seconds
        if status != self._status:
            self.changes += bool(self._status)
            self.switches += _sort_of(status, producing) != _sort_of(self._status or status, producing)
            self._status = status
        beats = self._lives.get(self._place)
        if beats is None:
            beats = self._lives[self._place] = _Beats(time_ms)
        else:
            laps = round((time_ms - beats.last_ms) * 0.001 / seconds)
            if laps != 1:
                laps = round(self._life.periods(beats.last_ms, time_ms))
                beats.gaps += max(0, laps - 1)
                beats.surplus += laps == 0
        beats.rows += 1
        beats.last_ms = time_ms

    def _finish(self, time_ms: int, facts: Facts) -> None:
        """Count a finished job, once. One without a number always counts."""
        worked = self._worked.get(self._terms)
        if worked is None:
            worked = self._worked[self._terms] = _Worked(first=not self._worked)
        number = _ending(facts.job)
        quickest_ms = min(worked.shortest_seconds * 1000, self._terms.period_ms)
        if number is not None and not self.numbers.take(number, time_ms, quickest_ms):
            self.repeated_jobs += 1
            return
        self.results[str(facts.result)] += 1
        worked.jobs += 1
        if worked.skipped:
            worked.skipped -= 1
        elif facts.cycle is not None:
            worked.cycles += 1
            worked.cycle_seconds += facts.cycle
            worked.shortest_seconds = min(facts.cycle, worked.shortest_seconds)

    def _ideal(self, terms: Terms) -> float:
        worked = self._worked[terms]
        return worked.shortest_seconds if worked.cycles >= FEW_CYCLES else terms.ideal_seconds

    def _missing(self, place: int, life: Lifetime, since_ms: float, until_ms: float) -> int:
        begins_ms, ends_ms = max(life.since_ms, since_ms), min(life.until_ms, until_ms)
        beats = self._lives.get(place)
        if beats is None:
            return max(0, int(life.periods(begins_ms, ends_ms)))
        ends = (begins_ms, beats.first_ms), (beats.last_ms, ends_ms)
        spare = (self.steady_ms + 1) / life.at(begins_ms).period_ms
        outside = sum(max(0, math.ceil(life.periods(*end) - spare) - 1) for end in ends)
        return outside + max(0, self._balance(life, beats)[0] - life.crowdings)

    def _balance(self, life: Lifetime, beats: _Beats) -> tuple[int, int]:
        """Beats without a row and rows without a beat. Where times are unsteady, which they are cannot be told."""
        if self.steady_ms <= self._terms.period_ms / 8:
            return beats.gaps, beats.surplus
        missing = round(life.periods(beats.first_ms, beats.last_ms)) + 1 - beats.rows
        return missing, -missing


def steadiness(times: Iterable[int], timeline: Timeline) -> float:
    """How far times in milliseconds may be off a regular beat, by all but the farthest of them.

    Times that keep to a beat of their own are exact, be it the one they should keep to or not. Where the machine's
    terms change, or it is gone for a while, the beat begins anew: what lies across that says nothing.
    """
    gaps = [(before, after - before) for before, after in pairwise(sorted({*times}))]
    if not gaps:
        return _EXACT_MS
    own_ms = median_low(gap for _, gap in gaps)
    ends = [(gap, timeline.at(at), timeline.at(at + gap)) for at, gap in gaps]
    within = [(gap, terms.period_ms) for gap, terms, until in ends if terms is not None and terms is until]
    by_own, by_terms = _most_off([(gap, own_ms) for gap, _ in within]), _most_off(within)
    return _EXACT_MS if by_own <= _EXACT_MS else 1.0 + by_terms


def _most_off(gaps: Sequence[tuple[int, float]]) -> float:
    """How far gaps are off whole multiples of their periods, but for the farthest twentieth."""
    off = sorted(abs(gap - round(gap / period_ms) * period_ms) for gap, period_ms in gaps)
    return off[int(_STEADY_SHARE * (len(off) - 1))] if off else 0.0


def _sort_of(status: str, producing: str) -> str:
    return status if status in (producing, PLANNED_STOP) else "stopped"


def _doubt(worked: _Worked) -> float:
    if worked.cycles < FEW_CYCLES:
        return 0.0
    shortest = worked.shortest_seconds
    excess = 7 * 2 * (worked.cycle_seconds / worked.cycles - shortest) / worked.cycles
    return (excess + 0.05) / max(shortest, 0.05)


def _ending(identity: str | None) -> int | None:
    """The number that a job id ends with, by its last ten digits; None where it ends with none."""
    tail = identity.rpartition("-")[2][-10:] if identity else ""
    return int(tail) if tail.isdecimal() else None
