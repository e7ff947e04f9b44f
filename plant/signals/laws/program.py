"""The signals of a machine type, compiled: laws with all their numbers, and what must be stored for each machine."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Final, NamedTuple

from plant.signals.laws.exact_tables import WalkGrid
from plant.signals.laws.parts import Lag
from plant.signals.laws.signal_laws import Law
from plant.signals.laws.situations import Situations

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
WEEK_MS: Final = 7 * DAY_MS
BEFORE_1970_MS: Final = 3 * DAY_MS
"""From Monday to Thursday, which 1970 began with."""
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


@dataclass(frozen=True)
class SignalProgram:
    """The signals of a machine type. Equal programs have the same bytes for the same machines, times and events.

    laws: of all signals, in their order; a law refers to others by number.  names, shown: by number, too.
    lags, walks, ramps, set_points, counters, registers: what the laws refer to by their numbers.
    producing: 1 for each situation in which jobs advance, otherwise 0.
    levels: the causes that change signals, by name.  held: those that hold what is reported.
    """

    situations: Situations
    time_zone: str
    names: tuple[str, ...]
    laws: tuple[Law, ...]
    shown: tuple[int, ...]
    lags: tuple[Lag, ...]
    walks: tuple[WalkGrid, ...]
    ramps: tuple[RampReset, ...]
    set_points: tuple[SettablePoint, ...]
    counters: tuple[Counted, ...]
    registers: tuple[Metered, ...]
    producing: array[float]
    levels: tuple[str, ...]
    held: tuple[str, ...]
    plant: SignalProgram | None

    @property
    def shown_names(self) -> tuple[str, ...]:
        """The names of the signals in messages."""
        return tuple(self.names[number] for number in self.shown)

    @property
    def integers(self) -> tuple[RampReset | Counted | Metered | Begun, ...]:
        """What is stored of each machine as integers, in this order."""
        return (*self.ramps, *self.counters, *self.registers, *map(Begun, self.levels))

    @property
    def floats(self) -> tuple[str | SettablePoint | LevelPart | Held, ...]:
        """What is stored of each machine as floating point numbers, in this order.

        Lags by name, set points, three numbers of each level, and what is held.
        """
        levels = (LevelPart(cause, which) for cause in self.levels for which in range(LEVEL_PARTS))
        return (*(lag.signal for lag in self.lags), *self.set_points, *levels, *map(Held, self.held))
