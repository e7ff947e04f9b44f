"""Jobs: what a machine works on; everything of a job is drawn when it starts.

A job takes its cycle of producing time, drawn evenly from the range in the YAML and lengthened by the losses of the
type, if it has any. A job in progress at a random moment is more often a long one, in proportion to its length.
All times are milliseconds of plant time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import ceil
from typing import Final, NamedTuple

from plant.definition.machine_types.machine_type import JobType, LossesType
from plant.machines.speed_losses import Losses
from plant.random_stream import WORD_TO_UNIT, RandomStream, WeightedChoice, between_by_size

NULL: Final = b"null"
NONE: Final = b"0"
MS_PER_JOB_NUMBER: Final = 100
"""Job numbers start at the tenths of a second since 1970. No job is shorter, so a later run does not reuse numbers."""
_ENDLESS_MS: Final = 2**61
_TENTHS: Final = tuple(b"%d.%d" % divmod(tenths, 10) for tenths in range(2000))
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode


class JobKind(NamedTuple):
    """A kind of job. id_head: the JSON text of its ids up to the machine's number."""

    name: str
    json: bytes
    id_head: bytes


class Result(NamedTuple):
    """A way for a job to end, with the fewest and most issues it may have."""

    name: str
    json: bytes
    fewest: int
    most: int

    def issues(self, uniform: float) -> int:
        """Return the number of issues for a uniform number in [0, 1)."""
        return self.fewest + int(uniform * (self.most - self.fewest + 1))


class Job(NamedTuple):
    """A job, with the values that its messages report already encoded as JSON.

    cycle_ms: producing time that it takes.  ideal_ms: the shortest that a job of this type takes.
    consumed_json: the ids of the pieces that went into it, where pieces flow.
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


class JobFate(NamedTuple):
    """What becomes of a job in work at a stop: it ends with the result; without one it starts again."""

    result: Result | None


class JobInfluence(NamedTuple):
    """What makes a job differ from what its type has: factors of its cycle, and of the weights of results."""

    cycle: float
    results: Mapping[str, float]


def combined(one: JobInfluence, other: JobInfluence) -> JobInfluence:
    """Return what two influences make of a job together: the product of their factors."""
    names = dict.fromkeys((*one.results, *other.results))
    results = {name: one.results.get(name, 1.0) * other.results.get(name, 1.0) for name in names}
    return JobInfluence(one.cycle * other.cycle, results)


NO_JOB: Final = Job(0, JobKind("", NULL, NULL), Result("", NULL, 0, 0), 0, 0, 0, NULL, NULL, NONE)
"""Stands for the finished job where there is none to report."""


class Jobs:
    """The jobs of one machine type, to draw from. shortest_ms, longest_ms: bounds of a cycle without losses."""

    __slots__ = (
        "_kinds", "_losses", "_results", "_span_ms", "_type", "_weights", "fates", "ideal_ms", "longest_ms",
        "shortest_ms",
    )  # fmt: skip

    def __init__(self, job_type: JobType, losses: LossesType, seconds: tuple[float, float]) -> None:
        self._type = job_type
        self.shortest_ms, self.longest_ms = map(milliseconds, seconds)
        self._span_ms = self.longest_ms - self.shortest_ms
        self.ideal_ms = ceil(self.shortest_ms)
        self._losses = Losses(losses) if losses.exist else None
        # YAML mappings have no order: sorted, so that another order in the file changes no draw.
        self._kinds = WeightedChoice((self._kind(name), weight) for name, weight in job_type.kinds.items())
        self._weights = [(self._result(name), weight) for name, weight in sorted(job_type.results.items())]
        self._results = WeightedChoice(self._weights)
        self.fates = {
            state: JobFate(None if result is None else self._result(result))
            for state, result in job_type.on_stop.items()
        }

    def draw(
        self, stream: RandomStream, machine: int, number: int, started_ms: int, influence: JobInfluence | None = None
    ) -> Job:
        """Return a machine's job of that number; one hash decides everything of it."""
        words = kind_at, cycle_at, result_at, issues_at, _, _, _, _ = stream.words(b"job", number)
        plain_ms = self.shortest_ms + cycle_at * WORD_TO_UNIT * self._span_ms
        results = self._results
        if influence is not None:
            plain_ms, results = plain_ms * influence.cycle, self._weighted(influence.results)
        cycle_ms = self._losses.cycle_ms(plain_ms, words, stream, number) if self._losses else ceil(plain_ms)
        kind, result = self._kinds.pick(kind_at * WORD_TO_UNIT), results.pick(result_at * WORD_TO_UNIT)
        # The machine, then ten digits of the number: one integer formats in four fifths of the time of two padded ones.
        id_json = b'%b%d"' % (kind.id_head, machine * 10**10 + number % 10**10)
        cycle_json = _seconds_json(cycle_ms)
        issues_json = b"%d" % result.issues(issues_at * WORD_TO_UNIT) if result.most else NONE
        fields = number, kind, result, started_ms, cycle_ms, self.ideal_ms, id_json, cycle_json, issues_json, NULL
        return tuple.__new__(Job, fields)  # a third of the time that Job(...) takes

    def draw_in_progress(self, stream: RandomStream, machine: int, number: int, cycle_at: float) -> Job:
        """Return a job that is in progress at a random moment of producing. The caller sets when it started."""
        plain_ms = between_by_size(self.shortest_ms, self.longest_ms, cycle_at)
        if self._losses:
            cycle_ms = self._losses.cycle_in_progress_ms(plain_ms, stream.words(b"job", number), stream, number)
        else:
            cycle_ms = ceil(plain_ms)
        cycle_json = _seconds_json(cycle_ms)
        return self.draw(stream, machine, number, 0)._replace(cycle_ms=cycle_ms, cycle_json=cycle_json)

    def _weighted(self, factors: Mapping[str, float]) -> WeightedChoice[Result]:
        """Return the choice of results with other weights; the usual one if none is left."""
        weights = [(result, weight * factors.get(result.name, 1.0)) for result, weight in self._weights]
        return WeightedChoice(weights) if factors and any(weight for _, weight in weights) else self._results

    def _kind(self, name: str) -> JobKind:
        id_head = json_text(self._type.id_head(name))[:-1]
        return JobKind(name, json_text(name), id_head + self._type.type_code.encode())

    def _result(self, name: str) -> Result:
        fewest, most = self._type.issues.get(name, (0, 0))
        return Result(name, json_text(name), fewest, most)


class NoJobs:
    """The jobs of a type that makes nothing: one that never ends, without an id."""

    __slots__ = ("fates", "ideal_ms")

    def __init__(self) -> None:
        self.ideal_ms = 0
        self.fates: Mapping[str, JobFate] = {}

    def draw(
        self,
        _stream: RandomStream,
        _machine: int,
        number: int,
        started_ms: int,
        _influence: JobInfluence | None = None,
    ) -> Job:
        """Return a job that never ends."""
        return NO_JOB._replace(number=number, started_ms=started_ms, cycle_ms=_ENDLESS_MS)

    def draw_in_progress(self, stream: RandomStream, machine: int, number: int, _cycle_at: float) -> Job:
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
