"""The signals of a machine type, compiled: laws with all their numbers, and what must be stored for each machine."""

from __future__ import annotations

from array import array
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, NamedTuple

from plant.signals.laws.exact_tables import WalkGrid
from plant.signals.laws.frame import Memory
from plant.signals.laws.parts import Lag, Slew
from plant.signals.laws.signal_laws import Law
from plant.signals.laws.situations import Situations

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
YEAR_MS: Final = 31_556_952_000
"""A year of the Gregorian calendar on average, 365.2425 days."""

JOB: Final = "job"
LEVEL_PARTS: Final = 3
"""Numbers of a level: where it starts, its rate a millisecond, and the greatest."""

SECONDS_IN: Final = "seconds."
JOB_COUNTERS: Final = ("jobs", "good")


class RampReset(NamedTuple):
    """What sets a ramp back to 0. state: its beginning and its end do, if there is one; otherwise each new job."""

    signal: str
    state: str | None


class Counted(NamedTuple):
    """What a counter counts. state: the milliseconds in it; otherwise jobs, by one of JOB_COUNTERS or their result."""

    signal: str
    what: str
    state: str | None


class SettablePoint(NamedTuple):
    """A set point. start: its value before the first command.  low, high: what commands may set."""

    signal: str
    start: float
    low: float
    high: float


class Begun(NamedTuple):
    """When the level of a cause has last changed."""

    cause: str


class LevelPart(NamedTuple):
    """A number of a level: its start, its rate and its greatest value, by `which` of them."""

    cause: str
    which: int


class Held(NamedTuple):
    """What a sensor reports that is stuck."""

    cause: str


class Metered(NamedTuple):
    """What a register integrates, and its unit: 1 / unit is its last decimal."""

    signal: str
    source: str
    per_seconds: float
    unit: int


class Stepped(NamedTuple):
    """When the last step of a memory ended. key: of the first number of its state."""

    signal: str
    key: Hashable


class Kept(NamedTuple):
    """A number of the state of a memory."""

    signal: str
    key: Hashable


@dataclass(frozen=True)
class SignalProgram:
    """The signals of a machine type. Equal programs have the same bytes for the same machines, times and events.

    laws: of all signals, in their order; a law refers to others by number.  names, shown: by number, too.
    lags, walks, ramps, set_points, counters, registers, memories: what the laws refer to by their numbers.
    producing: 1 for each situation in which jobs advance, otherwise 0.
    levels: the causes that change signals, by name.  held: those that hold what is reported.
    """

    situations: Situations
    time_zone: str
    names: tuple[str, ...]
    laws: tuple[Law, ...]
    shown: tuple[int, ...]
    lags: tuple[Lag | Slew, ...]
    walks: tuple[WalkGrid, ...]
    ramps: tuple[RampReset, ...]
    set_points: tuple[SettablePoint, ...]
    counters: tuple[Counted, ...]
    registers: tuple[Metered, ...]
    memories: tuple[Memory, ...]
    producing: array[float]
    levels: tuple[str, ...]
    held: tuple[str, ...]
    plant: SignalProgram | None

    @property
    def shown_names(self) -> tuple[str, ...]:
        """The names of the signals in messages."""
        return tuple(self.names[number] for number in self.shown)

    @property
    def integers(self) -> tuple[RampReset | Counted | Metered | Begun | Stepped, ...]:
        """What is stored of each machine as integers, in this order."""
        return (*self.ramps, *self.counters, *self.registers, *map(Begun, self.levels), *self.steps)

    @property
    def steps(self) -> tuple[Stepped, ...]:
        """The last steps of memories, in their order."""
        return tuple(Stepped(memory.signal, memory.keys[0]) for memory in self.memories)

    @property
    def accumulates(self) -> bool:
        """Whether rows change what is stored: registers or memories."""
        return bool(self.registers or self.memories)

    @property
    def floats(self) -> tuple[str | SettablePoint | LevelPart | Held | Kept, ...]:
        """What is stored of each machine as floating point numbers, in this order.

        Lags by name, set points, three numbers of each level, what is held, and the states of memories.
        """
        levels = (LevelPart(cause, which) for cause in self.levels for which in range(LEVEL_PARTS))
        lags = (lag.signal for lag in self.lags)
        kept = (Kept(memory.signal, key) for memory in self.memories for key in memory.keys)
        return (*lags, *self.set_points, *levels, *map(Held, self.held), *kept)
