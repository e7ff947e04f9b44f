"""What all machines of one type share: the type as configured, prepared for the hot path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from math import fsum
from typing import TYPE_CHECKING, Final, Protocol

from plant.definition.faults.fault_type import Consequence
from plant.definition.machine_types.field_sources import FieldSource
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.plant_config import PlantConfig
from plant.definition.states.state_type import StateType
from plant.faults.episodes import Injected
from plant.faults.fault_log import FaultLog
from plant.faults.levels import Level
from plant.jobs.jobs import NO_JOB, Job, JobInfluence, Jobs, NoJobs, combined, json_text, milliseconds
from plant.jobs.reasons import Reasons
from plant.jobs.spread import cycle_influences, variant_of, varied
from plant.machines.job_series import JobSeries
from plant.machines.job_stops import after_waiting
from plant.machines.message_layout import message_layout, traced_fields
from plant.machines.shifts import Operators, ShiftEffects
from plant.machines.states import CHANGEOVER, State
from plant.machines.stays import stays_of
from plant.oee_accounting import OeeAccounts
from plant.random_stream import RandomStream, WeightedChoice
from plant.shift_times import ShiftAt, no_shift

if TYPE_CHECKING:
    from plant.machines.machine import Machine

_LONGEST_FACTOR: Final = 1e9
"""Of stays that never end by themselves."""

Influence = Callable[["Machine", int], JobInfluence | None]


class MachineObserver(Protocol):
    """What is called at the events of machines, after each."""

    def state_changed(self, machine: Machine, now_ms: int) -> None:
        """Note that a machine is in another state."""

    def state_commanded(self, machine: Machine, now_ms: int, *, confirms: bool) -> None:
        """Note that a command has set the state of a machine. confirms: to that in which it was."""

    def level_changed(self, machine: Machine, cause: str, level: Level, now_ms: int) -> None:
        """Note that a fault, or wear, of a machine has another level."""

    def set_point(self, machine: Machine, signal: str, value: float, now_ms: int) -> None:
        """Set a set point of a signal."""

    def job_started(self, machine: Machine, now_ms: int) -> None:
        """Note that a machine has another job."""

    def job_finished(self, machine: Machine, job: Job, now_ms: int) -> None:
        """Note that a machine has finished a job; the next one has started, unless it waits."""


class MachineTypeRuntime:
    """A machine type as configured: what its machines need to draw states and jobs and to encode messages.

    period_ms: time between two regular messages of a machine.  results: reported jobs, counted by result.
    reasons: of stays and results.
    reports_each_job: whether jobs may be shorter than the period; each finished job then gets its own message.
    start_next: called when a machine has finished a job; starts the next one, or makes the machine wait.
    on_rescheduled: called when something outside a machine has moved its next event to an earlier time.
    on_suspended: the same when a machine with faults or wear is suspended, perhaps while it finishes a job.
    observer: what is called at each event of a machine, if there is something.
    on_spread: called when a fault of a machine leads to one of other machines.
    start_ms: of the run.  shift_at: tells which shift is on.  producing_share: of the time without what imposes states.
    ideal_cycles: the shortest cycle of each kind in seconds, where kinds, machines or shifts have their own.
    series: draws the jobs, if they depend on those before.
    stops_between_jobs: the state that a machine enters as a job ends, or None; None where no state is entered so.
    before_a_job: the chance, by state, that its job has not begun, which is so after such a stop.
    redrawn_states: those of a machine that is in the middle of a job.
    influences: each returns how it changes a job of a machine that starts at a time, or None.
    """

    __slots__ = (
        "_has_progress", "_has_sequence", "_station_count", "_stations", "_template", "_values", "accounts",
        "before_a_job", "faults", "ideal_cycles", "influences", "initial_states", "jobs", "machine_type", "next_after",
        "next_states", "observer", "on_rescheduled", "on_spread", "on_suspended", "period_ms", "producing_share",
        "reasons", "redrawn_states", "reports_each_job", "results", "series", "shift_at", "shortest_stay_ms",
        "start_ms", "start_next", "state_mix", "states", "stops_between_jobs",
    )  # fmt: skip

    def __init__(
        self,
        machine_type: MachineType,
        config: PlantConfig,
        results: Counter[str],
        accounts: OeeAccounts,
        seed: int | str = 0,
        shift_at: ShiftAt = no_shift,
        start_ms: int = 0,
    ) -> None:
        self.machine_type, self.results, self.accounts = machine_type, results, accounts
        self.start_ms, self.faults, self.shift_at = start_ms, FaultLog(machine_type.key), shift_at
        self.producing_share = machine_type.shares.get(machine_type.producing_state) or 1.0
        self.period_ms = milliseconds(config.period_seconds(machine_type))
        self.on_rescheduled: Callable[[Machine], None] = _ignore
        self.on_suspended: Callable[[Machine], None] = _ignore
        self.observer: MachineObserver | None = None
        self.on_spread: Callable[[Machine, Consequence, Injected, int], None] = _spread_nowhere
        self._prepare_jobs(config, seed, shift_at)
        self._prepare_states(config)
        self._prepare_messages(config)

    def _prepare_messages(self, config: PlantConfig) -> None:
        """Prepare what messages are made of."""
        machine_type = self.machine_type
        self._stations: dict[int, tuple[str, bytes]] = {}
        self._station_count = machine_type.station_count
        fields = (*machine_type.main.fields, *traced_fields(config, machine_type))
        self._template, self._values = message_layout(machine_type.main.timestamp, fields)
        sources = {field.source for field in fields}
        self._has_progress, self._has_sequence = FieldSource.PROGRESS in sources, FieldSource.SEQUENCE in sources

    def _prepare_jobs(self, config: PlantConfig, seed: int | str, shift_at: ShiftAt) -> None:
        """Prepare what jobs are drawn from, and what influences them."""
        machine_type, job = self.machine_type, self.machine_type.job
        self.jobs = Jobs(job, machine_type.losses, config.job_period_seconds(machine_type)) if job else NoJobs()
        self.ideal_cycles = self.jobs.ideal_cycles if machine_type.has_own_cycles else None
        is_short = self.jobs.ideal_ms < self.period_ms or (job is not None and job.may_be_scrapped)
        self.reports_each_job = machine_type.main.reports_jobs and is_short
        own = machine_type.operators
        operators = Operators(own, machine_type, shift_at, seed) if own else None
        self.series = self._series(operators)
        self.influences: Sequence[Influence] = ()
        self.add_influences([*self._influences_of_type(operators, shift_at)])

    def _series(self, operators: Operators | None) -> JobSeries | None:
        """Return what draws the jobs, if they depend on those before."""
        depends = self.machine_type.lots or self.machine_type.start_up or operators
        if not depends or not isinstance(self.jobs, Jobs):
            return None
        return JobSeries(self.machine_type, self.jobs, operators)

    def _influences_of_type(self, operators: Operators | None, shift_at: ShiftAt) -> Iterator[Influence]:
        """Yield what influences the jobs of all machines."""
        if self.machine_type.causes:
            yield _influence_of_conditions
        if self.machine_type.shifts:
            yield ShiftEffects(self.machine_type.shifts, shift_at)
        if operators:
            yield operators

    def _prepare_states(self, config: PlantConfig) -> None:
        """Prepare what states are drawn from."""
        machine_type = self.machine_type
        self.reasons = Reasons(machine_type.reasons)
        self.states = {name: self._state(name, state) for name, state in machine_type.states.items()}
        # YAML mappings have no order: sorted, so that another order in the file changes no draw.
        shares = [(self.states[name], state.weight) for name, state in sorted(machine_type.states.items())]
        self.initial_states = WeightedChoice(shares)
        self.redrawn_states = self.initial_states
        self.stops_between_jobs: WeightedChoice[State | None] | None = None
        self.before_a_job: Mapping[str, float] = {}
        if stops := machine_type.stops_between_jobs:
            self._stop_between_jobs(stops, config.job_period_seconds(machine_type))
        weights = machine_type.next_weights
        self.next_states = WeightedChoice((self.states[each.name], weights.get(each.name, 0.0)) for each, _ in shares)
        self.next_after = {name: self._choice(name, row) for name, row in machine_type.next_after.items()}
        # A state that is reported at its beginning lasts at least until the next millisecond; so does any where it
        # matters which follows which: the truth knows no stay of nothing, and would have others follow each other.
        is_seen = bool(self.next_after) or any(each.on_change for each in machine_type.messages)
        self.shortest_stay_ms = 1 if is_seen else 0
        # Normalized and rounded: 70/20/10 and .7/.2/.1 are the same mix.
        self.state_mix = {
            name: (round(share, 12), self.states[name].stays) for name, share in machine_type.shares.items() if share
        }

    def machine_id(self, number: int) -> str:
        """Return the id of the type's n-th machine."""
        return self.machine_type.id_of(number)

    def station(self, number: int) -> tuple[str, bytes]:
        """Return a machine's station, also as JSON. Stations repeat in turn, and so do these two objects."""
        place = number % self._station_count
        if place not in self._stations:
            name = self.machine_type.station(number)
            self._stations[place] = name, json_text(name)
        return self._stations[place]

    @property
    def jobs_depend(self) -> bool:
        """Whether jobs depend on more than their numbers."""
        return self.series is not None or bool(self.influences)

    def first_job(self, machine: Machine, number: int, cycle_at: float, now_ms: int) -> Job:
        """Return the job with which a machine begins; the caller sets when it started."""
        if self.series is not None:
            return self.series.begin(machine, number, cycle_at, now_ms)
        return self.jobs.draw_in_progress(machine.stream, machine.number, number, cycle_at)

    def add_influences(self, influences: Sequence[Influence]) -> None:
        """Have more influence the jobs; without any, the next job is started in the least time."""
        self.influences = (*self.influences, *influences)
        alone = _next_influenced if self.influences else _next_job
        at_once: Callable[[Machine, int], None] = alone if self.series is None else _next_of_series
        self.start_next = after_waiting(at_once) if self.machine_type.waits else at_once

    def influence(self, machine: Machine, now_ms: int) -> JobInfluence | None:
        """Return how a job that a machine starts now differs from what its type has: the product of all influences."""
        found = [each for each in (influence(machine, now_ms) for influence in self.influences) if each is not None]
        return reduce(combined, found) if found else None

    def _state(self, name: str, state: StateType) -> State:
        return State(name, json_text(name), stays_of(state), state.produces, fate=self.jobs.fates.get(name))

    def _stop_between_jobs(self, stops: Mapping[str, float], period_seconds: float) -> None:
        """Prepare stops after whole jobs. Stays of the producing state end by themselves only for the other states.

        Their stops a job are so many that each state is entered as often as it should be, whatever the jobs' lengths.
        """
        share, a_job = fsum(stops.values()), min(1.0, self.machine_type.stops_a_job(period_seconds))
        chances = ((self.states[name], a_job * chance / share) for name, chance in stops.items())
        self.stops_between_jobs = WeightedChoice([(None, 1 - a_job), *chances])
        self.before_a_job = self.machine_type.before_a_job
        name, between = self.machine_type.producing_state, self.machine_type.order.between_jobs
        declared, factor = self.machine_type.states[name], min(_LONGEST_FACTOR, 1 / max(1e-12, 1 - share))
        seconds, half_width = declared.dwell_seconds * factor, declared.half_width_seconds * factor
        stays = stays_of(replace(declared, dwell_seconds=seconds, half_width_seconds=half_width))
        self.states[name] = producing = self.states[name]._replace(stays=stays)
        shares = self.machine_type.shares
        self.initial_states = WeightedChoice((self.states[each], shares[each]) for each in sorted(shares))
        # A state that is drawn in the middle of a job is none of those.
        redrawn = ((producing if each in between else self.states[each], shares[each]) for each in sorted(shares))
        self.redrawn_states = WeightedChoice(redrawn)

    def _choice(self, name: str, weights: Mapping[str, float]) -> WeightedChoice[State]:
        """Return the choice of the state after one, where its stay ends by itself."""
        after_jobs = self.machine_type.order.between_jobs if self.states[name].produces else ()
        own = {to: weight for to, weight in weights.items() if to not in after_jobs}
        return WeightedChoice((self.states[to], weight) for to, weight in sorted((own or weights).items()))

    def encode_body(self, machine: Machine, time_ms: int) -> bytes:
        """Return the machine's message at a time, after the timestamp; cache it where it cannot change by itself.

        A finished job is reported once: it is counted here, and the next message reports the job on the machine.
        """
        if self._has_progress:
            machine.message_ms = time_ms
        text: bytes = self._template % self._values(machine)
        if machine.finished is not NO_JOB:
            self.results[machine.finished.result.name] += 1
            machine.reported_job, machine.finished = machine.job, NO_JOB
        elif not (self._has_sequence or (self._has_progress and machine.state.produces)):
            machine.body = text
        return text


