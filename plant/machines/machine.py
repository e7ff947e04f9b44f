"""Machines: states that come and go, jobs that take their time, and rows that say so.

A machine type is a declaration. With what the YAML says of it, it becomes one `MachineTypeRuntime` that all machines
of it share: the weighted choices, and one row maker that serves every type. A machine itself keeps only where it
stands, with the parts of its next row already encoded.

States: the next state is drawn with weight share / dwell whatever the last one was, and a stay is exponential with
mean dwell. So a state holds its share of the time, and what is left of a stay is at any moment as long as a new one:
a machine that starts in a state drawn by share is in its long-run mix from the first instant.
Jobs: the next begins as one ends, and makes progress only in the producing state.
All times are whole milliseconds of plant time.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from math import ceil
from operator import attrgetter
from typing import Final, NamedTuple

from plant.definition.machine_config import MachineSpec
from plant.definition.machine_type import MachineType
from plant.definition.plant_config import PlantConfig
from plant.machines.jobs import MS_A_JOB_NUMBER, NO_JOB, Job, Jobs, json_text, milliseconds
from plant.oee_accounting import OeeAccounts, Span
from plant.random_stream import RandomStream, WeightedChoice, exponential
from plant.telemetry import PLANNED_STOP as PLANNED_STOP_NAME
from plant.telemetry import FinishedJob, MachineOee, MachineView

NEVER: Final = 2**62
TRACE: Final = {"consumed_ids": "finished.consumed_json"}
"""What rows say beside the declared fields where pieces flow."""
PERCENT: Final = tuple(json.dumps(percent / 100).encode() for percent in range(101))


class State(NamedTuple):
    """A state of a machine; `dwell_ms` is the mean of a stay. Of states imposed from outside the least `rank` shows."""

    name: str
    json: bytes
    dwell_ms: float = 0.0
    produces: bool = False
    rank: int = 0


def imposed(name: str, rank: int) -> State:
    """A state that something outside a machine puts it into; it lasts until that lets go."""
    return State(name, json_text(name), rank=rank)


PLANNED_STOP: Final = imposed(PLANNED_STOP_NAME, 1)
BLOCKED: Final = imposed("blocked", 2)
STARVED: Final = imposed("starved", 3)


class Suspension(NamedTuple):
    """What a machine was at when it was stopped from outside, and why it is: reasons in the order of their rank."""

    state: State
    stay_left_ms: int
    reasons: tuple[State, ...]


class MachineTypeRuntime:
    """All that the machines of one type have in common: a declaration and its YAML, ready for use.

    `period_ms` is the time between a machine's regular rows; `results` counts the reported jobs by their result.
    `crowded`: jobs may be too short for each to fit a regular row of its own.
    `feed` is told of a machine that has finished a job: it lets the next one begin, or has the machine wait.
    `wake` is told of a machine whose next event has come nearer by something from outside.
    """

    __slots__ = (
        "_moves", "_stations", "_stations_round", "_template", "_values", "books", "crowded", "declared",
        "feed", "jobs", "mix", "period_ms", "results", "shares", "spec", "states", "visits", "wake",
    )  # fmt: skip

    def __init__(
        self, declared: MachineType, config: PlantConfig, spec: MachineSpec, results: Counter[str], books: OeeAccounts
    ) -> None:
        self.declared, self.spec, self.results, self.books = declared, spec, results, books
        self.period_ms = milliseconds(config.period_seconds(spec))
        self.jobs = Jobs(declared, spec, config.job_seconds(spec))
        self.crowded = self.jobs.ideal_ms < ceil(self.period_ms)
        self.feed: Callable[[Machine, int], None] = _next_job
        self.wake: Callable[[Machine], None] = _nobody
        self._stations: dict[int, tuple[str, bytes]] = {}
        self._stations_round = len(spec.lines or "-") * len(spec.stations or "-")
        self.states = {name: self._state(name) for name in spec.status_distribution}
        # Mappings have no order in YAML: sorted, so that writing them in another one changes no draw.
        shares = [(self.states[name], share) for name, share in sorted(spec.status_distribution.items())]
        self.shares = WeightedChoice(shares)
        self.visits = WeightedChoice((state, share / state.dwell_ms) for state, share in shares)
        # Weights come to the same in many ways: 70/20/10 is .7/.2/.1.
        self.mix = {
            name: (round(share, 12), self.states[name].dwell_ms) for name, share in spec.shares.items() if share
        }
        traced = config.flow is not None and config.flow.takes(declared.key, spec.results)
        fields = {**declared.fields, **(TRACE if traced else {})}
        self._template = b",".join(b"%b:%%b" % json_text(name).replace(b"%", b"%%") for name in fields) + b"}"
        self._values = attrgetter(*fields.values())
        self._moves = "progress_json" in fields.values()

    def machine_id(self, number: int) -> str:
        """The id of the type's n-th machine."""
        return self.declared.machine_id.format(number=number)

    def station(self, number: int) -> tuple[str, bytes]:
        """A machine's station, also as JSON: handed out in turn, so after a round they are the same two objects."""
        place = number % self._stations_round
        if place not in self._stations:
            name = self.spec.station(number)
            self._stations[place] = name, json_text(name)
        return self._stations[place]

    def _state(self, name: str) -> State:
        return State(name, json_text(name), self.spec.dwell(name) * 1000, name == self.spec.producing_state)

    def body(self, machine: Machine, time_ms: int) -> bytes:
        """The machine's row at a time, after the timestamp. A finished job is said once; a still row is kept."""
        if self._moves:
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
    `finished_ms` when the last one was. `shown` is the job that the next row is about.
    `next_ms` is the machine's next event, at which `step` is due; a machine that is `held` has none.
    `body` is the row as last said without its timestamp, None when it has to be made anew.
    `hour_ends_ms` is for the books.
    """

    __slots__ = (
        "body", "finish_ms", "finished", "finished_ms", "held", "hour_ends_ms", "id", "id_json", "job",
        "jobs_before", "left_ms", "model", "next_ms", "number", "offset_ms", "rows", "seen_ms", "shown", "state",
        "station", "station_json", "stay_ends_ms", "stream", "visit",
    )  # fmt: skip

    model: MachineTypeRuntime
    state: State
    stay_ends_ms: int
    job: Job
    finished: Job
    body: bytes | None
    held: Suspension | None
    hour_ends_ms: int

    def __init__(self, model: MachineTypeRuntime, number: int, seed: int | str, begin_ms: int) -> None:
        self.number, self.id = number, model.machine_id(number)
        self.stream = RandomStream(seed, self.id)
        self.id_json = json_text(self.id)
        self.rows = self.offset_ms = 0
        self.seen_ms = self.finished_ms = begin_ms
        self.held = None
        self._follow(model)
        self._begin(begin_ms)
        model.books.begin(self, begin_ms)

    def adopt(self, model: MachineTypeRuntime) -> None:
        """Go by another model from now on: what is drawn is drawn by it."""
        self._follow(model)
        if self.held:
            self.held = self.held._replace(state=model.states.get(self.held.state.name, self.held.state))
        else:
            self.state = model.states.get(self.state.name, self.state)

    def mix_anew(self, now_ms: int) -> None:
        """Be in a state of the long-run mix; a machine that is held stays so, and is in that state underneath."""
        state, stay_ms = self._drawn_stay(self.model.shares)
        if self.held:
            self.held = self.held._replace(state=state, stay_left_ms=stay_ms)
        else:
            self._stay(state, stay_ms, now_ms)

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

    def hold(self, reason: State, now_ms: int) -> None:
        """Stop now, for a reason from outside: the machine's own time stands still until there is none left.

        What is to happen at this very moment is put off like all the rest.
        """
        self.live(now_ms - 1)
        held = self.held or Suspension(self.state, self.stay_ends_ms - now_ms, ())
        if reason not in held.reasons:
            reasons = sorted((*held.reasons, reason), key=attrgetter("rank"))
            self.held = held._replace(reasons=tuple(reasons))
            self.stay_ends_ms = self.next_ms = NEVER
            self._change(reasons[0], now_ms)

    def release(self, reason: State, now_ms: int) -> None:
        """Let a reason go. With the last one the machine takes up its stay and its job where they stood."""
        if self.held is None or reason not in self.held.reasons:
            return
        reasons = tuple(each for each in self.held.reasons if each != reason)
        if reasons:
            self.held = self.held._replace(reasons=reasons)
            self._change(reasons[0], now_ms)
        else:
            state, left_ms, _ = self.held
            self.held, self.stay_ends_ms = None, now_ms + left_ms
            self._change(state, now_ms)
            self.next_ms = min(self.finish_ms, self.stay_ends_ms)
            self.model.wake(self)

    def begin(self, job: Job, now_ms: int) -> None:
        """Put a job on the machine, which has finished the last one. Rows speak of it once they have reported that."""
        self.job, self.body = job, None
        if self.finished is NO_JOB:
            self.shown = job
        if self.state.produces:
            self.finish_ms = finish_ms = now_ms + job.cycle_ms
            self.next_ms = min(finish_ms, self.stay_ends_ms)
        else:
            self.left_ms = job.cycle_ms

    def unsaid(self, time_ms: int) -> None:
        """The row of that time is not said, and with it is gone what it would have reported."""
        if self.finished is not NO_JOB and self.finished_ms <= time_ms:
            self.shown, self.finished, self.body = self.job, NO_JOB, None

    def progress(self, now_ms: int) -> float:
        """Share of the job that is done, as far as the machine has lived."""
        return self._done_ms(min(now_ms, self.next_ms)) / self.job.cycle_ms

    @property
    def progress_json(self) -> bytes:
        """Progress with two decimals, never more than is done; 1.0 is said of a finished job alone."""
        if self.finished is not NO_JOB:
            return PERCENT[100]
        return PERCENT[self._done_ms(self.seen_ms) * 100 // self.job.cycle_ms]

    def credit_ms(self, now_ms: int) -> int:
        """The part of the job's ideal time that is done: at most the producing time it took, and all of it at its end.

        It is rounded down from the job's beginning on, so that what two stretches are credited with adds up.
        """
        return self._done_ms(now_ms) * self.job.ideal_ms // self.job.cycle_ms

    def view(self, now_ms: int) -> MachineView:
        """The machine for those who look."""
        job_id, finished = json.loads(self.job.id_json), self.job.number - self.jobs_before
        status, kind, progress = self.state.name, self.job.kind.name or None, self.progress(now_ms)
        which = self.id, self.number, self.model.declared.key, self.station
        return MachineView(*which, status, job_id, kind, progress, finished)

    def oee(self, span: Span, now_ms: int) -> MachineOee:
        """What came of its time up to now, to which it has lived."""
        model, producing = self.model, self.model.spec.producing_state
        figures = model.books.figures(self, producing, span, now_ms)
        period_seconds, ideal_seconds = model.period_ms / 1000, model.jobs.ideal_ms / 1000
        return MachineOee(*figures, self.id, self.number, model.declared.key, producing, period_seconds, ideal_seconds)

    def _follow(self, model: MachineTypeRuntime) -> None:
        self.model = model
        self.station, self.station_json = model.station(self.number)
        self.body = None

    def _begin(self, now_ms: int) -> None:
        """Start in the long-run mix, part way through a stay and a job."""
        self.visit = self.jobs_before = now_ms // MS_A_JOB_NUMBER
        state_at, stay_at, cycle_at, done_at = self.stream.draws(b"begin", self.visit)
        job = self.model.jobs.under_way(self.stream, self.number, self.jobs_before, cycle_at)
        done_ms = int(done_at * job.cycle_ms)
        self.job = self.shown = job._replace(started_ms=now_ms - done_ms)
        self.finished = NO_JOB
        self.state = self.model.shares.pick(state_at)
        self.stay_ends_ms = now_ms + exponential(self.state.dwell_ms, stay_at)
        self.left_ms = job.cycle_ms - done_ms
        self.finish_ms = now_ms + self.left_ms if self.state.produces else NEVER
        self.next_ms = min(self.finish_ms, self.stay_ends_ms)

    def _finish_job(self) -> None:
        model, job, now_ms = self.model, self.job, self.finish_ms
        self.finished = self.shown = job
        self.finished_ms, self.body = now_ms, None
        model.books.finish(self, job.result.name, job.ideal_ms, now_ms)
        if model.books.listener is not None:
            model.books.listener(_told(self.id, job, now_ms))
        model.feed(self, now_ms)

    def _visit(self, now_ms: int) -> None:
        """Enter the next state. Drawing the same again only prolongs the stay."""
        state, stay_ms = self._drawn_stay(self.model.visits)
        self._stay(state, stay_ms, now_ms)

    def _stay(self, state: State, stay_ms: int, now_ms: int) -> None:
        """Be in a state for so long."""
        self.stay_ends_ms = now_ms + stay_ms
        self._change(state, now_ms)
        self.next_ms = min(self.finish_ms, self.stay_ends_ms)

    def _drawn_stay(self, states: WeightedChoice[State]) -> tuple[State, int]:
        self.visit += 1
        state_at, stay_at, _, _ = self.stream.draws(b"visit", self.visit)
        state = states.pick(state_at)
        return state, exponential(state.dwell_ms, stay_at)

    def _change(self, state: State, now_ms: int) -> None:
        """A stop pauses the job, and producing takes it up again."""
        if state is self.state:
            return
        self.model.books.leave(self, now_ms)
        if self.state.produces:
            self.left_ms, self.finish_ms = self.finish_ms - now_ms, NEVER
        if state.produces:
            self.finish_ms = now_ms + self.left_ms
        self.state, self.body = state, None

    def _done_ms(self, now_ms: int) -> int:
        left_ms = self.finish_ms - now_ms if self.state.produces else self.left_ms
        return self.job.cycle_ms - left_ms


def phase(stream: RandomStream) -> float:
    """Where in its type's period a machine reports, from 0 to 1: its own for good."""
    return stream.draws(b"phase", 0)[0]


def _next_job(machine: Machine, now_ms: int) -> None:
    """A machine that stands alone begins its next job at once."""
    job = machine.model.jobs.draw(machine.stream, machine.number, machine.job.number + 1, now_ms)
    machine.begin(job, now_ms)


def _nobody(machine: Machine) -> None:
    """Nobody waits for the machine's events."""


def _told(machine_id: str, job: Job, now_ms: int) -> FinishedJob:
    job_id, issues, consumed = map(json.loads, (job.id_json, job.issues_json, job.consumed_json))
    times = job.started_ms, now_ms, job.cycle_ms, job.ideal_ms
    return FinishedJob(machine_id, job_id, job.kind.name, *times, job.result.name, issues, consumed)
