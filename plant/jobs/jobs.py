"""Jobs: what a machine works on; everything of a job is drawn when it starts.

A job takes its cycle of producing time, drawn evenly from the range in the YAML and lengthened by the losses of the
type, if it has any. A job in progress at a random moment is more often a long one, in proportion to its length.
All times are milliseconds of plant time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Final, NamedTuple

from orjson import loads

from plant.definition.jobs.job_type import JobType, LossesType
from plant.definition.jobs.variation import KindType
from plant.jobs.speed_losses import Losses
from plant.random_stream import WORD_TO_UNIT, RandomStream, WeightedChoice, between_by_size
from plant.truth.events import FinishedJob

NULL: Final = b"null"
NONE: Final = b"0"
MS_PER_JOB_NUMBER: Final = 100
"""Job numbers start at the tenths of a second since 1970. No job is shorter, so a later run does not reuse numbers."""
_ENDLESS_MS: Final = 2**61
_LONG_AGO: Final = 2**31
_TENTHS: Final = tuple(b"%d.%d" % divmod(tenths, 10) for tenths in range(2000))
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode


class Result(NamedTuple):
    """A way for a job to end, with the fewest and most issues it may have."""

    name: str
    json: bytes
    fewest: int
    most: int

    def issues(self, uniform: float) -> int:
        """Return the number of issues for a uniform number in [0, 1)."""
        return self.fewest + int(uniform * (self.most - self.fewest + 1))


_NO_RESULT: Final = Result("", NULL, 0, 0)


class JobKind(NamedTuple):
    """A kind of job, with what its jobs are drawn from. id_head: the JSON text of its ids up to the machine's number.

    shortest_ms, longest_ms: of a cycle without losses, `span_ms` apart.  ideal_ms: the shortest in whole milliseconds.
    weights, results: each result with its weight, and the choice among them.
    """

    name: str
    json: bytes
    id_head: bytes
    shortest_ms: float = 0.0
    longest_ms: float = 0.0
    span_ms: float = 0.0
    ideal_ms: int = 0
    weights: Sequence[tuple[Result, float]] = ()
    results: WeightedChoice[Result] = WeightedChoice([(_NO_RESULT, 1.0)])


class Series(NamedTuple):
    """What a job follows: where it stands in its order and its lot, and after a stop.

    id_json, size_json, position_json: what messages report of the lot.  operator_json: who works at it.
    order_json: what they report of the order.  order: number of the order's first job.
    more_lots: those of the order that follow this one.  lot: number of the lot's first job.
    size: its jobs, 0 without lots.  position: of this one, counted from 1.
    kind: of the lot.  setup_ms: the changeover before this job.  wait_ms: the waiting before it.
    after_stop: which job it is after the last long stop, counted from 1.
    """

    id_json: bytes = NULL
    size_json: bytes = NULL
    position_json: bytes = NULL
    lot: int = 0
    size: int = 0
    position: int = 0
    kind: str = ""
    setup_ms: int = 0
    after_stop: int = _LONG_AGO
    operator_json: bytes = NULL
    order_json: bytes = NULL
    order: int = 0
    more_lots: int = 0
    wait_ms: int = 0


NO_SERIES: Final = Series()
"""That of jobs which are drawn whatever was before."""


class Wanted(NamedTuple):
    """What is certain of a job before it is drawn. kind: its name, if any.  series: where its piece is in a lot."""

    kind: str = ""
    series: Series | None = None


ANY_JOB: Final = Wanted()


class Job(NamedTuple):
    """A job, with the values that its messages report already encoded as JSON.

    cycle_ms: producing time that it takes.  ideal_ms: the shortest that a job of its kind takes.
    consumed_json: the ids of the pieces that went into it, where pieces flow.  series: what it follows.
    causes: the faults that change it.
    """

    number: int
    kind: JobKind
    result: Result
    started_ms: int
    cycle_ms: int
    ideal_ms: int
    id_json: bytes
    cycle_json: bytes
    issues_json: bytes
    consumed_json: bytes = NULL
    series: Series = NO_SERIES
    causes: tuple[str, ...] = ()


class JobFate(NamedTuple):
    """What becomes of a job in work at a stop: it ends with the result; without one it starts again."""

    result: Result | None


class JobInfluence(NamedTuple):
    """What makes a job differ from what its type has: factors of its cycle, and of the weights of results.

    causes: the faults that it is from.
    """

    cycle: float
    results: Mapping[str, float]
    causes: tuple[str, ...] = ()


def combined(one: JobInfluence, other: JobInfluence) -> JobInfluence:
    """Return what two influences make of a job together: the product of their factors."""
    names = dict.fromkeys((*one.results, *other.results))
    results = {name: one.results.get(name, 1.0) * other.results.get(name, 1.0) for name in names}
    return JobInfluence(one.cycle * other.cycle, results, (*one.causes, *other.causes))


NO_JOB: Final = Job(0, JobKind("", NULL, NULL), _NO_RESULT, 0, 0, 0, NULL, NULL, NONE)
"""Stands for the finished job where there is none to report."""


class Jobs:
    """The jobs of one machine type, to draw from. kinds: by name.  ideal_ms: the shortest of any kind.

    fates: of a job in work, by state that the machine enters.
    period_seconds: between two messages, of which a job may take a share.
    """

    __slots__ = ("_in_progress", "_kinds", "_losses", "_type", "fates", "ideal_ms", "kinds")

    def __init__(self, job_type: JobType, losses: LossesType, period_seconds: float) -> None:
        self._type = job_type
        self._losses = Losses(losses) if losses.exist else None
        # YAML mappings have no order: sorted, so that another order in the file changes no draw.
        weights = [(self._result(name), weight) for name, weight in sorted(job_type.results.items())]
        usual = JobKind("", NULL, NULL, weights=weights, results=WeightedChoice(weights))
        self.kinds = {
            name: self._kind(name, job_type.seconds_of(name, period_seconds), usual) for name in job_type.kinds
        }
        weighted = [(self.kinds[name], weight) for name, weight in job_type.kinds.items()]
        self._kinds = WeightedChoice(weighted)
        self.ideal_ms = min(kind.ideal_ms for kind, weight in weighted if weight)
        # A kind with longer cycles is more often the one in progress.
        by_time = ((kind, weight * (kind.shortest_ms + kind.longest_ms)) for kind, weight in weighted)
        self._in_progress = WeightedChoice(by_time) if job_type.has_own_cycles else self._kinds
        fates = job_type.on_stop.items()
        self.fates = {state: JobFate(None if result is None else self._result(result)) for state, result in fates}

    def draw(
        self,
        stream: RandomStream,
        machine: int,
        number: int,
        started_ms: int,
        influence: JobInfluence | None = None,
        kind: JobKind | None = None,
    ) -> Job:
        """Return a machine's job of that number; one hash decides everything of it. kind: None to draw it, too."""
        words = kind_at, cycle_at, result_at, issues_at, _, _, _, _ = stream.words(b"job", number)
        if kind is None:
            kind = self._kinds.pick(kind_at * WORD_TO_UNIT)
        _, _, id_head, shortest_ms, _, span_ms, ideal_ms, _, results = kind
        plain_ms = shortest_ms + cycle_at * WORD_TO_UNIT * span_ms
        causes: tuple[str, ...] = ()
        if influence is not None:
            # No cycle is shorter than the ideal one, by which performance is measured.
            plain_ms = max(plain_ms * influence.cycle, shortest_ms)
            results, causes = weighted_results(kind, influence.results), influence.causes
        cycle_ms = self._losses.cycle_ms(plain_ms, words, stream, number) if self._losses else ceil(plain_ms)
        result = results.pick(result_at * WORD_TO_UNIT)
        # The machine, then ten digits of the number: one integer formats in four fifths of the time of two padded ones.
        id_json = b'%b%d"' % (id_head, machine * 10**10 + number % 10**10)
        cycle_json = _seconds_json(cycle_ms)
        issues_json = b"%d" % result.issues(issues_at * WORD_TO_UNIT) if result.most else NONE
        fields = (
            number, kind, result, started_ms, cycle_ms, ideal_ms,
            id_json, cycle_json, issues_json, NULL, NO_SERIES, causes,
        )  # fmt: skip
        return tuple.__new__(Job, fields)  # a third of the time that Job(...) takes

    def draw_in_progress(
        self, stream: RandomStream, machine: int, number: int, cycle_at: float, kind: JobKind | None = None
    ) -> Job:
        """Return a job that is in progress at a random moment of producing. The caller sets when it started."""
        words = stream.words(b"job", number)
        kind = kind or self._in_progress.pick(words[0] * WORD_TO_UNIT)
        plain_ms = between_by_size(kind.shortest_ms, kind.longest_ms, cycle_at)
        if self._losses:
            cycle_ms = self._losses.cycle_in_progress_ms(plain_ms, words, stream, number)
        else:
            cycle_ms = ceil(plain_ms)
        cycle_json = _seconds_json(cycle_ms)
        return self.draw(stream, machine, number, 0, kind=kind)._replace(cycle_ms=cycle_ms, cycle_json=cycle_json)

    @property
    def ideal_cycles(self) -> dict[str, float]:
        """The shortest cycle of each kind, in seconds."""
        return {name: kind.ideal_ms / 1000 for name, kind in self.kinds.items()}

    def pick_kind(self, uniform: float, *, in_progress: bool = False) -> JobKind:
        """Return the kind for a uniform number in [0, 1). in_progress: of a job in progress at a random moment."""
        return (self._in_progress if in_progress else self._kinds).pick(uniform)

    def _kind(self, name: str, seconds: tuple[float, float], usual: JobKind) -> JobKind:
        id_head = json_text(self._type.id_head(name))[:-1] + self._type.type_code.encode()
        shortest_ms, longest_ms = map(milliseconds, seconds)
        cycle = shortest_ms, longest_ms, longest_ms - shortest_ms, ceil(shortest_ms)
        own = self._type.kind_types.get(name, KindType()).results
        weights = [(result, weight * own.get(result.name, 1.0)) for result, weight in usual.weights]
        return JobKind(name, json_text(name), id_head, *cycle, weights, weighted_results(usual, own))

    def _result(self, name: str) -> Result:
        fewest, most = self._type.issues.get(name, (0, 0))
        return Result(name, json_text(name), fewest, most)


