"""What can be read of a machine: its progress, its figures, and what messages report of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from plant.jobs.jobs import NO_JOB, Job
from plant.jobs.reasons import Reason
from plant.machines.states import STOPPED, State, Suspension
from plant.oee_accounting import Span
from plant.random_stream import RandomStream
from plant.telemetry import MachineOee, MachineSnapshot

if TYPE_CHECKING:
    from plant.faults.conditions import MachineConditions
    from plant.machines.machine_type_runtime import MachineTypeRuntime

PERCENT: Final = tuple(json.dumps(percent / 100).encode() for percent in range(101))


class MachineViews:
    """The part of a machine that changes nothing: its attributes are those of Machine."""

    __slots__ = ()

    id: str
    number: int
    station: str
    runtime: MachineTypeRuntime
    state: State
    suspension: Suspension | None
    job: Job
    finished: Job
    finish_ms: int
    next_ms: int
    remaining_ms: int
    message_ms: int
    message_count: int
    first_job_number: int
    hour_ends_ms: int
    conditions: MachineConditions | None
    stream: RandomStream
    entered_number: int

    @property
    def is_stopped(self) -> bool:
        """Whether a command has stopped the machine, whatever else stops it."""
        return self.suspension is not None and STOPPED in self.suspension.reasons

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
            *figures,
            self.id,
            self.number,
            runtime.machine_type.key,
            producing,
            period_seconds,
            ideal_seconds,
            runtime.ideal_cycles,
        )

    def done_ms(self, now_ms: int) -> int:
        """Return the producing time of the job so far; it has advanced to now."""
        remaining_ms = self.finish_ms - now_ms if self.state.produces else self.remaining_ms
        return self.job.cycle_ms - remaining_ms

    @property
    def stay_cause(self) -> str | None:
        """The fault or wear that the machine is in its state because of; None if it came by itself."""
        found = self.conditions.stay_cause if self.conditions is not None else None
        return found[1] if found and found[0] == self.state.name else None

    @property
    def reason(self) -> Reason:
        """The reason of its stay; that of no reason without any."""
        return self.runtime.reasons.of_stay(self.stream, self.state.name, self.entered_number)

    @property
    def finished_reason(self) -> Reason:
        """The reason of the result of the finished job that it reports next."""
        return self.runtime.reasons.of_job(self.stream, self.finished)

    @property
    def stay_reason(self) -> str | None:
        """The name of the reason of its stay; None without any."""
        return self.reason.name
