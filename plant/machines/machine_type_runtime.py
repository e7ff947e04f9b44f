"""What all machines of one type share: the declaration and the YAML of the type, prepared for the hot path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import ceil
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from plant.definition.field_sources import FieldSource
from plant.definition.machine_config import MachineSpec
from plant.definition.machine_type import MachineType
from plant.definition.plant_config import PlantConfig
from plant.machines.jobs import NO_JOB, Jobs, json_text, milliseconds
from plant.machines.states import State
from plant.oee_accounting import OeeAccounts
from plant.random_stream import WeightedChoice

if TYPE_CHECKING:
    from plant.machines.machine import Machine

TRACE: Final = {"consumed_ids": FieldSource.FINISHED_CONSUMED}
"""The key that messages have after the declared ones where pieces flow."""


class MachineTypeRuntime:
    """A machine type as configured: what its machines need to draw states and jobs and to encode messages.

    period_ms: time between two regular messages of a machine.  results: reported jobs, counted by result.
    reports_each_job: whether jobs may be shorter than the period; each finished job then gets its own message.
    start_next: called when a machine has finished a job; starts the next one, or makes the machine wait.
    on_rescheduled: called when something outside a machine has moved its next event to an earlier time.
    """

    __slots__ = (
        "_has_progress",
        "_station_count",
        "_stations",
        "_template",
        "_values",
        "accounts",
        "declared",
        "initial_states",
        "jobs",
        "next_states",
        "on_rescheduled",
        "period_ms",
        "reports_each_job",
        "results",
        "spec",
        "start_next",
        "state_mix",
        "states",
    )  # fmt: skip

    def __init__(
        self,
        declared: MachineType,
        config: PlantConfig,
        spec: MachineSpec,
        results: Counter[str],
        accounts: OeeAccounts,
    ) -> None:
        self.declared, self.spec, self.results, self.accounts = declared, spec, results, accounts
        self.period_ms = milliseconds(config.period_seconds(spec))
        self.jobs = Jobs(declared, spec, config.job_seconds(spec))
        self.reports_each_job = self.jobs.ideal_ms < ceil(self.period_ms)
        self.start_next: Callable[[Machine, int], None] = _next_job
        self.on_rescheduled: Callable[[Machine], None] = _ignore
        self._stations: dict[int, tuple[str, bytes]] = {}
        self._station_count = len(spec.lines or "-") * len(spec.stations or "-")
        self.states = {name: self._state(name) for name in spec.status_distribution}
        # YAML mappings have no order: sorted, so that another order in the file changes no draw.
        shares = [(self.states[name], share) for name, share in sorted(spec.status_distribution.items())]
        self.initial_states = WeightedChoice(shares)
        self.next_states = WeightedChoice((state, share / state.dwell_ms) for state, share in shares)
        # Normalized and rounded: 70/20/10 and .7/.2/.1 are the same mix.
        self.state_mix = {
            name: (round(share, 12), self.states[name].dwell_ms) for name, share in spec.shares.items() if share
        }
        traced = config.flow is not None and config.flow.line.takes_pieces(declared.key)
        fields = {**declared.fields, **(TRACE if traced else {})}
        self._template = b",".join(b"%b:%%b" % json_text(name).replace(b"%", b"%%") for name in fields) + b"}"
        self._values = attrgetter(*(source.path for source in fields.values()))
        self._has_progress = FieldSource.PROGRESS in fields.values()

    def machine_id(self, number: int) -> str:
        """Return the id of the type's n-th machine."""
        return self.declared.machine_id.format(number=number)

    def station(self, number: int) -> tuple[str, bytes]:
        """Return a machine's station, also as JSON. Stations repeat in turn, and so do these two objects."""
        place = number % self._station_count
        if place not in self._stations:
            name = self.spec.station(number)
            self._stations[place] = name, json_text(name)
        return self._stations[place]

    def _state(self, name: str) -> State:
        return State(name, json_text(name), self.spec.dwell(name) * 1000, name == self.spec.producing_state)

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
        elif not (self._has_progress and machine.state.produces):
            machine.body = text
        return text


def _next_job(machine: Machine, now_ms: int) -> None:
    """Start the next job at once: the default for machines that do not wait for material."""
    job = machine.runtime.jobs.draw(machine.stream, machine.number, machine.job.number + 1, now_ms)
    machine.start_job(job, now_ms)


def _ignore(machine: Machine) -> None:
    """Do nothing: the default where no event queue advances the machine."""