class TypeRuntimes:
    """The runtime of a type, those of the machines that have overrides, and those of machines that differ.

    numbers: of the machines, whose runtimes are made.  seed: of the run.  shift_at: tells which shift is on.
    """

    __slots__ = ("_differs", "_own", "usual")

    def __init__(
        self,
        machine_type: MachineType,
        config: PlantConfig,
        results: Counter[str],
        accounts: OeeAccounts,
        numbers: Iterable[int] = (),
        seed: int | str = 0,
        shift_at: ShiftAt = no_shift,
        start_ms: int = 0,
    ) -> None:
        self._differs: Final = machine_type.spread is not None

        def make(each: MachineType) -> MachineTypeRuntime:
            return MachineTypeRuntime(each, config, results, accounts, seed, shift_at, start_ms)

        self.usual: Final = make(machine_type)
        variants = {variant_of(number) for number in numbers} if self._differs else set()
        types = {**dict.fromkeys((-each for each in variants), machine_type), **machine_type.overrides}
        self._own: Final = {number: self._made(number, each, make, seed) for number, each in types.items()}
        each_job = any(each.reports_each_job for each in self.all)
        for each in self.all:
            each.reports_each_job = each_job

    @property
    def all(self) -> Sequence[MachineTypeRuntime]:
        """All of them, the usual one first."""
        return (self.usual, *self._own.values())

    def of(self, number: int) -> MachineTypeRuntime:
        """Return the runtime of a machine."""
        if own := self._own.get(number):
            return own
        return self._own.get(-variant_of(number), self.usual) if self._differs else self.usual

    def _made(
        self, number: int, machine_type: MachineType, make: Callable[[MachineType], MachineTypeRuntime], seed: int | str
    ) -> MachineTypeRuntime:
        """Return the runtime of one machine, or below 0 of all machines that are like it."""
        if not self._differs:
            return make(machine_type)
        stream = RandomStream(seed, machine_type.id_of(variant_of(abs(number))))
        runtime = make(varied(machine_type, stream))
        runtime.add_influences([*map(_always, cycle_influences(machine_type, stream))])
        return runtime


