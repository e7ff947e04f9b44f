"""Machines: states that come and go, jobs that take their time, and rows that say so.

A machine type is a declaration. With what the YAML says of it, it becomes one `Model` that all its machines share:
the weighted choices, and one row maker that serves every type. A machine itself keeps only where it stands, with
the parts of its next row already encoded.

States: the next state is drawn with weight share / dwell whatever the last one was, and a stay is exponential with
mean dwell. So a state holds its share of the time, and what is left of a stay is at any moment as long as a new one:
a machine that starts in a state drawn by share is in its long-run mix from the first instant.
Jobs: the next begins as one ends, and makes progress only in the producing state.
All times are whole milliseconds of plant time.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, sqrt
from operator import attrgetter
from typing import Final, NamedTuple

from plant.stream import Choice, Stream, exponential
from plant.structure import MachineSpec, Structure
from plant.telemetry import MachineView

NULL: Final = b"null"
NEVER: Final = 2**62
MS_A_JOB_NUMBER: Final = 100
"""Job numbers start at the tenths of a second since 1970. No job is shorter, so no later run meets them again."""
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode
PERCENT: Final = tuple(json.dumps(percent / 100).encode() for percent in range(101))


@dataclass(frozen=True, slots=True)
class MachineType:
    """What there is to say of a machine type beside its YAML.

    key: its name in `message_types`.  digit: the first digit of its job numbers, one for each type.
    machine_id: pattern over {number}.  topic: default topic.
    job_id: a job's id up to its number, over {initials} and {kind}; `nicknames` are other words for kinds.
    defective: the result that has issues, if any has.
    fields: the row's keys in order after `timestamp`, each with where on a `Machine` its JSON text is found.
    """

    key: str
    digit: int
    machine_id: str
    topic: str
    job_id: str
    fields: Mapping[str, str]
    nicknames: Mapping[str, str] = field(default_factory=dict)
    defective: str | None = None


class State(NamedTuple):
    """A state of a machine; `dwell_ms` is the mean of a stay."""

    name: str
    json: bytes
    dwell_ms: float
    produces: bool


class JobKind(NamedTuple):
    """A kind of job; `id_head` is the JSON text of its ids up to the number."""

    name: str
    json: bytes
    id_head: bytes


class Result(NamedTuple):
    """A way for a job to end, with the fewest and most issues it may have."""

    name: str
    json: bytes
    fewest: int
    most: int


class Job(NamedTuple):
    """A job with all that will be said of it, drawn when it begins. `cycle_ms` counts producing time alone."""

    number: int
    kind: JobKind
    result: Result
    cycle_ms: int
    id_json: bytes
    cycle_json: bytes
    issues_json: bytes


NO_JOB: Final = Job(0, JobKind("", NULL, NULL), Result("", NULL, 0, 0), 0, NULL, NULL, b"0")
"""What a row says of a finished job when there is none."""


class Model:
    """All that the machines of one type have in common: a declaration and its YAML, ready for use.

    `period_ms` is the time between a machine's regular rows; `results` counts the reported jobs by their result.
    """

    def __init__(self, declared: MachineType, structure: Structure, spec: MachineSpec, results: Counter[str]) -> None:
        self.declared, self.spec, self.results = declared, spec, results
        self.period_ms = _milliseconds(structure.period_seconds(spec))
        self._shortest_ms, self._longest_ms = map(_milliseconds, structure.job_seconds(spec))
        self._stations: dict[str, tuple[str, bytes]] = {}
        self.states = {name: self._state(name) for name in spec.status_distribution}
        # Mappings have no order in YAML: sorted, so that writing them in another one changes no draw.
        shares = [(self.states[name], share) for name, share in sorted(spec.status_distribution.items())]
        self.shares = Choice(shares)
        self.visits = Choice((state, share / state.dwell_ms) for state, share in shares)
        self._kinds = Choice((self._kind(name), 1) for name in spec.job_kinds)
        self._results = Choice((self._result(name), weight) for name, weight in sorted(spec.results.items()))
        self._template = b",".join(b"%b:%%b" % _json(name).replace(b"%", b"%%") for name in declared.fields) + b"}"
        self._values = attrgetter(*declared.fields.values())
        self._moves = "progress_json" in declared.fields.values()

    @property
    def crowded(self) -> bool:
        """Whether jobs may be too short for each to fit a regular row of its own."""
        return ceil(self._shortest_ms) < ceil(self.period_ms)

    def machine_id(self, number: int) -> str:
        """The id of the type's n-th machine."""
        return self.declared.machine_id.format(number=number)

    def station(self, number: int) -> tuple[str, bytes]:
        """A machine's station, also as JSON: the same two objects for all machines of a station."""
        name = self.spec.station(number)
        return self._stations.setdefault(name, (name, _json(name)))

    def _state(self, name: str) -> State:
        return State(name, _json(name), self.spec.dwell(name) * 1000, name == self.spec.producing_state)

    def _kind(self, name: str) -> JobKind:
        called = self.declared.nicknames.get(name, name)
        initials = "".join(filter(str.isupper, called)) or called[:2].upper()
        return JobKind(name, _json(name), _json(self.declared.job_id.format(initials=initials, kind=called))[:-1])

    def _result(self, name: str) -> Result:
        fewest, most = getattr(self.spec, "issues_range", (0, 0)) if name == self.declared.defective else (0, 0)
        return Result(name, _json(name), fewest, most)

    def job(self, machine: Machine, number: int, cycle_ms: int = 0) -> Job:
        """The machine's job of that number, its whole future in one hash; a given cycle replaces the drawn one."""
        kind_at, cycle_at, result_at, issues_at = machine.stream.draws(b"job", number)
        kind, result = self._kinds.pick(kind_at), self._results.pick(result_at)
        cycle_ms = cycle_ms or ceil(self._shortest_ms + cycle_at * (self._longest_ms - self._shortest_ms))
        id_json = b'%b%d%d%010d"' % (kind.id_head, self.declared.digit, machine.number, number % 10**10)
        cycle_json = b"%d.%d" % divmod((cycle_ms + 50) // 100, 10)  # seconds with one decimal
        issues_json = b"%d" % (result.fewest + int(issues_at * (result.most - result.fewest + 1)))
        return Job(number, kind, result, cycle_ms, id_json, cycle_json, issues_json)

    def cycle_under_way_ms(self, uniform: float) -> int:
        """The cycle of a job met at a random moment of producing: long jobs are met more often, by their length."""
        shortest, longest = self._shortest_ms**2, self._longest_ms**2
        return ceil(sqrt(shortest + uniform * (longest - shortest)))

    def body(self, machine: Machine, time_ms: int) -> bytes:
        """The machine's row at a time, after the timestamp. A finished job is said once; a still row is kept."""
        machine.seen_ms = time_ms
        text: bytes = self._template % self._values(machine)
        if machine.finished is not NO_JOB:
            self.results[machine.finished.result.name] += 1
            machine.shown, machine.finished = machine.job, NO_JOB
        elif not (self._moves and machine.state.produces):
            machine.body = text
        return text


class Machine:
    """One machine at its last event: in a state until `stay_ends_ms`, on a job until `finish_ms`.

    `left_ms` is what a paused job still needs. `finished` is a job done and not yet reported, else NO_JOB;
    `shown` the job that the next row is about. `next_ms` is the machine's next event, at which `step` is due.
    `body` is the row as last said without its timestamp, None when it has to be made anew.
    """

    __slots__ = (
        "body", "finish_ms", "finished", "id", "id_json", "job", "jobs_before", "left_ms", "model", "next_ms",
        "number", "offset_ms", "rows", "seen_ms", "shown", "state", "station", "station_json", "stay_ends_ms",
        "stream", "visit",
    )  # fmt: skip

    model: Model
    state: State
    job: Job
    body: bytes | None

    def __init__(self, model: Model, number: int, seed: int | str, begin_ms: int) -> None:
        self.number, self.id = number, model.machine_id(number)
        self.stream = Stream(seed, self.id)
        self.id_json = _json(self.id)
        self.rows = self.offset_ms = 0
        self.seen_ms = begin_ms
        self._follow(model)
        self._begin(begin_ms)

    def adopt(self, model: Model, now_ms: int) -> None:
        """Go by another model from now on: what is drawn is drawn by it, and a state it does not know is left."""
        self._follow(model)
        if self.state.name in model.states:
            self.state = model.states[self.state.name]
        else:
            self._visit(now_ms)

    def step(self) -> None:
        """Live through the next event: a job finishes, or a stay ends."""
        if self.finish_ms <= self.stay_ends_ms:
            self._finish_job()
        else:
            self._visit(self.stay_ends_ms)

    def live(self, until_ms: int) -> None:
        """Live through all events up to a time."""
        while self.next_ms <= until_ms:
            self.step()

    def progress(self, now_ms: int) -> float:
        """Share of the job that is done, as far as the machine has lived."""
        return self._done_ms(min(now_ms, self.next_ms)) / self.job.cycle_ms

    @property
    def progress_json(self) -> bytes:
        """Progress with two decimals, never more than is done; 1.0 is said of a finished job alone."""
        if self.finished is not NO_JOB:
            return PERCENT[100]
        return PERCENT[self._done_ms(self.seen_ms) * 100 // self.job.cycle_ms]

    def view(self, now_ms: int) -> MachineView:
        """The machine for those who look."""
        job_id, finished = json.loads(self.job.id_json), self.job.number - self.jobs_before
        status, kind, progress = self.state.name, self.job.kind.name, self.progress(now_ms)
        return MachineView(self.id, self.model.declared.key, self.station, status, job_id, kind, progress, finished)

    def _follow(self, model: Model) -> None:
        self.model = model
        self.station, self.station_json = model.station(self.number)
        self.body = None

    def _begin(self, now_ms: int) -> None:
        """Start in the long-run mix, part way through a stay and a job."""
        self.visit = self.jobs_before = now_ms // MS_A_JOB_NUMBER
        state_at, stay_at, cycle_at, done_at = self.stream.draws(b"begin", self.visit)
        cycle_ms = self.model.cycle_under_way_ms(cycle_at)
        self.job = self.shown = self.model.job(self, self.jobs_before, cycle_ms)
        self.finished = NO_JOB
        self.state = self.model.shares.pick(state_at)
        self.stay_ends_ms = now_ms + exponential(self.state.dwell_ms, stay_at)
        self.left_ms = cycle_ms - int(done_at * cycle_ms)
        self.finish_ms = now_ms + self.left_ms if self.state.produces else NEVER
        self.next_ms = min(self.finish_ms, self.stay_ends_ms)

    def _finish_job(self) -> None:
        self.finished = self.shown = self.job
        self.job = self.model.job(self, self.job.number + 1)
        self.finish_ms += self.job.cycle_ms
        self.next_ms = min(self.finish_ms, self.stay_ends_ms)
        self.body = None

    def _visit(self, now_ms: int) -> None:
        """Enter the next state. Drawing the same again only prolongs the stay."""
        self.visit += 1
        state_at, stay_at, _, _ = self.stream.draws(b"visit", self.visit)
        state = self.model.visits.pick(state_at)
        self.stay_ends_ms = now_ms + exponential(state.dwell_ms, stay_at)
        if state is not self.state:
            self._change(state, now_ms)
        self.next_ms = min(self.finish_ms, self.stay_ends_ms)

    def _change(self, state: State, now_ms: int) -> None:
        """A stop pauses the job, and producing takes it up again."""
        if self.state.produces:
            self.left_ms, self.finish_ms = self.finish_ms - now_ms, NEVER
        if state.produces:
            self.finish_ms = now_ms + self.left_ms
        self.state, self.body = state, None

    def _done_ms(self, now_ms: int) -> int:
        left_ms = self.finish_ms - now_ms if self.state.produces else self.left_ms
        return self.job.cycle_ms - left_ms


def phase(stream: Stream) -> float:
    """Where in its type's period a machine reports, from 0 to 1: its own for good."""
    return stream.draws(b"phase", 0)[0]


def _json(text: str) -> bytes:
    return _encode(text).encode()


def _milliseconds(seconds: float) -> float:
    """Without the noise of binary fractions, so that 4.1 s is 4,100 ms and not a hair more."""
    return round(seconds * 1000, 6)
