"""The signals of a fleet, kept up to date at the events of its machines and at the phases of their jobs."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from math import ceil
from typing import Final

from plant.alarms.alarm_reporter import AlarmReporter
from plant.definition.jobs.job_type import JobType
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.plant_config import PlantConfig
from plant.definition.signals.vocabulary import Vocabulary
from plant.faults.levels import Level
from plant.fleets.class_emitter import ClassEmitter
from plant.fleets.pending_rows import NOT_MEASURED, RowObserver
from plant.fleets.reporting import REGULAR
from plant.jobs.jobs import Job, milliseconds
from plant.machines.machine import Machine
from plant.machines.states import NEVER
from plant.random_stream import RandomStream
from plant.signals.compilation.compiler import compile_signals
from plant.signals.dependencies import PHASE
from plant.signals.fleet_signals import FleetSignals
from plant.signals.laws.program import SignalProgram
from plant.signals.laws.situations import Situation

_PLANT: Final = "plant"
"""The name of the random stream of the plant's signals; that of a site's is below it."""


class FleetMeasurements:
    """The signals of the machines of one type, by slot.

    advancing: the class of messages, by number, whose regular messages advance registers.
    observer: is shown the rows that are made into messages; may be None.
    phase_ends: when the phase of each machine's job ends; NEVER if it does not advance, or is in its last phase.
    """

    __slots__ = (
        "_follows_jobs",
        "_good",
        "_phase_bounds",
        "_phases",
        "_variants",
        "advancing",
        "observer",
        "phase_ends",
        "signals",
    )

    def __init__(
        self, machine_type: MachineType, program: SignalProgram, plant: FleetSignals | None, advancing: int
    ) -> None:
        self.signals: Final = FleetSignals(program, plant)
        self.advancing: Final = advancing
        self.observer: RowObserver | None = None
        self._good = machine_type.good
        job = machine_type.job if self.signals.follows else None
        self._follows_jobs = job is not None
        follows_phases = job is not None and PHASE in self.signals.follows
        self._phases = tuple(job.phases) if job and follows_phases else ()
        self._phase_bounds = _phase_bounds(job) if job and follows_phases else ()
        self._variants = {number: place for place, number in enumerate(_differing(machine_type), 1)}
        self.phase_ends = array("q")

    def start(self, earlier: FleetMeasurements | None, machines: Sequence[Machine], kept: int, now_ms: int) -> None:
        """Take over the signals of machines that stay, and start those of new ones.

        earlier: from before a reload.  machines: by slot; the first `kept` of them were there.
        """
        if earlier:
            self.continue_from(earlier, machines[:kept], now_ms)
        for slot in range(kept if earlier else 0, len(machines)):
            self.begin(slot, machines[slot], now_ms)

    def begin(self, slot: int, machine: Machine, now_ms: int) -> None:
        """Start the signals of a new machine. slot: at most one more than there are."""
        if slot == len(self.phase_ends):
            self.phase_ends.append(NEVER)
        situation = self._situation(machine, now_ms)
        self.signals.begin(slot, bytes(machine.stream), situation, now_ms)
        self._set_phase_end(slot, machine, situation, now_ms)
        self._set_levels(slot, machine, now_ms)

    def continue_from(self, earlier: FleetMeasurements, machines: Sequence[Machine], now_ms: int) -> None:
        """Take over machines, in their slots, from before a reload. They have advanced to now."""
        for slot in range(len(machines)):
            earlier.catch_up(slot, now_ms)
        earlier.signals.pending.clear()  # only changes of states at this moment, which are reported again
        self.signals.carry_over(earlier.signals, range(len(machines)), now_ms)
        self.phase_ends = array("q", [NEVER] * len(machines))
        for slot, machine in enumerate(machines):
            situation = self._situation(machine, now_ms)
            # Without a change nothing may be computed again: a lag that is rebased may differ in its last bits.
            if not self.signals.is_in(slot, situation):
                self._change(slot, machine, now_ms)
            self._set_phase_end(slot, machine, situation, now_ms)
            self._set_levels(slot, machine, now_ms)

    def state_changed(self, slot: int, machine: Machine, now_ms: int) -> None:
        """Record another state."""
        self._change(slot, machine, now_ms)

    def level_changed(self, slot: int, cause: str, level: Level, now_ms: int) -> None:
        """Record another level of a fault or of wear."""
        self.catch_up(slot, now_ms)
        self.signals.set_level(slot, cause, level, now_ms)

    def set_point(self, slot: int, signal: str, value: float, now_ms: int) -> None:
        """Set a set point."""
        self.catch_up(slot, now_ms)
        self.signals.set_point(slot, signal, value, now_ms)

    def job_started(self, slot: int, machine: Machine, now_ms: int) -> None:
        """Record another job."""
        if self._follows_jobs:
            self._change(slot, machine, now_ms, new_job=True)

    def job_finished(self, slot: int, job: Job) -> None:
        """Count a finished job."""
        self.signals.count_job(slot, job.result.name, is_good=job.result.name in self._good)

    def catch_up(self, slot: int, now_ms: int) -> None:
        """Process the phases of the job that have ended up to a time."""
        while (ended_ms := self.phase_ends[slot]) <= now_ms:
            before = self.signals.situation(slot, ended_ms)
            phase = self._phase_at(before.done_ms, before.cycle_ms)
            situation = before._replace(phase=phase)
            self.signals.change(slot, situation, ended_ms)
            self.phase_ends[slot] = self._next_phase_end(situation, ended_ms)

    def texts_at(self, slot: int, now_ms: int) -> Mapping[str, bytes]:
        """Return the JSON of each signal of a machine that has advanced to now, as a message would have it."""
        self.catch_up(slot, now_ms)
        return self.signals.texts_at(slot, now_ms)

    def add_row(self, slot: int, time_ms: int, emitter: ClassEmitter, form: int) -> int:
        """Add a row of a machine, and return its place among the pending rows; NOT_MEASURED if it needs no signals."""
        self.catch_up(slot, time_ms)
        advances = self.advances(emitter) and form == REGULAR
        if not (advances or emitter.signals):
            return NOT_MEASURED
        self.signals.pending.add(slot, time_ms, advances=advances)
        return len(self.signals.pending) - 1

    def advances(self, emitter: ClassEmitter) -> bool:
        """Return whether the regular messages of a class advance registers."""
        return emitter.number == self.advancing

    def add_rows(self, slots: Sequence[int], times_ms: Sequence[int], advancing: Sequence[int]) -> range:
        """Add rows of regular messages in order of time, and return their places. advancing: 1 for those that advance.

        Nothing happens to the machines before these times.
        """
        first = len(self.signals.pending)
        self.signals.pending.extend(slots, times_ms, advancing)
        return range(first, first + len(slots))

    def _change(self, slot: int, machine: Machine, now_ms: int, *, new_job: bool = False) -> None:
        self.catch_up(slot, now_ms)
        situation = self._situation(machine, now_ms)
        self.signals.change(slot, situation, now_ms, new_job=new_job)
        self._set_phase_end(slot, machine, situation, now_ms)

    def _set_levels(self, slot: int, machine: Machine, now_ms: int) -> None:
        """Set the levels of all that the machine is subject to."""
        for cause, level in machine.conditions.levels() if machine.conditions is not None else ():
            self.signals.set_level(slot, cause, level, now_ms)

    def _situation(self, machine: Machine, now_ms: int) -> Situation:
        variant = self._variants.get(machine.number, 0)
        if not self._follows_jobs:
            return Situation(machine.state.name, variant=variant)
        job, done_ms = machine.job, machine.done_ms(now_ms)
        phase = self._phase_at(done_ms, job.cycle_ms)
        return Situation(machine.state.name, phase, job.kind.name, done_ms, job.cycle_ms, variant)

    def _phase_at(self, done_ms: int, cycle_ms: int) -> str | None:
        if not self._phases:
            return None
        ended = bisect_right([ceil(bound * cycle_ms) for bound in self._phase_bounds], done_ms)
        return self._phases[min(ended, len(self._phases) - 1)]

    def _set_phase_end(self, slot: int, machine: Machine, situation: Situation, now_ms: int) -> None:
        produces = machine.state.produces
        self.phase_ends[slot] = self._next_phase_end(situation, now_ms) if produces else NEVER

    def _next_phase_end(self, situation: Situation, now_ms: int) -> int:
        """Return when the phase of a job that advances ends; NEVER for the last phase, which ends with the job."""
        ends = [ceil(bound * situation.cycle_ms) for bound in self._phase_bounds]
        place = bisect_right(ends, situation.done_ms)
        return now_ms + ends[place] - situation.done_ms if place < len(ends) else NEVER


def measurements_of(
    machine_type: MachineType, config: PlantConfig, plant: FleetSignals | None
) -> FleetMeasurements | None:
    """Return the signals of a type's machines, before there is any; None for a type without signals.

    plant: the signals of the plant, if it has any.
    """
    if not machine_type.signals:
        return None
    advancing = machine_type.advancing
    period_ms = milliseconds(config.class_period_seconds(machine_type.messages[advancing]))
    program = compile_signals(
        machine_type.signals,
        machine_type.vocabulary,
        config.time_zone_of(machine_type.site),
        period_ms if period_ms < NEVER else 0.0,
        plant.program if plant else None,
        [machine_type.overrides[number].signals for number in _differing(machine_type)],
        machine_type.model,
        machine_type.causes,
    )
    return FleetMeasurements(machine_type, program, plant, advancing)


def alarms_of(
    machine_type: MachineType,
    measurements: FleetMeasurements | None,
    machines: Sequence[Machine],
    counts: Counter[tuple[str, str]],
) -> AlarmReporter | None:
    """Return the alarms of a type's machines; None without any. counts: see AlarmReporter."""
    if measurements is None or not machine_type.alarms:
        return None
    return AlarmReporter(machine_type, measurements.signals.program, measurements.advancing, machines, counts)


def _differing(machine_type: MachineType) -> list[int]:
    """Return the numbers of the machines whose signals differ from those of their type, in order."""
    overrides = machine_type.overrides.items()
    return [number for number, each in sorted(overrides) if each.signals != machine_type.signals]


def plant_signals(config: PlantConfig, site: str | None, seed: int | str) -> FleetSignals:
    """Return the signals of the plant at a site; None: of the machine types that are at none."""
    specs, time_zone = config.plant_signals_of(site), config.time_zone_of(site)
    program = compile_signals(specs, Vocabulary(), time_zone)
    if any(spec.calendar for spec in specs.values()):
        program = replace(program, calendar=config.calendar_of(site))
    signals = FleetSignals(program)
    name = _PLANT if site is None else f"{_PLANT}/{site}"
    signals.begin(0, bytes(RandomStream(seed, name)), Situation(""), 0)
    return signals


def _phase_bounds(job: JobType) -> tuple[float, ...]:
    """Return the shares of the cycle at which one phase ends and the next one begins."""
    return (*accumulate(job.phases.values()),)[:-1]
