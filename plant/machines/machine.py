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
from operator import attrgetter
from typing import Final

from plant.machines.jobs import MS_A_JOB_NUMBER, NO_JOB, Job, json_text
from plant.machines.machine_type_runtime import MachineTypeRuntime
from plant.machines.states import NEVER, State, Suspension
from plant.oee_accounting import Span
from plant.random_stream import RandomStream, WeightedChoice, exponential
from plant.telemetry import FinishedJob, MachineOee, MachineView

PERCENT: Final = tuple(json.dumps(percent / 100).encode() for percent in range(101))


class Machine:
    """One machine at its last event: in a state until `stay_ends_ms`, on a job until `finish_ms`.

    `left_ms` is what a paused job still needs. `finished` is a job done and not yet reported, else NO_JOB;
    `finished_ms` when the last one was. `shown` is the job that the next row is about.
    `next_ms` is the machine's next event, at which `step` is due; a machine that is `suspension` has none.
    `body` is the row as last said without its timestamp, None when it has to be made anew.
    `hour_ends_ms` is for the books.
    """

    __slots__ = (
        "body",
        "finish_ms",
        "finished",
        "finished_ms",
        "hour_ends_ms",
        "id",
        "id_json",
        "job",
        "jobs_before",
        "left_ms",
        "next_ms",
        "number",
        "offset_ms",
        "rows",
        "runtime",
        "seen_ms",
        "shown",
        "state",
        "station",
        "station_json",
        "stay_ends_ms",
        "stream",
        "suspension",
        "visit",
    )  # fmt: skip

    runtime: MachineTypeRuntime
    state: State
    stay_ends_ms: int
    job: Job
    finished: Job
    body: bytes | None
    suspension: Suspension | None
    hour_ends_ms: int

    def __init__(self, runtime: MachineTypeRuntime, number: int, seed: int | str, begin_ms: int) -> None:
        self.number, self.id = number, runtime.machine_id(number)
        self.stream = RandomStream(seed, self.id)
        self.id_json = json_text(self.id)
        self.rows = self.offset_ms = 0
        self.seen_ms = self.finished_ms = begin_ms
        self.suspension = None
        self._follow(runtime)
        self._begin(begin_ms)
        runtime.accounts.begin(self, begin_ms)

    def adopt(self, runtime: MachineTypeRuntime) -> None:
        """Go by another model from now on: what is drawn is drawn by it."""
        self._follow(runtime)
        if self.suspension:
            self.suspension = self.suspension._replace(
                state=runtime.states.get(self.suspension.state.name, self.suspension.state)
            )
        else:
            self.state = runtime.states.get(self.state.name, self.state)

    def redraw_state(self, now_ms: int) -> None:
        """Be in a state of the long-run mix; a machine that is held stays so, and is in that state underneath."""
        state, stay_ms = self._drawn_stay(self.runtime.shares)
        if self.suspension:
            self.suspension = self.suspension._replace(state=state, stay_left_ms=stay_ms)
        else:
            self._stay(state, stay_ms, now_ms)

    def step(self) -> None:
        """Live through the next event: a job finishes, or a stay ends."""
        if self.finish_ms <= self.stay_ends_ms:
            self._finish_job()
        else:
            self._visit(self.stay_ends_ms)

    def advance_to(self, until_ms: int) -> None:
        """Live through all events up to a time."""
        while self.next_ms <= until_ms:
            self.step()

    def suspend(self, reason: State, now_ms: int) -> None:
        """Stop now, for a reason from outside: the machine's own time stands still until there is none left.

        What is to happen at this very moment is put off like all the rest.
        """
        self.advance_to(now_ms - 1)
        suspension = self.suspension or Suspension(self.state, self.stay_ends_ms - now_ms, ())
        if reason not in suspension.reasons:
            reasons = sorted((*suspension.reasons, reason), key=attrgetter("rank"))
            self.suspension = suspension._replace(reasons=tuple(reasons))
            self.stay_ends_ms = self.next_ms = NEVER
            self._change(reasons[0], now_ms)

    def resume(self, reason: State, now_ms: int) -> None:
        """Let a reason go. With the last one the machine takes up its stay and its job where they stood."""
        if self.suspension is None or reason not in self.suspension.reasons:
            return
        reasons = tuple(each for each in self.suspension.reasons if each != reason)
        if reasons:
            self.suspension = self.suspension._replace(reasons=reasons)
            self._change(reasons[0], now_ms)
        else:
            state, left_ms, _ = self.suspension
            self.suspension, self.stay_ends_ms = None, now_ms + left_ms
            self._change(state, now_ms)
            self.next_ms = min(self.finish_ms, self.stay_ends_ms)
            self.runtime.on_rescheduled(self)

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

    def discard_message(self, time_ms: int) -> None:
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
        which = self.id, self.number, self.runtime.declared.key, self.station
        return MachineView(*which, status, job_id, kind, progress, finished)

    def oee(self, span: Span, now_ms: int) -> MachineOee:
        """What came of its time up to now, to which it has lived."""
        runtime, producing = self.runtime, self.runtime.spec.producing_state
        figures = runtime.accounts.figures(self, producing, span, now_ms)
        period_seconds, ideal_seconds = runtime.period_ms / 1000, runtime.jobs.ideal_ms / 1000
        return MachineOee(
            *figures, self.id, self.number, runtime.declared.key, producing, period_seconds, ideal_seconds
        )

    def _follow(self, runtime: MachineTypeRuntime) -> None:
        self.runtime = runtime
        self.station, self.station_json = runtime.station(self.number)
        self.body = None

    def _begin(self, now_ms: int) -> None:
        """Start in the long-run mix, part way through a stay and a job."""
        self.visit = self.jobs_before = now_ms // MS_A_JOB_NUMBER
        state_at, stay_at, cycle_at, done_at = self.stream.draws(b"begin", self.visit)
        job = self.runtime.jobs.under_way(self.stream, self.number, self.jobs_before, cycle_at)
        done_ms = int(done_at * job.cycle_ms)
        self.job = self.shown = job._replace(started_ms=now_ms - done_ms)
        self.finished = NO_JOB
        self.state = self.runtime.shares.pick(state_at)
        self.stay_ends_ms = now_ms + exponential(self.state.dwell_ms, stay_at)
        self.left_ms = job.cycle_ms - done_ms
        self.finish_ms = now_ms + self.left_ms if self.state.produces else NEVER
        self.next_ms = min(self.finish_ms, self.stay_ends_ms)

    def _finish_job(self) -> None:
        runtime, job, now_ms = self.runtime, self.job, self.finish_ms
        self.finished = self.shown = job
        self.finished_ms, self.body = now_ms, None
        runtime.accounts.finish(self, job.result.name, job.ideal_ms, now_ms)
        if runtime.accounts.listener is not None:
            runtime.accounts.listener(_finished_job(self.id, job, now_ms))
        runtime.start_next(self, now_ms)

    def _visit(self, now_ms: int) -> None:
        """Enter the next state. Drawing the same again only prolongs the stay."""
        state, stay_ms = self._drawn_stay(self.runtime.visits)
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
        self.runtime.accounts.leave(self, now_ms)
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


def _finished_job(machine_id: str, job: Job, now_ms: int) -> FinishedJob:
    job_id, issues, consumed = map(json.loads, (job.id_json, job.issues_json, job.consumed_json))
    times = job.started_ms, now_ms, job.cycle_ms, job.ideal_ms
    return FinishedJob(machine_id, job_id, job.kind.name, *times, job.result.name, issues, consumed)