class NoJobs:
    """The jobs of a type that makes nothing: one that never ends, without an id."""

    __slots__ = ("fates", "ideal_cycles", "ideal_ms", "kinds")

    def __init__(self) -> None:
        self.ideal_ms = 0
        self.kinds: Mapping[str, JobKind] = {}
        self.ideal_cycles: Mapping[str, float] = {}
        self.fates: Mapping[str, JobFate] = {}

    def draw(
        self,
        _stream: RandomStream,
        _machine: int,
        number: int,
        started_ms: int,
        _influence: JobInfluence | None = None,
        _kind: JobKind | None = None,
    ) -> Job:
        """Return a job that never ends."""
        return NO_JOB._replace(number=number, started_ms=started_ms, cycle_ms=_ENDLESS_MS)

    def draw_in_progress(
        self, stream: RandomStream, machine: int, number: int, _cycle_at: float, _kind: JobKind | None = None
    ) -> Job:
        """Return the same."""
        return self.draw(stream, machine, number, 0)


def ended_early(job: Job, result: Result, done_ms: int, uniform: float) -> Job:
    """Return a job that has ended after some of its producing time, with the ideal time of what was done."""
    return job._replace(
        result=result,
        cycle_ms=done_ms,
        ideal_ms=done_ms * job.ideal_ms // job.cycle_ms,
        cycle_json=_seconds_json(done_ms),
        issues_json=b"%d" % result.issues(uniform) if result.most else NONE,
    )