def _always(influence: JobInfluence) -> Influence:
    return lambda _machine, _now_ms: influence


def _next_job(machine: Machine, now_ms: int) -> None:
    """Start the next job at once: the default for machines that do not wait for material."""
    job = machine.runtime.jobs.draw(machine.stream, machine.number, machine.job.number + 1, now_ms)
    machine.start_job(job, now_ms)


def _next_influenced(machine: Machine, now_ms: int) -> None:
    """Start the next job at once, under what influences it."""
    machine.start_job(machine.draw_job(machine.job.number + 1, now_ms), now_ms)


def _influence_of_conditions(machine: Machine, now_ms: int) -> JobInfluence | None:
    """Return how faults and wear change a job."""
    factors = machine.conditions.job_factors(now_ms) if machine.conditions is not None else None
    return JobInfluence(*factors) if factors else None


def _spread_nowhere(machine: Machine, consequence: Consequence, fault: Injected, now_ms: int) -> None:
    """Do nothing: the default where machines are not connected."""


def _next_of_series(machine: Machine, now_ms: int) -> None:
    """Start the next job at once, or after a changeover, which it begins with."""
    job = machine.draw_job(machine.job.number + 1, now_ms)
    machine.start_job(job, now_ms)
    if job.series.setup_ms:
        machine.interrupt(CHANGEOVER, job.series.setup_ms, now_ms)


def _ignore(machine: Machine) -> None:
    """Do nothing: the default where no event queue advances the machine."""
