"""What a machine is subject to: its faults, which come and go, and its wear.

A fault by chance begins after an exponential time of producing; one of a sensor, and one with a chance a day, after
such a time of any kind. Wear grows with the time of producing. So there are two clocks: plant time, and the producing
time of the machine, which stops in every other state. What is due on the second one has a time only while the machine
produces.
All draws are of the machine, the cause and the number of its episode: they depend on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import ceil, log1p
from typing import Final

from plant.definition.faults.fault_type import ON_MACHINE, Causes, Consequence, Effects, FaultType, WearType
from plant.faults.due_list import Due, DueList
from plant.faults.episodes import (
    BY_CHANCE,
    BY_COMMAND,
    BY_SCHEDULE,
    AffectedMachine,
    Episode,
    Injected,
    WornEpisode,
)
from plant.faults.job_factors import job_factors
from plant.faults.levels import NONE, UNLIMITED, Level, rising
from plant.random_stream import LONGEST, between
from plant.truth.events import FaultEpisode

HOUR_MS: Final = 3_600_000


class MachineConditions:
    """The faults and the wear of one machine.

    causes: those of its type.  start_ms: of the run.
    active: the episodes of faults that have begun and not ended; those of wear are apart, as only a reset ends them.
    stay_cause: the state that the machine is in because of a cause, and the cause; None in any other stay.
    """

    __slots__ = (
        "_causes", "_clock", "_counts", "_ended_ms", "_injected", "_machine", "_order", "_produces", "_producing",
        "_since_ms", "_start_ms", "_worked_ms", "_worn", "_worn_from", "active", "stay_cause",
    )  # fmt: skip

    def __init__(self, machine: AffectedMachine, causes: Causes, start_ms: int, now_ms: int) -> None:
        self._machine, self._causes, self._start_ms = machine, Causes(), start_ms
        self.active: dict[str, Episode] = {}
        self.stay_cause: tuple[str, str] | None = None
        self._clock, self._producing = DueList(), DueList()
        self._counts: dict[str, int] = {}
        self._ended_ms: dict[str, int] = {}
        self._injected: dict[int, Injected] = {}
        self._worn_from: dict[str, float] = {}
        self._worn: dict[str, WornEpisode] = {}
        self._order = 0
        self._worked_ms, self._since_ms, self._produces = 0, now_ms, machine.produces
        # What is scheduled for the first moment of the machine belongs to it.
        self.apply(causes, now_ms, now_ms - 1)

    @property
    def next_ms(self) -> int | None:
        """The time at which something is due; None if nothing is."""
        due = [int(self._clock.first.at)] if self._clock else []
        if self._produces and self._producing:
            due.append(self._since_ms + max(0, ceil(self._producing.first.at - self._worked_ms)))
        return min(due, default=None)

    @property
    def counts_producing(self) -> bool:
        """Whether the clock of producing runs."""
        return self._produces

    def step(self, now_ms: int) -> None:
        """Let happen what is due."""
        due = (self._clock if self._clock and self._clock.first.at <= now_ms else self._producing).pop()
        act: Callable[[MachineConditions, Due, int], None] = _ACTS[due.act]
        act(self, due, now_ms)

    def apply(self, causes: Causes, now_ms: int, after_ms: int | None = None) -> None:
        """Follow other declarations from now on: what has not changed goes on. after_ms: the schedule begins then."""
        before, self._causes = self._causes, causes
        for name in [name for name in self.active if name not in causes.faults]:
            self._end(name, now_ms)
        for name in [name for name in self._worn if name not in causes.wear]:
            self._end_worn(name, now_ms)
        changed = {name for name, each in before.faults.items() if causes.faults.get(name) != each}
        changed |= {name for name, each in before.wear.items() if causes.wear.get(name) != each}
        is_changed: Callable[[Due], bool] = lambda due: due.cause in changed and due.act in _DECLARED  # noqa: E731
        self._clock.remove(is_changed)
        self._producing.remove(is_changed)
        for name, each in causes.faults.items():
            if before.faults.get(name) != each:
                self._follow(each, now_ms, now_ms if after_ms is None else after_ms)
        for name, worn in causes.wear.items():
            if name not in self._worn_from:
                self._worn_from[name] = -self._draw(name, 0)[0] * worn.life_ms
            if before.wear.get(name) != worn:
                self._follow_wear(worn, now_ms)

    def state_changed(self, now_ms: int) -> None:
        """Continue, or stop, the clock of producing: the machine is in another state."""
        self._worked_ms, self._since_ms = self.worked_ms(now_ms), now_ms
        self._produces = self._machine.produces
        for name in self._causes.levels:
            if name in self._causes.wear:
                self._machine.level_changed(name, self.level(name), now_ms)

    def stay_ended(self, state: str, now_ms: int) -> None:
        """End the faults and the wear that the end of a stay ends."""
        for name in [name for name, each in self.active.items() if each.fault.until == state]:
            self._end(name, now_ms)
        for name, worn in self._causes.wear.items():
            if worn.resets == state:
                self._worn_from[name] = self.worked_ms(now_ms)
                self._counts[name] = self._counts.get(name, 0) + 1
                self._end_worn(name, now_ms)
                self._follow_wear(worn, now_ms)
                self._machine.level_changed(name, self.level(name), now_ms)

    def begin(self, injected: Injected, now_ms: int) -> bool:
        """Begin a fault because of something outside; return False if it is there already, or the type has none.

        Nothing leads to a fault in the millisecond in which it has ended: a circle of causes would never leave it.
        """
        fault = self._causes.faults.get(injected.fault)
        if fault is None or fault.name in self.active:
            return False
        if injected.why != BY_COMMAND and self._ended_ms.get(fault.name) == now_ms:
            return False
        self._begin(fault, injected.severity, injected.duration_ms, injected.why, now_ms)
        return True

    def begin_later(self, injected: Injected, at_ms: int) -> None:
        """Begin a fault at a later time because of something outside, unless it is there already then."""
        due = self._due(at_ms, _INJECTED, injected.fault)
        self._injected[due.order] = injected
        self._clock.add(due)

    def clear(self, fault: str, now_ms: int) -> bool:
        """End a fault; return False if it is not there."""
        if fault not in self.active:
            return False
        self._end(fault, now_ms)
        return True

    def close(self, now_ms: int, *, is_open: bool) -> None:
        """Report the episodes that have not ended. is_open: whether they go on."""
        for episode in self._episodes:
            self._machine.report_episode(episode.reported(self._machine.id, now_ms, is_open=is_open))

    def open_episodes(self, now_ms: int) -> list[FaultEpisode]:
        """Return the episodes that have begun and not ended."""
        return [episode.reported(self._machine.id, now_ms, is_open=True) for episode in self._episodes]

    def worked_ms(self, now_ms: int) -> int:
        """Return the time of producing so far."""
        return self._worked_ms + (now_ms - self._since_ms) * self._produces

    def level(self, name: str) -> Level:
        """Return the level of a cause from the last change of it, or of the state, on."""
        if name in self._causes.wear:
            life_ms = self._causes.wear[name].life_ms
            worn_ms = self._worked_ms - self._worn_from[name]
            return Level(self._since_ms, worn_ms / life_ms, self._produces / life_ms, UNLIMITED)
        episode = self.active.get(name)
        if episode is None:
            return NONE
        sensor = episode.fault.sensor
        if sensor and sensor.per_hour:
            return Level(episode.from_ms, 0.0, episode.severity * sensor.per_hour / HOUR_MS, UNLIMITED)
        return rising(episode.from_ms, episode.severity, episode.fault.ramp_ms)

    def levels(self) -> Iterator[tuple[str, Level]]:
        """Yield the level of each cause that changes signals."""
        return ((name, self.level(name)) for name in self._causes.levels)

    def job_factors(self, now_ms: int) -> tuple[float, dict[str, float], tuple[str, ...]] | None:
        """Return factors of the cycle and of the weights of results of a job that starts now, with their causes.

        None where nothing changes jobs.
        """
        causes = [(name, effects, level) for name, effects, level in self._effects(now_ms) if effects.change_jobs]
        names = tuple(name for name, _, _ in causes if name in self.active)
        return (*job_factors(each[1:] for each in causes), names) if causes else None

    def stay_factor(self, state: str, now_ms: int) -> float:
        """Return the factor of a stay that begins now."""
        factor = 1.0
        for _, effects, level in self._effects(now_ms):
            factor *= max(0.0, 1.0 + effects.dwell.get(state, 0.0) * level)
        return factor

    # what happens

    def _begin_by_chance(self, due: Due, now_ms: int) -> None:
        self._begin(self._causes.faults[due.cause], None, None, BY_CHANCE, now_ms)

    def _begin_scheduled(self, due: Due, now_ms: int) -> None:
        fault = self._causes.faults[due.cause]
        planned = fault.schedule[due.number]
        if fault.name not in self.active:
            self._begin(fault, planned.severity, planned.duration_ms, BY_SCHEDULE, now_ms)

    def _begin_injected(self, due: Due, now_ms: int) -> None:
        self.begin(self._injected.pop(due.order), now_ms)

    def _end_due(self, due: Due, now_ms: int) -> None:
        self._end(due.cause, now_ms)

    def _lead(self, due: Due, now_ms: int) -> None:
        episode = self.active[due.cause]
        self._follow_consequence(episode.fault.leads_to[due.number], due, episode.number, episode.severity, now_ms)

    def _lead_by_wear(self, due: Due, now_ms: int) -> None:
        worn = self._causes.wear[due.cause]
        self._follow_consequence(worn.leads_to[due.number], due, self._counts.get(due.cause, 0), 1.0, now_ms)

    def _follow_consequence(
        self, consequence: Consequence, due: Due, episode: int, severity: float, now_ms: int
    ) -> None:
        if consequence.state is not None:
            if self._machine.enter_by_cause(consequence.state, now_ms):
                self.stay_cause = consequence.state, due.cause
            return
        if consequence.severity is not None:
            severity = between(*consequence.severity, self._draw_consequence(due, episode)[2])
        fault = Injected(consequence.fault or "", severity, None, f"{self._machine.id}/{due.cause}")
        if consequence.spreads_to == ON_MACHINE:
            self.begin(fault, now_ms)
        else:
            self._machine.spread(consequence, fault, now_ms)

    def _begin(self, fault: FaultType, severity: float | None, duration_ms: int | None, why: str, now_ms: int) -> None:
        name = fault.name
        number = self._counts[name] = self._counts.get(name, 0) + 1
        _, severity_at, duration_at, _ = self._draw(name, number)
        if severity is None:
            severity = between(*fault.severity, severity_at)
        if duration_ms is None and fault.duration_ms is not None:
            duration_ms = max(1, round(between(*fault.duration_ms, duration_at)))
        self.active[name] = Episode(fault, number, now_ms, severity, why)
        self._remove(name, _CHANCE)
        if duration_ms is not None:
            self._clock.add(self._due(now_ms + duration_ms, _END, name))
        for place, consequence in enumerate(fault.leads_to):
            due = self._due(now_ms, _LEAD, name, place)
            chance_at, after_at, _, _ = self._draw_consequence(due, number)
            if chance_at < consequence.chance:
                after_ms = round(between(*consequence.after_ms, after_at))
                self._clock.add(due._replace(at=now_ms + after_ms))
        self._machine.episode_began(self.active[name].reported(self._machine.id, now_ms, is_open=True))
        self._machine.level_changed(name, self.level(name), now_ms)

    def _end(self, name: str, now_ms: int) -> None:
        episode = self.active.pop(name)
        self._ended_ms[name] = now_ms
        self._remove(name, _END, _LEAD)
        self._machine.report_episode(episode.reported(self._machine.id, now_ms, is_open=False))
        self._machine.level_changed(name, NONE, now_ms)
        if name in self._causes.faults:
            self._add_chance(self._causes.faults[name], now_ms)

    def _begin_worn(self, due: Due, now_ms: int) -> None:
        episode = self._worn[due.cause] = WornEpisode(self._causes.wear[due.cause], now_ms)
        self._machine.episode_began(episode.reported(self._machine.id, now_ms, is_open=True))

    def _end_worn(self, name: str, now_ms: int) -> None:
        if name in self._worn:
            episode = self._worn.pop(name)
            self._machine.report_episode(episode.reported(self._machine.id, now_ms, is_open=False))

    @property
    def _episodes(self) -> tuple[Episode | WornEpisode, ...]:
        return (*self.active.values(), *self._worn.values())

    # what is due

    def _follow(self, fault: FaultType, now_ms: int, after_ms: int) -> None:
        """Add what a fault that is new has due. after_ms: only what is scheduled after that time."""
        if fault.name not in self.active:
            self._add_chance(fault, now_ms)
        for number, each in enumerate(fault.schedule):
            at_ms = self._start_ms + (each.after_ms or 0) if each.at_ms is None else each.at_ms
            if each.machine in (None, self._machine.id) and at_ms > after_ms:
                self._clock.add(self._due(at_ms, _SCHEDULED, fault.name, number))

    def _add_chance(self, fault: FaultType, now_ms: int) -> None:
        if fault.mean_ms is None:
            return
        gap_ms = -log1p(-self._draw(fault.name, self._counts.get(fault.name, 0) + 1)[0]) * min(fault.mean_ms, LONGEST)
        due = self._due(round(gap_ms), _CHANCE, fault.name)
        if fault.at_any_time:
            self._clock.add(due._replace(at=now_ms + due.at))
        else:
            self._producing.add(due._replace(at=self.worked_ms(now_ms) + due.at))

    def _follow_wear(self, worn: WearType, now_ms: int) -> None:
        """Add what wear that is new, or has been reset, has due: first its label, which belongs to what it leads to."""
        self._remove(worn.name, _WORN, _LABEL)
        label = self._due(self._worn_from[worn.name] + worn.label_from * worn.life_ms, _LABEL, worn.name)
        if label.at > self.worked_ms(now_ms):
            self._end_worn(worn.name, now_ms)
            self._producing.add(label)
        elif worn.name not in self._worn:
            self._clock.add(label._replace(at=now_ms))
        number, began = self._counts.get(worn.name, 0), self._worn_from[worn.name]
        for place, consequence in enumerate(worn.leads_to):
            due = self._due(began + consequence.at * worn.life_ms, _WORN, worn.name, place)
            if due.at > self.worked_ms(now_ms) and self._draw_consequence(due, number)[0] < consequence.chance:
                self._producing.add(due)

    def _due(self, at: float, act: str, cause: str, number: int = 0) -> Due:
        self._order += 1
        return Due(at, self._order, act, cause, number)

    def _remove(self, cause: str, *acts: str) -> None:
        for dues in (self._clock, self._producing):
            dues.remove(lambda due: due.cause == cause and due.act in acts)

    def _draw(self, name: str, number: int) -> tuple[float, float, float, float]:
        return self._machine.stream.draws(b"cause %b " % name.encode(), number)

    def _draw_consequence(self, due: Due, number: int) -> tuple[float, float, float, float]:
        return self._machine.stream.draws(b"leads %b %d " % (due.cause.encode(), due.number), number)

    def _effects(self, now_ms: int) -> Iterator[tuple[str, Effects, float]]:
        """Yield what is there now, with its level."""
        for name, episode in self.active.items():
            yield name, episode.fault.effects, self.level(name).at(now_ms)
        for name, worn in self._causes.wear.items():
            yield name, worn.effects, self.level(name).at(now_ms)


_CHANCE, _SCHEDULED, _INJECTED, _END, _LEAD, _WORN = "chance", "scheduled", "injected", "end", "lead", "worn"
_LABEL: Final = "label"
_DECLARED: Final = (_CHANCE, _SCHEDULED, _WORN, _LABEL)
"""What follows from the declaration of a cause alone."""

_ACTS: Final[Mapping[str, Callable[[MachineConditions, Due, int], None]]] = {
    _CHANCE: MachineConditions._begin_by_chance,  # noqa: SLF001 - of this class
    _SCHEDULED: MachineConditions._begin_scheduled,  # noqa: SLF001
    _INJECTED: MachineConditions._begin_injected,  # noqa: SLF001
    _END: MachineConditions._end_due,  # noqa: SLF001
    _LEAD: MachineConditions._lead,  # noqa: SLF001
    _WORN: MachineConditions._lead_by_wear,  # noqa: SLF001
    _LABEL: MachineConditions._begin_worn,  # noqa: SLF001
}
