"""Jobs: what a machine works on, drawn whole when it begins.

A job takes its cycle of producing time: drawn evenly from the range in the YAML, and lengthened by losses, if the type
has any. A job met at a random moment of producing is more often a long one, in proportion to its length.
All times are milliseconds of plant time.
"""

from __future__ import annotations

import json
from math import ceil
from typing import Final, NamedTuple

from plant.definition.machine_config import MachineSpec
from plant.definition.machine_type import MachineType
from plant.machines.speed_losses import Losses
from plant.random_stream import WORD_TO_UNIT, RandomStream, WeightedChoice, between_by_size

NULL: Final = b"null"
NONE: Final = b"0"
MS_A_JOB_NUMBER: Final = 100
"""Job numbers start at the tenths of a second since 1970. No job is shorter, so no later run meets them again."""
_TENTHS: Final = tuple(b"%d.%d" % divmod(tenths, 10) for tenths in range(2000))
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode


class JobKind(NamedTuple):
    """A kind of job; `id_head` is the JSON text of its ids up to the machine's number."""

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
        """How many issues a uniform number in [0, 1) stands for."""
        return self.fewest + int(uniform * (self.most - self.fewest + 1))


class Job(NamedTuple):
    """A job with all that will be said of it. `cycle_ms` counts producing time alone; `ideal_ms` is the least of it.

    `consumed_json` lists what went into it, where pieces flow.
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


NO_JOB: Final = Job(0, JobKind("", NULL, NULL), Result("", NULL, 0, 0), 0, 0, 0, NULL, NULL, NONE)
"""What a row says of a finished job when there is none."""


class Jobs:
    """Draws the jobs of the machines of one type. `shortest_ms` and `longest_ms` bound a cycle without losses."""

    __slots__ = (
        "_declared", "_kinds", "_losses", "_results", "_span_ms", "_spec", "ideal_ms", "longest_ms",
        "shortest_ms",
    )  # fmt: skip

    def __init__(self, declared: MachineType, spec: MachineSpec, seconds: tuple[float, float]) -> None:
        self._declared, self._spec = declared, spec
        self.shortest_ms, self.longest_ms = map(milliseconds, seconds)
        self._span_ms = self.longest_ms - self.shortest_ms
        self.ideal_ms = ceil(self.shortest_ms)
        self._losses = Losses(spec) if spec.has_losses else None
        # Mappings have no order in YAML: sorted, so that writing them in another one changes no draw.
        self._kinds = WeightedChoice((self._kind(name), 1) for name in spec.job_kinds)
        self._results = WeightedChoice((self._result(name), weight) for name, weight in sorted(spec.results.items()))

    def draw(self, stream: RandomStream, machine: int, number: int, started_ms: int) -> Job:
        """A machine's job of that number: its whole future in one hash."""
        words = kind_at, cycle_at, result_at, issues_at, _, _, _, _ = stream.words(b"job", number)
        plain_ms = self.shortest_ms + cycle_at * WORD_TO_UNIT * self._span_ms
        cycle_ms = self._losses.cycle_ms(plain_ms, words, stream, number) if self._losses else ceil(plain_ms)
        kind, result = self._kinds.pick(kind_at * WORD_TO_UNIT), self._results.pick(result_at * WORD_TO_UNIT)
        # The machine, then ten digits of the number: as one number that takes a fifth less time than two with padding.
        id_json = b'%b%d"' % (kind.id_head, machine * 10**10 + number % 10**10)
        cycle_json = _seconds_json(cycle_ms)
        issues_json = b"%d" % result.issues(issues_at * WORD_TO_UNIT) if result.most else NONE
        fields = number, kind, result, started_ms, cycle_ms, self.ideal_ms, id_json, cycle_json, issues_json, NULL
        return tuple.__new__(Job, fields)  # a third of the time that Job(...) takes

    def under_way(self, stream: RandomStream, machine: int, number: int, cycle_at: float) -> Job:
        """A job met at a random moment of producing; it has still to be said when it started."""
        plain_ms = between_by_size(self.shortest_ms, self.longest_ms, cycle_at)
        if self._losses:
            cycle_ms = self._losses.cycle_under_way_ms(plain_ms, stream.words(b"job", number), stream, number)
        else:
            cycle_ms = ceil(plain_ms)
        cycle_json = _seconds_json(cycle_ms)
        return self.draw(stream, machine, number, 0)._replace(cycle_ms=cycle_ms, cycle_json=cycle_json)

    def _kind(self, name: str) -> JobKind:
        id_head = json_text(self._declared.id_head(name))[:-1]
        return JobKind(name, json_text(name), id_head + self._declared.type_code.encode())

    def _result(self, name: str) -> Result:
        fewest, most = getattr(self._spec, "issues_range", (0, 0)) if name == self._declared.defective else (0, 0)
        return Result(name, json_text(name), fewest, most)


def json_text(text: str) -> bytes:
    """A text as JSON in UTF-8."""
    return _encode(text).encode()


def _seconds_json(ms: int) -> bytes:
    """Seconds with one decimal; the usual ones are the same object each time."""
    tenths = (ms + 50) // 100
    return _TENTHS[tenths] if tenths < len(_TENTHS) else b"%d.%d" % divmod(tenths, 10)


def milliseconds(seconds: float) -> float:
    """Without the noise of binary fractions, so that 4.1 s is 4,100 ms and not a hair more."""
    return round(seconds * 1000, 6)
