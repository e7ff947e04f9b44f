"""Faults that spread from one machine to others: to its neighbours, and along the flow of pieces.

Machines then depend on each other, so one event queue advances them all. A shard spreads faults among its own machines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from plant.definition.faults.fault_type import UPSTREAM, Consequence
from plant.definition.flow.line import Line
from plant.faults.episodes import Injected
from plant.fleets.fleet import Fleet
from plant.machines.machine import Machine

NEIGHBOURS: Final = "neighbours"


class FaultSpreading:
    """Begins faults on machines because of faults of others. line: of the flow, if pieces flow."""

    __slots__ = ("_fleets", "_line", "_machines")

    def __init__(self, fleets: Sequence[Fleet], line: Line | None) -> None:
        self._fleets: Final = {fleet.key: fleet for fleet in fleets}
        self._line: Final = line or Line()
        self._machines: Mapping[str, Machine] | None = None
        for machine in (machine for fleet in fleets for machine in fleet.machines):
            machine.runtime.on_spread = self.spread

    def spread(self, machine: Machine, consequence: Consequence, fault: Injected, now_ms: int) -> None:
        """Begin a fault on each of the machines that a consequence is for and that can have it."""
        for target in self._targets(machine, consequence.spreads_to, now_ms):
            if target.conditions is not None and target.conditions.begin(fault, now_ms):
                target.reschedule()
                target.runtime.on_rescheduled(target)

    def _targets(self, machine: Machine, on: str, now_ms: int) -> Iterator[Machine]:
        if on == NEIGHBOURS:
            named = machine.runtime.machine_type.causes.neighbours.get(machine.id, ())
            yield from (self._all[each] for each in named if each in self._all)
            return
        for key in self._stages(machine.runtime.machine_type.key, on):
            machines = self._fleets[key].machines if key in self._fleets else []
            if machines:  # pieces go to any machine of the stage: one of them
                chosen, _, _, _ = machine.stream.draws(b"spread %b " % key.encode(), now_ms)
                yield machines[int(chosen * len(machines))]

    def _stages(self, key: str, on: str) -> Iterator[str]:
        """Yield the machine types that take the pieces of a type, or whose pieces it takes."""
        stages = self._line.stages
        if on == UPSTREAM:
            yield from stages[key].sources if key in stages else ()
        else:
            yield from (other for other, stage in stages.items() if key in stage.sources)

    @property
    def _all(self) -> Mapping[str, Machine]:
        """All machines, by id; found when the first is asked for."""
        if self._machines is None:
            fleets = self._fleets.values()
            self._machines = {machine.id: machine for fleet in fleets for machine in fleet.machines}
        return self._machines
