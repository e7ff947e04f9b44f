"""Episodes of faults, and the machine that they are on."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from plant.definition.faults.fault_type import Consequence, FaultType
from plant.faults.levels import Level
from plant.random_stream import RandomStream
from plant.truth.events import FaultEpisode


class AffectedMachine(Protocol):
    """A machine as its conditions see it."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def stream(self) -> RandomStream:
        """Its random stream."""

    @property
    def produces(self) -> bool:
        """Whether its jobs advance now."""

    def enter_by_cause(self, state: str, now_ms: int) -> bool:
        """Enter a state because of a fault or wear; return False if its type has no such state any more."""

    def level_changed(self, cause: str, level: Level, now_ms: int) -> None:
        """Note that a cause has another level from now on."""

    def episode_began(self, episode: FaultEpisode) -> None:
        """Note that an episode has begun."""

    def report_episode(self, episode: FaultEpisode) -> None:
        """Report an episode that has ended, or is still open where the report ends."""

    def spread(self, consequence: Consequence, fault: Injected, now_ms: int) -> None:
        """Have a fault begin on other machines."""


class Episode(NamedTuple):
    """An episode of a fault. number: of this fault on this machine.  why: what has begun it."""

    fault: FaultType
    number: int
    from_ms: int
    severity: float
    why: str


class Injected(NamedTuple):
    """A fault that is to begin because of something outside. severity, duration_ms: None where they are drawn."""

    fault: str
    severity: float | None
    duration_ms: int | None
    why: str
