"""A machine type in its plant: what its machines may report, also those that differ from the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, isinf, lcm

from plant.definition.jobs.job_type import JobType
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.plant_config import PlantConfig
from plant.definition.states.reasons import code_and_text
from plant.jobs.jobs import milliseconds
from plant.machines.states import BLOCKED, CHANGEOVER, LATE_START, PLANNED_STOP, STARVED, STOPPED, WAITING


@dataclass(frozen=True, slots=True)
class MachineTypeContext:
    """A machine type in a plant, with its number of machines and the whole configuration."""

    machine_type: MachineType
    count: int
    config: PlantConfig

    @property
    def variants(self) -> tuple[MachineType, ...]:
        """The type, and as it is for single machines."""
        return (self.machine_type, *self.machine_type.overrides.values())

    @property
    def starves(self) -> bool:
        """Whether its machines may be starved: where pieces flow, those that take pieces from another stage."""
        return self.config.flow is not None and self.config.flow.line.starves(self.machine_type.key)

    @property
    def statuses(self) -> tuple[str, ...]:
        """Its own states, then those that may be imposed from outside: by commands on any machine of any plant."""
        in_flow = self.config.flow is not None and self.machine_type.key in self.config.flow.line.stages
        calendar = self.config.calendar_of(self.machine_type.site) is not None
        changes_over = any(each.lots.changeovers(each.job.kinds) for each in self.variants if each.lots and each.job)
        starts_late = calendar and self.machine_type.start_delay_seconds is not None
        imposed = (
            *((PLANNED_STOP, calendar), (BLOCKED, in_flow), (STARVED, self.starves)),
            *((CHANGEOVER, changes_over), (LATE_START, starts_late)),
            *((WAITING, self.machine_type.waits), (STOPPED, True)),
        )
        own = (*_possible(each.shares for each in self.variants), *self.machine_type.states)
        return tuple(dict.fromkeys((*own, *(state.name for state, may_be in imposed if may_be))))

    @property
    def has_jobs_outside_lots(self) -> bool:
        """Whether a machine may have no job, or one outside the lots, as where pieces flow."""
        return self.config.flow is not None and self.machine_type.key in self.config.flow.line.stages

    @property
    def is_made_to_order(self) -> bool:
        """Whether its machines work on units for customers' orders, in lots that travel with them."""
        return self.config.flow is not None and self.machine_type.key in self.config.flow.line.made_to_order

    @property
    def stations(self) -> tuple[str, ...]:
        """The stations that have machines of the type."""
        lines, stations = self.machine_type.lines, self.machine_type.stations
        turn = lcm(len(lines or "1"), len(stations or "1"))
        numbers = range(1, min(self.count, turn) + 1)
        return tuple(dict.fromkeys(self.machine_type.station(number) for number in numbers))

    @property
    def job(self) -> JobType:
        """What the machines make. Raises ValueError where they make nothing; no key reports a job then."""
        if self.machine_type.job is None:
            raise ValueError(f"{self.machine_type.key} makes nothing")
        return self.machine_type.job

    @property
    def results(self) -> tuple[str, ...]:
        """The results that its jobs may have."""
        return _possible(job.possible_results for job in self.jobs)

    @property
    def ends_early(self) -> tuple[str, ...]:
        """The results of jobs that may end before their time, sorted."""
        return tuple(sorted({fate for job in self.jobs for fate in job.on_stop.values() if fate is not None}))

    def reasons_of(self, names: Iterable[str], *, code: bool) -> tuple[str, ...]:
        """Return the codes, or the texts, of the reasons that states or results of these names may have."""
        rows = (self.machine_type.reasons[name] for name in names if name in self.machine_type.reasons)
        return tuple(dict.fromkeys(code_and_text(each)[0 if code else 1] for each in _possible(rows)))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that its jobs may have."""
        return _possible(job.kinds for job in self.jobs)

    @property
    def jobs(self) -> tuple[JobType, ...]:
        """What the machines make, and what single ones make."""
        return tuple(each.job for each in self.variants if each.job)

    @property
    def shortest_ms(self) -> int:
        """The shortest producing time of a job, in milliseconds; 0 without jobs."""
        return self._shortest_ms_of(self.machine_type)

    @property
    def shortest_of_variants_ms(self) -> int:
        """The shortest producing time of a job of any machine."""
        return min(map(self._shortest_ms_of, self.variants))

    @property
    def longest_of_shortest_ms(self) -> int:
        """The longest of the machines' shortest producing times."""
        return max(map(self._shortest_ms_of, self.variants))

    @property
    def own_ideal_seconds(self) -> tuple[tuple[str, float], ...]:
        """The shortest job of each machine for which it is another one than for the others, by id."""
        own = {number: self._shortest_ms_of(each) for number, each in self.machine_type.overrides.items()}
        differing = ((number, ms) for number, ms in own.items() if number <= self.count and ms != self.shortest_ms)
        return tuple((self.machine_type.id_of(number), ms / 1000) for number, ms in differing)

    @property
    def ideal_cycles(self) -> tuple[tuple[str, float], ...]:
        """The shortest cycle of each kind of job in seconds, where kinds have their own."""
        job, period_seconds = self.machine_type.job, self.config.job_period_seconds(self.machine_type)
        if job is None or not self.machine_type.has_own_cycles:
            return ()
        return tuple((kind, job.seconds_of(kind, period_seconds)[0]) for kind in job.kinds)

    def has_job_shorter_than(self, period_seconds: float) -> bool:
        """Return whether a job may be shorter than a period, by the milliseconds of the plant."""
        is_short = bool(self.jobs) and self.shortest_of_variants_ms < milliseconds(period_seconds)
        return is_short or any(job.may_be_scrapped for job in self.jobs)

    def _shortest_ms_of(self, machine_type: MachineType) -> int:
        seconds = self.config.job_seconds(machine_type)[0]
        return 0 if isinf(seconds) else ceil(milliseconds(seconds))


def _possible(weights: Iterable[Mapping[str, float]]) -> tuple[str, ...]:
    """Return what has a weight in one of several distributions, in order."""
    return tuple(dict.fromkeys(name for each in weights for name, weight in each.items() if weight))
