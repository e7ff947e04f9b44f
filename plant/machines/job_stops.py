"""Stops and jobs: what a stop does to the job in work, and stops and waiting between jobs.

All times are milliseconds of plant time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from plant.jobs.jobs import JobFate, Wanted, ended_early
from plant.machines.states import WAITING, Rest, innermost, interrupting
from plant.shift_times import Shift, ShiftAt

if TYPE_CHECKING:
    from plant.jobs.jobs import Job
    from plant.machines.machine import Machine

_LONGEST_WAIT_MS: Final = 366 * 86_400_000.0
"""However little is asked for: so many shifts are looked at, and times stay those of a calendar."""


def lose_work(machine: Machine, fate: JobFate, now_ms: int) -> None:
    """End the job in work as it is, or start it again; one that has not begun is as it was."""
    done_ms = machine.done_ms(now_ms)
    if not done_ms:
        return
    if fate.result is None:
        machine.runtime.accounts.lose_work(machine, now_ms)
        machine.remaining_ms = machine.job.cycle_ms
        if machine.runtime.observer is not None:
            machine.runtime.observer.job_started(machine, now_ms)
    else:
        issues_at, _, _, _ = machine.stream.draws(b"scrapped", machine.job.number)
        machine.job, machine.remaining_ms = ended_early(machine.job, fate.result, done_ms, issues_at), 0
        machine.finish_job(now_ms)


def set_unbegun_job(machine: Machine, now_ms: int) -> None:
    """Let a machine that starts have its first job before it, in place of the one in progress."""
    in_progress = machine.job
    kind = in_progress.series.kind
    job = machine.draw_job(machine.first_job_number, now_ms, wanted=Wanted(kind))._replace(series=in_progress.series)
    machine.job = machine.reported_job = job
    machine.remaining_ms = job.cycle_ms


def start_between_jobs(machine: Machine, now_ms: int) -> None:
    """Start before a job, as often as the state comes after a stop between jobs; the stay before that is held."""
    runtime = machine.runtime
    before_at, rest_at, _, _ = machine.stream.draws(b"before", machine.stay_number)
    if before_at < runtime.before_a_job.get(machine.state.name, 0.0):
        set_unbegun_job(machine, now_ms)
        stays = runtime.states[runtime.machine_type.producing_state].stays
        machine.held_ms = max(1, stays.remaining_ms(rest_at))


def stop_between_jobs(machine: Machine, job: Job, now_ms: int) -> None:
    """Enter a state that is entered only between jobs, if one falls to this job; hold the rest of the stay.

    Where the machine waits for material, or is changed over, the stop comes thereafter.
    """
    stop_at, stay_at, _, _ = machine.stream.draws(b"between", job.number)
    runtime, suspension = machine.runtime, machine.suspension
    state = runtime.stops_between_jobs.pick(stop_at) if runtime.stops_between_jobs else None
    if state is None:
        return
    machine.stay_number += 1
    stay_ms = state.stays.length_ms(stay_at) or runtime.shortest_stay_ms
    if suspension:
        rest = Rest(suspension.state, suspension.stay_remaining_ms)
    else:
        rest = Rest(machine.state, machine.stay_ends_ms - now_ms)
    machine.held_ms = max(1, innermost(rest).left_ms)
    if rest.state.interrupted is not None:
        machine.replace_state(interrupting(rest.state, Rest(state, stay_ms)))
    elif suspension:
        machine.suspension = suspension._replace(state=state, stay_remaining_ms=stay_ms)
        machine.entered_number = machine.stay_number
    else:
        machine.enter_state(state, stay_ms, now_ms)


def waiting_ms(machine: Machine, now_ms: int) -> int:
    """Return how long a machine waits whose job ends now, so that it makes as many jobs as the load asks for.

    That is in proportion to the time that the job has taken, with its share of the machine's own stops, and with its
    changeover. A job that a stop has ended is followed by that.
    """
    runtime, job = machine.runtime, machine.job
    shift = runtime.shift_at(now_ms)
    if not runtime.machine_type.waits or shift is None or not 0 < shift.load < 1 or machine.state.fate is not None:
        return 0
    taken_ms = job.cycle_ms / runtime.producing_share + job.series.setup_ms
    return round(_working_ms(taken_ms * (1 - shift.load), shift, now_ms, runtime.shift_at))


def _working_ms(load_ms: float, shift: Shift, now_ms: int, shift_at: ShiftAt) -> float:
    """Return the working time from now on in which so much full load comes: less where the next shift has more of it.

    That is at most a year.  shift: that which is on.
    """
    length_ms = 0.0
    while (rest_ms := load_ms / shift.load) > shift.until_ms - now_ms and length_ms < _LONGEST_WAIT_MS:
        following = shift_at(shift.resumes_ms)
        if following is None or not following.load:
            break
        load_ms -= (shift.until_ms - now_ms) * shift.load
        length_ms += shift.until_ms - now_ms
        now_ms, shift = shift.resumes_ms, following
    return min(length_ms + rest_ms, _LONGEST_WAIT_MS)


def after_waiting(start_next: Callable[[Machine, int], None]) -> Callable[[Machine, int], None]:
    """Return what starts the next job of a machine, which waits before it begins. start_next: does so without."""

    def start(machine: Machine, now_ms: int) -> None:
        length_ms = waiting_ms(machine, now_ms)
        start_next(machine, now_ms)
        if length_ms:
            machine.interrupt(WAITING, length_ms, now_ms)

    return start
