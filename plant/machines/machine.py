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

from operator import attrgetter

from plant.faults.conditions import MachineConditions
from plant.jobs.jobs import ANY_JOB, MS_PER_JOB_NUMBER, NO_JOB, NULL, Job, Wanted, finished_job, json_text
from plant.machines.job_stops import lose_work, set_unbegun_job, start_between_jobs, stop_between_jobs
from plant.machines.machine_causes import next_stay, renewed_conditions, step_conditions
from plant.machines.machine_type_runtime import MachineTypeRuntime
from plant.machines.machine_views import MachineViews
from plant.machines.states import NEVER, Rest, State, Suspension, interrupting
from plant.random_stream import RandomStream


class Machine(MachineViews):
    """A machine as of its last event: in a state until `stay_ends_ms`, on a job until `finish_ms`.

    next_ms: time of the next event, at which `step` is due; NEVER while the machine has a `suspension`.
    remaining_ms: producing time that a paused job still needs.
    finished: a finished job that is not reported yet, else NO_JOB.  finished_ms: when the last job finished.
    held_ms: what is left of a stay in the producing state after a stop between jobs; else 0.
    reported_job: the job whose kind the next message reports.
    body: the last message without its timestamp; None if it must be encoded again.
    message_ms: time of the message that is being encoded.  stay_number, first_job_number: for random draws and counts.
    entered_number: the number that the stay had when the state was entered, by which its reason is drawn.
    hour_ends_ms: used by the OEE accounts.
    conditions: faults and wear of the machine, if its type has any.  cause_ms: when one of them acts next, or NEVER.
    """

    __slots__ = (
        "body",
        "cause_ms",
        "conditions",
        "entered_number",
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
    conditions: MachineConditions | None
    hour_ends_ms: int

    def __init__(self, runtime: MachineTypeRuntime, number: int, seed: int | str, begin_ms: int) -> None:
        self.number, self.id = number, runtime.machine_id(number)
        self.stream = RandomStream(seed, self.id)
        self.id_json = json_text(self.id)
        self.message_count = 0
        self.message_ms = self.finished_ms = begin_ms
        self.suspension, self.held_ms = None, 0
        self.conditions, self.cause_ms = None, NEVER
        self._set_runtime(runtime)
        self._start(begin_ms)
        runtime.accounts.start_machine(self, begin_ms)
        self.apply_causes(begin_ms)

    def apply_runtime(self, runtime: MachineTypeRuntime, now_ms: int) -> None:
        """Use another machine type runtime from now on: for the next draws and messages. It has advanced to now."""
        made_nothing = self.runtime.machine_type.job is None and self.job.id_json is NULL
        self._set_runtime(runtime)
        if self.suspension:
            state, fate = self.suspension.state, self.suspension.fate
            state = runtime.states.get(state.name, state)
            self.suspension = self.suspension._replace(state=state, fate=state.fate if fate else None)
        else:
            state = runtime.states.get(self.state.name, self.state)
            self._pause_or_continue_job(state, now_ms)
            self.state, self.next_ms = state, min(self.finish_ms, self.stay_ends_ms, self.cause_ms)
        self.apply_causes(now_ms)
        if made_nothing and runtime.machine_type.job:
            self.first_job_number = self.job.number + 1
            runtime.start_next(self, now_ms)

    def redraw_state(self, now_ms: int) -> None:
        """Draw a state of the long-run mix; a suspended machine stays suspended and returns to that state."""
        self.stay_number += 1
        state_at, stay_at, _, _ = self.stream.draws(b"visit", self.stay_number)
        state = self.runtime.redrawn_states.pick(state_at)
        stay_ms, self.held_ms = state.stays.remaining_ms(stay_at), 0
        current = self.suspension.state if self.suspension else self.state
        if current.interrupted:
            self.replace_state(interrupting(current, Rest(state, stay_ms)))
        elif self.suspension:
            self.suspension = self.suspension._replace(state=state, stay_remaining_ms=stay_ms, fate=None)
            self.entered_number = self.stay_number
        else:
            self.enter_state(state, stay_ms, now_ms)

    def interrupt(self, reason: State, length_ms: int, now_ms: int) -> None:
        """Interrupt the stay for a time, in another state; a machine that is suspended does so afterwards."""
        if self.suspension:
            interruption = reason._replace(interrupted=Rest(self.suspension.state, self.suspension.stay_remaining_ms))
            self.suspension = self.suspension._replace(state=interruption, stay_remaining_ms=length_ms)
        else:
            left_ms = max(self.stay_ends_ms - now_ms, self.runtime.shortest_stay_ms)
            self._be_in(reason._replace(interrupted=Rest(self.state, left_ms)), length_ms, now_ms)

    def step(self) -> None:
        """Process the next event: a fault begins or ends, a job finishes, or a stay ends."""
        if self.next_ms == self.cause_ms:
            step_conditions(self)
        elif self.finish_ms <= self.stay_ends_ms:
            job = self.job
            self.finish_job(self.finish_ms)
            if self.runtime.stops_between_jobs is not None:
                stop_between_jobs(self, job, self.finished_ms)
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
            self._change_state(reasons[0], now_ms, self.entered_number)
            if self.conditions is not None:
                self.next_ms = self.cause_ms
                self.runtime.on_suspended(self)

    def resume(self, reason: State, now_ms: int) -> None:
        """Remove a reason. After the last one the machine continues its stay and its job."""
        if self.suspension is None or reason not in self.suspension.reasons:
            return
        reasons = tuple(each for each in self.suspension.reasons if each != reason)
        if reasons:
            self.suspension = self.suspension._replace(reasons=reasons)
            self._change_state(reasons[0], now_ms, self.entered_number)
        else:
            state, left_ms, _, fate = self.suspension
            self.suspension, self.stay_ends_ms = None, now_ms + left_ms
            self._change_state(state, now_ms, self.entered_number)
            self.next_ms = min(self.finish_ms, self.stay_ends_ms, self.cause_ms)
            if fate is not None:
                lose_work(self, fate, now_ms)
            self.runtime.on_rescheduled(self)

    def start_job(self, job: Job, now_ms: int) -> None:
        """Start a job on the machine, which has finished the last one and reports that first."""
        self.job, self.body = job, None
        if self.finished is NO_JOB:
            self.reported_job = job
        if self.state.produces:
            self.finish_ms = finish_ms = now_ms + job.cycle_ms
            self.next_ms = min(finish_ms, self.stay_ends_ms, self.cause_ms)
        else:
            self.remaining_ms = job.cycle_ms
        if self.runtime.observer is not None:
            self.runtime.observer.job_started(self, now_ms)

    def draw_job(self, number: int, now_ms: int, before: Job | None = None, wanted: Wanted = ANY_JOB) -> Job:
        """Return the job of that number, which starts now after `before`; None: after the one on the machine."""
        runtime = self.runtime
        influence = runtime.influence(self, now_ms) if runtime.influences else None
        if runtime.series is not None:
            return runtime.series.draw(self, number, now_ms, before or self.job, influence, wanted)
        kind = runtime.jobs.kinds.get(wanted.kind)
        return runtime.jobs.draw(self.stream, self.number, number, now_ms, influence, kind)

    def discard_message(self, time_ms: int) -> None:
        """Drop the message of that time, together with the finished job that it would have reported."""
        if self.finished is not NO_JOB and self.finished_ms <= time_ms:
            self.reported_job, self.finished, self.body = self.job, NO_JOB, None

    def _set_runtime(self, runtime: MachineTypeRuntime) -> None:
        self.runtime = runtime
        self.station, self.station_json = runtime.station(self.number)
        self.body = None

    def _start(self, now_ms: int) -> None:
        """Start in the long-run mix, partway through a stay and a job."""
        self.stay_number = self.entered_number = self.first_job_number = now_ms // MS_PER_JOB_NUMBER
        state_at, stay_at, cycle_at, done_at = self.stream.draws(b"begin", self.stay_number)
        job = self.runtime.first_job(self, self.first_job_number, cycle_at, now_ms)
        done_ms = int(done_at * job.cycle_ms)
        self.job = self.reported_job = job._replace(started_ms=now_ms - done_ms)
        self.finished = NO_JOB
        self.state = self.runtime.initial_states.pick(state_at)
        self.stay_ends_ms = now_ms + self.state.stays.remaining_ms(stay_at)
        self.remaining_ms = job.cycle_ms - done_ms
        if self.state.fate is not None:
            set_unbegun_job(self, now_ms)
        if self.runtime.stops_between_jobs is not None:
            start_between_jobs(self, now_ms)
        self.finish_ms = now_ms + self.remaining_ms if self.state.produces else NEVER
        self.next_ms = min(self.finish_ms, self.stay_ends_ms, self.cause_ms)

    def finish_job(self, now_ms: int) -> None:
        """Finish the job, and start the next one."""
        runtime, job = self.runtime, self.job
        self.finished = self.reported_job = job
        self.finished_ms, self.body = now_ms, None
        runtime.accounts.count_job(self, job.result.name, job.ideal_ms, now_ms)
        if runtime.accounts.listener is not None:
            runtime.accounts.listener(finished_job(self.id, job, now_ms, self.finished_reason.name))
        runtime.start_next(self, now_ms)
        if runtime.observer is not None:
            runtime.observer.job_finished(self, job, now_ms)

    def _enter_next_state(self, now_ms: int) -> None:
        """Enter the next state. The same state again only prolongs the stay."""
        if self.state.interrupted is not None:
            state, left_ms = self.state.interrupted
            self._be_in(self.runtime.states.get(state.name, state), left_ms, now_ms)
            return
        self.stay_number += 1
        state_at, stay_at, _, _ = self.stream.draws(b"visit", self.stay_number)
        runtime = self.runtime
        after = runtime.next_after
        state = (after.get(self.state.name, runtime.next_states) if after else runtime.next_states).pick(state_at)
        stay_ms = state.stays.length_ms(stay_at) or runtime.shortest_stay_ms
        if self.held_ms and state.produces:
            stay_ms, self.held_ms = self.held_ms, 0
        self.enter_state(state, stay_ms, now_ms)
        if state.fate is not None:
            lose_work(self, state.fate, now_ms)

    def enter_state(self, state: State, stay_ms: int, now_ms: int) -> None:
        """End the stay and begin another, of `stay_ms` as faults and wear change that."""
        conditions, is_another = self.conditions, state is not self.state
        if conditions is not None:
            stay_ms = next_stay(self, self.state, state, stay_ms, now_ms)
        self._be_in(state, stay_ms, now_ms)
        if conditions is not None and is_another:
            conditions.stay_cause = None

    def _be_in(self, state: State, stay_ms: int, now_ms: int) -> None:
        """Be in a state for exactly `stay_ms`: of a stay that begins, interrupts another, or goes on after that."""
        self.stay_ends_ms = now_ms + stay_ms
        self._change_state(state, now_ms, self.stay_number)
        self.next_ms = min(self.finish_ms, self.stay_ends_ms, self.cause_ms)

    def _change_state(self, state: State, now_ms: int, entered_number: int) -> None:
        """Change the state; the job is paused in every state but the producing one."""
        if state is self.state:
            return
        self.runtime.accounts.end_stay(self, now_ms)
        self._pause_or_continue_job(state, now_ms)
        self.state, self.body, self.entered_number = state, None, entered_number
        if self.conditions is not None:
            self.conditions.state_changed(now_ms)
            self.note_causes()
        if self.runtime.observer is not None:
            self.runtime.observer.state_changed(self, now_ms)

    def replace_state(self, state: State) -> None:
        """Put another object in place of a state that the machine is in, or returns to."""
        if self.suspension:
            self.suspension = self.suspension._replace(state=state)
        else:
            self.state = state

    def _pause_or_continue_job(self, state: State, now_ms: int) -> None:
        """Pause the job, or continue it, as in a state that the machine is about to enter."""
        if self.state.produces:
            self.remaining_ms, self.finish_ms = self.finish_ms - now_ms, NEVER
        if state.produces:
            self.finish_ms = now_ms + self.remaining_ms

    def set_state(self, state: State, stay_ms: int | None, now_ms: int) -> None:
        """Enter a state now for a time, drawn if it is None; a suspended machine does so when it is resumed."""
        self.stay_number += 1
        if stay_ms is None:
            _, stay_at, _, _ = self.stream.draws(b"visit", self.stay_number)
            stay_ms = state.stays.length_ms(stay_at) or self.runtime.shortest_stay_ms
        if state.produces:
            self.held_ms = 0
        if self.suspension is None:
            self.enter_state(state, stay_ms, now_ms)
            if state.fate is not None:
                lose_work(self, state.fate, now_ms)
        else:
            stay_ms = next_stay(self, self.suspension.state, state, stay_ms, now_ms)
            self.suspension = self.suspension._replace(state=state, stay_remaining_ms=stay_ms, fate=state.fate)
            self.entered_number = self.stay_number
            if self.conditions is not None:
                self.conditions.stay_cause = None

    def apply_causes(self, now_ms: int) -> None:
        """Follow the faults and the wear that its type has now."""
        self.conditions = renewed_conditions(self, now_ms)
        self.reschedule()

    def reschedule(self) -> None:
        """Find out when the next event is, after something outside has changed its conditions, its state or its job."""
        self.note_causes()
        self.next_ms = min(self.finish_ms, self.stay_ends_ms, self.cause_ms)

    def note_causes(self) -> None:
        """Find out when its faults or its wear act next."""
        found = self.conditions.next_ms if self.conditions is not None else None
        self.cause_ms = NEVER if found is None else found


def phase(stream: RandomStream, name: str = "") -> float:
    """Return where in the period of a class of messages a machine reports, from 0 to 1; it never changes."""
    return stream.draws(b"phase" + name.encode(), 0)[0]
