"""Episodes of faults, and the machine that they are on."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from plant.definition.faults.fault_type import Consequence, FaultType, WearType
from plant.faults.levels import Level
from plant.random_stream import RandomStream
from plant.truth.events import FaultEpisode

BY_CHANCE, BY_SCHEDULE, BY_COMMAND, BY_WEAR = "chance", "schedule", "command", "wear"
"""Why an episode began; a consequence has the name of its cause."""


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

    def reported(self, machine_id: str, now_ms: int, *, is_open: bool) -> FaultEpisode:
        """Return it as it is up to now. is_open: whether it goes on."""
        fault = self.fault
        return FaultEpisode(
            machine_id=machine_id,
            fault=fault.name,
            from_ms=self.from_ms,
            to_ms=now_ms,
            severity=self.severity,
            ramp_ms=fault.ramp_ms,
            why=self.why,
            effects=fault.effects.names,
            signal=fault.sensor.signal if fault.sensor else None,
            is_open=is_open,
        )


class WornEpisode(NamedTuple):
    """Wear from where it passes `label_from` up to its reset."""

    worn: WearType
    from_ms: int

    def reported(self, machine_id: str, now_ms: int, *, is_open: bool) -> FaultEpisode:
        """Return it as it is up to now: its effects have grown to those of severity 1 in the life of what wears."""
        worn = self.worn
        ramp_ms, effects = round(worn.life_ms), worn.effects.names
        return FaultEpisode(
            machine_id, worn.name, self.from_ms, now_ms, 1.0, ramp_ms, BY_WEAR, effects, is_open=is_open
        )


class Injected(NamedTuple):
    """A fault that is to begin because of something outside. severity, duration_ms: None where they are drawn."""

    fault: str
    severity: float | None
    duration_ms: int | None
    why: str
