"""What the machines of one type share: its declaration and its YAML, ready for use."""

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
"""What rows say beside the declared fields where pieces flow."""


class MachineTypeRuntime:
    """All that the machines of one type have in common: a declaration and its YAML, ready for use.

    `period_ms` is the time between a machine's regular rows; `results` counts the reported jobs by their result.
    `crowded`: jobs may be too short for each to fit a regular row of its own.
    `start_next` is told of a machine that has finished a job: it lets the next one begin, or has the machine wait.
    `on_rescheduled` is told of a machine whose next event has come nearer by something from outside.
    """

    __slots__ = (
        "_moves",
        "_stations",
        "_stations_round",
        "_template",
        "_values",
        "accounts",
        "crowded",
        "declared",
        "jobs",
        "on_rescheduled",
        "period_ms",
        "results",
        "shares",
        "spec",
        "start_next",
        "state_mix",
        "states",
        "visits",
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
        self.crowded = self.jobs.ideal_ms < ceil(self.period_ms)
        self.start_next: Callable[[Machine, int], None] = _next_job
        self.on_rescheduled: Callable[[Machine], None] = _ignore
        self._stations: dict[int, tuple[str, bytes]] = {}
        self._stations_round = len(spec.lines or "-") * len(spec.stations or "-")
        self.states = {name: self._state(name) for name in spec.status_distribution}
        # Mappings have no order in YAML: sorted, so that writing them in another one changes no draw.
        shares = [(self.states[name], share) for name, share in sorted(spec.status_distribution.items())]
        self.shares = WeightedChoice(shares)
        self.visits = WeightedChoice((state, share / state.dwell_ms) for state, share in shares)
        # Weights come to the same in many ways: 70/20/10 is .7/.2/.1.
        self.state_mix = {
            name: (round(share, 12), self.states[name].dwell_ms) for name, share in spec.shares.items() if share
        }
        traced = config.flow is not None and config.flow.takes(declared.key, spec.results)
        fields = {**declared.fields, **(TRACE if traced else {})}
        self._template = b",".join(b"%b:%%b" % json_text(name).replace(b"%", b"%%") for name in fields) + b"}"
        self._values = attrgetter(*(source.path for source in fields.values()))
        self._moves = FieldSource.PROGRESS in fields.values()

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


def _next_job(machine: Machine, now_ms: int) -> None:
    """A machine that stands alone begins its next job at once."""
    job = machine.runtime.jobs.draw(machine.stream, machine.number, machine.job.number + 1, now_ms)
    machine.begin(job, now_ms)


def _ignore(machine: Machine) -> None:
    """Nobody waits for the machine's events."""
