"""Machines: a machine changes states, works on jobs, and reports both in messages.

A machine type is a declaration. Together with its YAML it becomes one `MachineTypeRuntime`, which all machines of the
type share: the weighted choices, and one message encoder that serves every type. A machine has only its own state, with
the parts of its next message already encoded.

States: the next state is drawn with weight share / dwell whatever the last one was, and a stay is exponential with mean
dwell, or has another distribution; another state then follows it, and the weights are such that each state still takes
its share of the time (visits.py). A machine starts in a state drawn by share, partway through a stay: it is in its
long-run mix from the first moment.
Jobs: the next job starts when one ends, and advances only in the producing state.
All times are whole milliseconds of plant time.
"""

from __future__ import annotations

import json
from operator import attrgetter
from typing import Final

from plant.machines.jobs import MS_PER_JOB_NUMBER, NO_JOB, NULL, Job, JobFate, ended_early, json_text
from plant.machines.machine_type_runtime import MachineTypeRuntime
from plant.machines.states import NEVER, State, Suspension
from plant.oee_accounting import Span
from plant.random_stream import RandomStream
from plant.telemetry import FinishedJob, MachineOee, MachineSnapshot

PERCENT: Final = tuple(json.dumps(percent / 100).encode() for percent in range(101))


class Machine:
    """A machine as of its last event: in a state until `stay_ends_ms`, on a job until `finish_ms`.

    next_ms: time of the next event, at which `step` is due; NEVER while the machine has a `suspension`.
    remaining_ms: producing time that a paused job still needs.
    finished: a finished job that is not reported yet, else NO_JOB.  finished_ms: when the last job finished.
    held_ms: what is left of a stay in the producing state after a stop between jobs; else 0.
    reported_job: the job whose kind the next message reports.
    body: the last message without its timestamp; None if it must be encoded again.
    message_ms: time of the message that is being encoded.  stay_number, first_job_number: for random draws and counts.
    hour_ends_ms: used by the OEE accounts.
    """

    __slots__ = (
        "body",
        "finish_ms",
        "finished",
        "finished_ms",
        "first_job_number",
        "held_ms",
        "hour_ends_ms",
        "id",
        "id_json",
        "job",
        "message_count",
        "message_ms",
        "next_ms",
        "number",
        "remaining_ms",
        "reported_job",
        "runtime",
        "state",
        "station",
        "station_json",
        "stay_ends_ms",
        "stay_number",
        "stream",
        "suspension",
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
        self.message_count = 0
        self.message_ms = self.finished_ms = begin_ms
        self.suspension, self.held_ms = None, 0
        self._set_runtime(runtime)
        self._start(begin_ms)
        runtime.accounts.start_machine(self, begin_ms)

    def apply_runtime(self, runtime: MachineTypeRuntime, now_ms: int) -> None:
        """Use another machine type runtime from now on: for the next draws and messages. It has advanced to now."""
        made_nothing = self.runtime.machine_type.job is None and self.job.id_json is NULL
        self._set_runtime(runtime)
        if self.suspension:
            self.suspension = self.suspension._replace(
                state=runtime.states.get(self.suspension.state.name, self.suspension.state)
            )
        else:
            state = runtime.states.get(self.state.name, self.state)
            self._pause_or_continue_job(state, now_ms)
            self.state, self.next_ms = state, min(self.finish_ms, self.stay_ends_ms)
        if made_nothing and runtime.machine_type.job:
            self.first_job_number = self.job.number + 1
            runtime.start_next(self, now_ms)

    def redraw_state(self, now_ms: int) -> None:
        """Draw a state of the long-run mix; a suspended machine stays suspended and returns to that state."""
        self.stay_number += 1
        state_at, stay_at, _, _ = self.stream.draws(b"visit", self.stay_number)
        state = self.runtime.redrawn_states.pick(state_at)
        stay_ms, self.held_ms = state.stays.remaining_ms(stay_at), 0
        if self.suspension:
            self.suspension = self.suspension._replace(state=state, stay_remaining_ms=stay_ms)
        else:
            self._enter_state(state, stay_ms, now_ms)

    def step(self) -> None:
        """Process the next event: a job finishes, or a stay ends."""
        if self.finish_ms <= self.stay_ends_ms:
            job = self.job
            self._finish_job(self.finish_ms)
            if self.runtime.stops_between_jobs is not None:
                self._stop_between_jobs(job, self.finished_ms)
        else:
            self._enter_next_state(self.stay_ends_ms)

    def advance_to(self, until_ms: int) -> None:
        """Process all events up to a time."""
        while self.next_ms <= until_ms:
            self.step()

    def suspend(self, reason: State, now_ms: int) -> None:
        """Stop now for a reason from outside; stay and job are paused until no reason is left.

        An event of the machine that is due at this moment is postponed, too.
        """
        self.advance_to(now_ms - 1)
        suspension = self.suspension or Suspension(self.state, self.stay_ends_ms - now_ms, ())
        if reason not in suspension.reasons:
            reasons = sorted((*suspension.reasons, reason), key=attrgetter("rank"))
            self.suspension = suspension._replace(reasons=tuple(reasons))
            self.stay_ends_ms = self.next_ms = NEVER
            self._change_state(reasons[0], now_ms)

    def resume(self, reason: State, now_ms: int) -> None:
        """Remove a reason. After the last one the machine continues its stay and its job."""
        if self.suspension is None or reason not in self.suspension.reasons:
            return
        reasons = tuple(each for each in self.suspension.reasons if each != reason)
        if reasons:
            self.suspension = self.suspension._replace(reasons=reasons)
            self._change_state(reasons[0], now_ms)
        else:
            state, left_ms, _ = self.suspension
            self.suspension, self.stay_ends_ms = None, now_ms + left_ms
            self._change_state(state, now_ms)
            self.next_ms = min(self.finish_ms, self.stay_ends_ms)
            self.runtime.on_rescheduled(self)

    def start_job(self, job: Job, now_ms: int) -> None:
        """Start a job on the machine, which has finished the last one and reports that first."""
        self.job, self.body = job, None
        if self.finished is NO_JOB:
            self.reported_job = job
        if self.state.produces:
            self.finish_ms = finish_ms = now_ms + job.cycle_ms
            self.next_ms = min(finish_ms, self.stay_ends_ms)
        else:
            self.remaining_ms = job.cycle_ms
        if self.runtime.observer is not None:
            self.runtime.observer.job_started(self, now_ms)

    def draw_job(self, number: int, now_ms: int) -> Job:
        """Return the job of that number, which starts now, under what influences the machine's jobs."""
        runtime = self.runtime
        influence = runtime.influence(self, now_ms) if runtime.influences else None
        return runtime.jobs.draw(self.stream, self.number, number, now_ms, influence)

    def discard_message(self, time_ms: int) -> None:
        """Drop the message of that time, together with the finished job that it would have reported."""
        if self.finished is not NO_JOB and self.finished_ms <= time_ms:
            self.reported_job, self.finished, self.body = self.job, NO_JOB, None

    def progress(self, now_ms: int) -> float:
        """Return the share of the job that is done, at `now_ms` or at the next event if that is earlier."""
        return self.done_ms(min(now_ms, self.next_ms)) / self.job.cycle_ms

    @property
    def progress_json(self) -> bytes:
        """Progress with two decimals, rounded down; 1.0 only for a finished job."""
        if self.finished is not NO_JOB:
            return PERCENT[100]
        return PERCENT[self.done_ms(self.message_ms) * 100 // self.job.cycle_ms]

    @property
    def sequence_json(self) -> bytes:
        """The number of the message that is being encoded."""
        return b"%d" % (self.message_count + 1)

    def credit_ms(self, now_ms: int) -> int:
        """Return the part of the job's ideal time that is done: at most the producing time so far, and all at its end.

        It is always rounded down from the beginning of the job, so that the credits of two time spans add up.
        """
        return self.done_ms(now_ms) * self.job.ideal_ms // self.job.cycle_ms

    def snapshot(self, now_ms: int) -> MachineSnapshot:
        """Return a snapshot of the machine."""
        job_id, finished = json.loads(self.job.id_json), self.job.number - self.first_job_number
        status, kind, progress = self.state.name, self.job.kind.name or None, self.progress(now_ms)
        which = self.id, self.number, self.runtime.machine_type.key, self.station
        return MachineSnapshot(*which, status, job_id, kind, progress, finished)

    def oee(self, span: Span, now_ms: int) -> MachineOee:
        """Return its OEE figures; it has advanced to now."""
        runtime, producing = self.runtime, self.runtime.machine_type.producing_state
        figures = runtime.accounts.figures(self, producing, span, now_ms)
        period_seconds, ideal_seconds = runtime.period_ms / 1000, runtime.jobs.ideal_ms / 1000
        return MachineOee(
            *figures, self.id, self.number, runtime.machine_type.key, producing, period_seconds, ideal_seconds
        )

    def _set_runtime(self, runtime: MachineTypeRuntime) -> None:
        self.runtime = runtime
        self.station, self.station_json = runtime.station(self.number)
        self.body = None

    def _start(self, now_ms: int) -> None:
        """Start in the long-run mix, partway through a stay and a job."""
        self.stay_number = self.first_job_number = now_ms // MS_PER_JOB_NUMBER
        state_at, stay_at, cycle_at, done_at = self.stream.draws(b"begin", self.stay_number)
        job = self.runtime.jobs.draw_in_progress(self.stream, self.number, self.first_job_number, cycle_at)
        done_ms = int(done_at * job.cycle_ms)
        self.job = self.reported_job = job._replace(started_ms=now_ms - done_ms)
        self.finished = NO_JOB
        self.state = self.runtime.initial_states.pick(state_at)
        self.stay_ends_ms = now_ms + self.state.stays.remaining_ms(stay_at)
        self.remaining_ms = job.cycle_ms - done_ms
        if self.state.fate is not None:
            self.job = self.reported_job = job = self.draw_job(self.first_job_number, now_ms)
            self.remaining_ms = job.cycle_ms
        if self.runtime.stops_between_jobs is not None:
            self._start_between_jobs(now_ms)
        self.finish_ms = now_ms + self.remaining_ms if self.state.produces else NEVER
        self.next_ms = min(self.finish_ms, self.stay_ends_ms)

    def _start_between_jobs(self, now_ms: int) -> None:
        """Start before a job, as often as the state comes after a stop between jobs; the stay before that is held."""
        before_at, rest_at, _, _ = self.stream.draws(b"before", self.stay_number)
        runtime = self.runtime
        if before_at < runtime.before_a_job.get(self.state.name, 0.0):
            self.job = self.reported_job = self.draw_job(self.first_job_number, now_ms)
            self.remaining_ms = self.job.cycle_ms
            stays = runtime.states[runtime.machine_type.producing_state].stays
            self.held_ms = max(1, stays.remaining_ms(rest_at))

    def _finish_job(self, now_ms: int) -> None:
        runtime, job = self.runtime, self.job
        self.finished = self.reported_job = job
        self.finished_ms, self.body = now_ms, None
        runtime.accounts.count_job(self, job.result.name, job.ideal_ms, now_ms)
        if runtime.accounts.listener is not None:
            runtime.accounts.listener(_finished_job(self.id, job, now_ms))
        runtime.start_next(self, now_ms)
        if runtime.observer is not None:
            runtime.observer.job_finished(self, job, now_ms)

    def _stop_between_jobs(self, job: Job, now_ms: int) -> None:
        """Enter a state that is entered only between jobs, if one falls to this job; hold the rest of the stay."""
        stop_at, stay_at, _, _ = self.stream.draws(b"between", job.number)
        runtime, suspension = self.runtime, self.suspension
        state = runtime.stops_between_jobs.pick(stop_at) if runtime.stops_between_jobs else None
        if state is None:
            return
        stay_ms = state.stays.length_ms(stay_at) or runtime.shortest_stay_ms
        if suspension:  # it waits for material: the stop comes first thereafter
            self.held_ms = max(1, suspension.stay_remaining_ms)
            self.suspension = suspension._replace(state=state, stay_remaining_ms=stay_ms)
        else:
            self.held_ms = max(1, self.stay_ends_ms - now_ms)
            self._enter_state(state, stay_ms, now_ms)

    def _enter_next_state(self, now_ms: int) -> None:
        """Enter the next state. The same state again only prolongs the stay."""
        self.stay_number += 1
        state_at, stay_at, _, _ = self.stream.draws(b"visit", self.stay_number)
        runtime = self.runtime
        after = runtime.next_after
        state = (after.get(self.state.name, runtime.next_states) if after else runtime.next_states).pick(state_at)
        stay_ms = state.stays.length_ms(stay_at) or runtime.shortest_stay_ms
        if self.held_ms and state.produces:
            stay_ms, self.held_ms = self.held_ms, 0
        self._enter_state(state, stay_ms, now_ms)
        if state.fate is not None:
            self._lose_work(state.fate, now_ms)

    def _enter_state(self, state: State, stay_ms: int, now_ms: int) -> None:
        """Enter a state for `stay_ms`."""
        self.stay_ends_ms = now_ms + stay_ms
        self._change_state(state, now_ms)
        self.next_ms = min(self.finish_ms, self.stay_ends_ms)

    def _change_state(self, state: State, now_ms: int) -> None:
        """Change the state; the job is paused in every state but the producing one."""
        if state is self.state:
            return
        self.runtime.accounts.end_stay(self, now_ms)
        self._pause_or_continue_job(state, now_ms)
        self.state, self.body = state, None
        if self.runtime.observer is not None:
            self.runtime.observer.state_changed(self, now_ms)

    def _lose_work(self, fate: JobFate, now_ms: int) -> None:
        """End the job in work as it is, or start it again; one that has not begun is as it was."""
        done_ms = self.done_ms(now_ms)
        if not done_ms:
            return
        if fate.result is None:
            self.remaining_ms = self.job.cycle_ms
            if self.runtime.observer is not None:
                self.runtime.observer.job_started(self, now_ms)
        else:
            issues_at, _, _, _ = self.stream.draws(b"scrapped", self.job.number)
            self.job, self.remaining_ms = ended_early(self.job, fate.result, done_ms, issues_at), 0
            self._finish_job(now_ms)

    def _pause_or_continue_job(self, state: State, now_ms: int) -> None:
        """Pause the job, or continue it, as in a state that the machine is about to enter."""
        if self.state.produces:
            self.remaining_ms, self.finish_ms = self.finish_ms - now_ms, NEVER
        if state.produces:
            self.finish_ms = now_ms + self.remaining_ms

    def done_ms(self, now_ms: int) -> int:
        """Return the producing time of the job so far; it has advanced to now."""
        remaining_ms = self.finish_ms - now_ms if self.state.produces else self.remaining_ms
        return self.job.cycle_ms - remaining_ms


def phase(stream: RandomStream, name: str = "") -> float:
    """Return where in the period of a class of messages a machine reports, from 0 to 1; it never changes."""
    return stream.draws(b"phase" + name.encode(), 0)[0]


def _finished_job(machine_id: str, job: Job, now_ms: int) -> FinishedJob:
    job_id, issues, consumed = map(json.loads, (job.id_json, job.issues_json, job.consumed_json))
    times = job.started_ms, now_ms, job.cycle_ms, job.ideal_ms
    return FinishedJob(machine_id, job_id, job.kind.name, *times, job.result.name, issues, consumed)