def finished_job(machine_id: str, job: Job, now_ms: int, reason: str | None) -> FinishedJob:
    """Return a job that a machine has finished now, as the ground truth has it. reason: of its result."""
    series = job.series
    job_id, issues, consumed, lot, order = map(
        loads, (job.id_json, job.issues_json, job.consumed_json, series.id_json, series.order_json)
    )
    times = job.started_ms, now_ms, job.cycle_ms, job.ideal_ms
    result = job.result.name
    return FinishedJob(
        machine_id, job_id, job.kind.name, *times, result, issues, consumed, lot, order, job.causes, reason
    )


def weighted_results(kind: JobKind, factors: Mapping[str, float]) -> WeightedChoice[Result]:
    """Return the choice of a kind's results with other weights; the usual one if none is left."""
    weights = [(result, weight * factors.get(result.name, 1.0)) for result, weight in kind.weights]
    return WeightedChoice(weights) if factors and any(weight for _, weight in weights) else kind.results


def json_text(text: str) -> bytes:
    """Return a text as JSON in UTF-8."""
    return _encode(text).encode()


def _seconds_json(ms: int) -> bytes:
    """Return seconds with one decimal; usual values are the same object each time."""
    tenths = (ms + 50) // 100
    return _TENTHS[tenths] if tenths < len(_TENTHS) else b"%d.%d" % divmod(tenths, 10)


def milliseconds(seconds: float) -> float:
    """Return seconds in milliseconds without the error of binary fractions: 4.1 s is exactly 4,100 ms."""
    return round(seconds * 1000, 6)
