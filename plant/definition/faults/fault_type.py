"""A fault and wear of machines, as they are declared: causes, and what follows from each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

ON_MACHINE: Final = "machine"
"""A consequence for the machine itself; others are for its neighbours or along the flow."""

DOWNSTREAM, UPSTREAM = ALONG_FLOW = ("downstream", "upstream")
STUCK, SPIKE, DRIFT, DROPOUT = SENSOR_KINDS = ("stuck", "spike", "drift", "dropout")

LABEL_FROM: Final = 0.8
"""The wear from which on it is labelled, unless declared."""


class Effect(NamedTuple):
    """What a cause makes of a number at level 1: `(1 + more) * number + plus`, in proportion to the level."""

    more: float
    plus: float = 0.0


@dataclass(frozen=True, slots=True)
class Effects:
    """What a cause changes. signals, results, dwell: by the name of the signal, the result, the state.

    cycle, results, dwell: by how much more at level 1, as a share of the usual.
    """

    signals: Mapping[str, Effect] = field(default_factory=dict)
    cycle: float = 0.0
    results: Mapping[str, float] = field(default_factory=dict)
    dwell: Mapping[str, float] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """What is changed, in words of the language."""
        cycle = ("cycle_seconds",) if self.cycle else ()
        results = (f"results.{name}" for name in self.results)
        return (*self.signals, *cycle, *results, *(f"dwell_seconds.{name}" for name in self.dwell))

    @property
    def change_jobs(self) -> bool:
        """Whether jobs are different."""
        return bool(self.cycle or self.results)


@dataclass(frozen=True, slots=True)
class Consequence:
    """What a cause leads to: a state of the machine, or a fault on it or on others.

    after_ms: the shortest and longest time from the begin of the cause.  at: the wear at which it happens.
    severity: of the fault that begins; None for that of the cause.
    """

    state: str | None
    fault: str | None
    spreads_to: str = ON_MACHINE
    after_ms: tuple[int, int] = (0, 0)
    at: float = 1.0
    chance: float = 1.0
    severity: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Scheduled:
    """An episode at a certain time. at_ms: since 1970, or after_ms: since the start of the run.

    machine: the id of the machine; None for all.  severity, duration_ms: None where they are drawn.
    """

    at_ms: int | None
    after_ms: int | None
    machine: str | None
    severity: float | None
    duration_ms: int | None


@dataclass(frozen=True, slots=True)
class SensorEffect:
    """How a sensor fault changes what is reported of a signal: `kind` is one of SENSOR_KINDS.

    per_hour: of a drift.  amplitude, chance: of spikes, and the share of messages that have one.
    """

    signal: str
    kind: str
    per_hour: float = 0.0
    amplitude: float = 0.0
    chance: float = 0.0


@dataclass(frozen=True, slots=True)
class FaultType:
    """A fault of machines, or of a sensor, which then has the name of its signal and its kind: `temperature.stuck`.

    mean_ms: mean time from one episode to the next, of producing, or at_any_time; None if none come by chance.
    duration_ms: the shortest and longest; None if it lasts until something ends it.
    until: the state whose end ends it.  ramp_ms: time in which its effects grow.  severity: the least and greatest.
    """

    name: str
    mean_ms: float | None
    duration_ms: tuple[int, int] | None
    until: str | None
    ramp_ms: int
    severity: tuple[float, float]
    effects: Effects
    leads_to: Sequence[Consequence] = ()
    schedule: Sequence[Scheduled] = ()
    sensor: SensorEffect | None = None
    at_any_time: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class WearType:
    """Wear: 0 when new, 1 after life_ms of producing. resets: the state whose end sets it back to 0.

    label_from: the wear from which on it is labelled.
    """

    name: str
    life_ms: float
    resets: str
    effects: Effects
    leads_to: Sequence[Consequence] = ()
    label_from: float = LABEL_FROM
    description: str = ""


@dataclass(frozen=True, slots=True)
class Causes:
    """All faults and all wear of a machine type, by name. neighbours: ids of machines, by the id of each machine."""

    faults: Mapping[str, FaultType] = field(default_factory=dict)
    wear: Mapping[str, WearType] = field(default_factory=dict)
    neighbours: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.faults or self.wear)

    @property
    def lengthen_cycles(self) -> bool:
        """Whether any of them makes cycles longer."""
        of_faults = (fault.effects.cycle for fault in self.faults.values())
        return any((*of_faults, *(wear.effects.cycle for wear in self.wear.values())))

    @property
    def reach_others(self) -> bool:
        """Whether a fault of one machine may lead to one of another machine."""
        return any(each.spreads_to != ON_MACHINE for each in self._consequences)

    @property
    def _consequences(self) -> tuple[Consequence, ...]:
        of_faults = (each for fault in self.faults.values() for each in fault.leads_to)
        of_wear = (each for wear in self.wear.values() for each in wear.leads_to)
        return (*of_faults, *of_wear)

    @property
    def states(self) -> tuple[str, ...]:
        """The states that a cause leads to."""
        return tuple(dict.fromkeys(each.state for each in self._consequences if each.state is not None))

    def drops_out(self, signal: str) -> bool:
        """Return whether a sensor fault may leave a signal without a value."""
        sensors = (each.sensor for each in self.faults.values() if each.sensor)
        return any((each.signal, each.kind) == (signal, DROPOUT) for each in sensors)

    @property
    def levels(self) -> tuple[str, ...]:
        """The causes that change signals, by name: each has a level, 0 while it is not there."""
        faults = (each.name for each in self.faults.values() if each.effects.signals or each.sensor)
        return (*faults, *(each.name for each in self.wear.values() if each.effects.signals))
