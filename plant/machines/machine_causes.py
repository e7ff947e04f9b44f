"""Machines under faults and wear: what causes do to a machine, and what they know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from plant.definition.faults.fault_type import Consequence
from plant.faults.conditions import MachineConditions
from plant.faults.episodes import Injected
from plant.faults.levels import Level
from plant.machines.states import State, interrupted_by
from plant.random_stream import RandomStream
from plant.truth.events import FaultEpisode

if TYPE_CHECKING:
    from plant.machines.machine import Machine


_SHORTEST_MS: Final = 100
"""No cause makes a stay shorter than this; without a length, stays would follow each other for ever."""


class MachineUnderCauses:
    """A machine as its conditions see it."""

    __slots__ = ("_machine",)

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    @property
    def id(self) -> str:
        """Its id."""
        return self._machine.id

    @property
    def stream(self) -> RandomStream:
        """Its random stream."""
        return self._machine.stream

    @property
    def produces(self) -> bool:
        """Whether its jobs advance now."""
        return self._machine.state.produces

    def enter_by_cause(self, state: str, now_ms: int) -> bool:
        """Enter a state because of a fault or wear; return False if its type has no such state any more."""
        entered = self._machine.runtime.states.get(state)
        if entered is not None:
            self._machine.set_state(entered, None, now_ms)
        return entered is not None

    def level_changed(self, cause: str, level: Level, now_ms: int) -> None:
        """Pass on that a cause has another level from now on."""
        if self._machine.runtime.observer is not None:
            self._machine.runtime.observer.level_changed(self._machine, cause, level, now_ms)

    def episode_began(self, episode: FaultEpisode) -> None:
        """Note that an episode of a fault has begun."""
        self._machine.runtime.faults.begin(self._machine.number, episode)

    def report_episode(self, episode: FaultEpisode) -> None:
        """Report an episode of a fault, which has ended or is open, to the listener."""
        if not episode.is_open:
            self._machine.runtime.faults.end(self._machine.number, episode)
        if self._machine.runtime.accounts.listener is not None:
            self._machine.runtime.accounts.listener(episode)

    def spread(self, consequence: Consequence, fault: Injected, now_ms: int) -> None:
        """Have a fault begin on other machines."""
        self._machine.runtime.on_spread(self._machine, consequence, fault, now_ms)


def renewed_conditions(machine: Machine, now_ms: int) -> MachineConditions | None:
    """Return the conditions of a machine under the faults and the wear that its type has now."""
    causes = machine.runtime.machine_type.causes
    if machine.conditions is not None:
        machine.conditions.apply(causes, now_ms)
        if machine.conditions.counts_producing is not machine.state.produces:
            machine.conditions.state_changed(now_ms)
        return machine.conditions if causes else None
    if not causes:
        return None
    return MachineConditions(MachineUnderCauses(machine), causes, machine.runtime.start_ms, now_ms)


def step_conditions(machine: Machine) -> None:
    """Let happen what faults or wear of a machine have due."""
    if machine.conditions is not None:
        machine.conditions.step(machine.cause_ms)
    machine.reschedule()


def next_stay(machine: Machine, left: State, entered: State, stay_ms: int, now_ms: int) -> int:
    """End the faults that the end of a stay ends, and return the length of the next one as the others make it.

    An interruption that ends otherwise than by its return ends the stay that it has interrupted.
    """
    conditions = machine.conditions
    if conditions is None:
        return stay_ms
    if (ended := interrupted_by(left)).name != entered.name:
        conditions.stay_ended(ended.name, now_ms)
    return max(min(stay_ms, _SHORTEST_MS), round(stay_ms * conditions.stay_factor(entered.name, now_ms)))
