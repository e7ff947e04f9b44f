"""How often faults and wear come: the labels an hour of a machine, in the long run, from mean values.

A fault by chance begins P / mean times an hour of the time without it, with P the share of producing, or 1 for one that
comes at any time; what leads to it comes on top. One that lasts until a state ends, ends with a visit of that state:
one that it leads to, or another one, whichever comes first. Wear is reset by visits of a state, and by those that it
leads to. Visits follow from faults in turn, so the rates are found by repetition. Visits are taken to come at random;
what is scheduled, what spreads from other machines, and what causes do to stays and cycles is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from plant.definition.faults.fault_type import ON_MACHINE, Consequence, FaultType, WearType
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.plant_config import PlantConfig
from plant.forecast.throughput import changeovers_per_job, jobs_per_hour

_HOUR_MS: Final = 3_600_000
_ROUNDS: Final = 30
_STEPS: Final = 20
"""Times of a range at which a function of time is taken for its mean."""


class _Reset(NamedTuple):
    """What wear leads to, and resets it by. at: the wear at which.  chance: of those that come so far."""

    at: float
    chance: float


@dataclass(slots=True)
class _Rates:
    """Rates an hour of one machine, as they are known so far.

    own: the share of time that neither changeovers nor causes take.  entered: visits of states, by cause and state.
    begun: begins of faults, by cause and fault.
    """

    type: MachineType
    own: float
    entered: dict[tuple[str, str], float] = field(default_factory=dict)
    begun: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def producing(self) -> float:
        """The share of producing."""
        return self.own * self.type.shares.get(self.type.producing_state, 0.0)

    def visits(self, state: str, *without: str) -> float:
        """Return the visits of a state, except those that some causes lead to."""
        caused = (rate for (cause, name), rate in self.entered.items() if name == state and cause not in without)
        return self.own * 3600 * self.type.visits_per_second.get(state, 0.0) + math.fsum(caused)

    def stay_hours(self, state: str) -> float:
        """Return the mean length of a visit."""
        per_second = self.type.visits_per_second.get(state, 0.0)
        return (self.type.shares[state] / per_second if per_second else self.type.states[state].dwell_seconds) / 3600


def labels_per_day(config: PlantConfig) -> Mapping[tuple[str, str], float]:
    """Return the labels a day of all machines together, by the key of their type and the name of the cause."""
    found: dict[tuple[str, str], float] = {}
    for key, machine_type, count in config.machines():
        others = [each for number, each in machine_type.overrides.items() if number <= count]
        for variant, machines in ((machine_type, count - len(others)), *((each, 1) for each in others)):
            for name, per_hour in labels_per_hour(config, variant).items():
                found[key, name] = found.get((key, name), 0.0) + 24 * machines * per_hour
    return found


def labels_per_hour(config: PlantConfig, machine_type: MachineType) -> Mapping[str, float]:
    """Return the labels an hour of each fault and of each wear of a machine, by name."""
    causes, found = machine_type.causes, dict[str, float]()
    if not causes:
        return found
    _, changeover_seconds = changeovers_per_job(config, machine_type)
    share = jobs_per_hour(config, machine_type, 1) * changeover_seconds / 3600 if changeover_seconds else 0.0
    rates = _Rates(machine_type, 1 - share)
    for _ in range(_ROUNDS):
        found = {name: _faults_per_hour(fault, rates) for name, fault in causes.faults.items()}
        lives = {name: _Lives(worn, rates) for name, worn in causes.wear.items()}
        rates = _followed(rates, share, found, lives)
        found |= {name: each.per_hour * each.reaching(causes.wear[name].label_from) for name, each in lives.items()}
    return found


def _followed(rates: _Rates, changeovers: float, faults: Mapping[str, float], lives: Mapping[str, _Lives]) -> _Rates:
    """Return the rates that follow from what causes lead to."""
    causes, after = rates.type.causes, _Rates(rates.type, rates.own)
    led = [(name, *each) for name, rate in faults.items() for each in _of_fault(causes.faults[name], rate, rates)]
    for name, each in lives.items():
        led += [(name, to, each.per_hour * each.reaching(to.at) * to.chance) for to in causes.wear[name].leads_to]
    for name, consequence, rate in led:
        if consequence.state in rates.type.states:
            place = name, str(consequence.state)
            after.entered[place] = after.entered.get(place, 0.0) + rate
        elif consequence.spreads_to == ON_MACHINE:
            place = name, str(consequence.fault)
            after.begun[place] = after.begun.get(place, 0.0) + rate
    stopped = math.fsum(rate * rates.stay_hours(state) for (_, state), rate in after.entered.items())
    after.own = max(0.0, 1 - changeovers) / (1 + stopped)
    return after


def _of_fault(fault: FaultType, per_hour: float, rates: _Rates) -> Iterator[tuple[Consequence, float]]:
    """Yield what a fault leads to, and how often: where it still is there after that time."""
    for each in fault.leads_to:
        yield each, per_hour * each.chance * _mean_over(each.after_ms, lambda hours: _lasting(fault, hours, rates))


def _faults_per_hour(fault: FaultType, rates: _Rates) -> float:
    """Return the episodes an hour: the begins an hour of the time without any, of which each takes its length."""
    begins = math.fsum(rate for (_, name), rate in rates.begun.items() if name == fault.name)
    if fault.mean_ms is not None:
        begins += (1.0 if fault.at_any_time else rates.producing) * _HOUR_MS / fault.mean_ms
    hours = _length_hours(fault, rates)
    return begins / (1 + begins * hours) if begins and math.isfinite(hours) else 0.0


def _length_hours(fault: FaultType, rates: _Rates) -> float:
    """Return the mean length of an episode; infinite where nothing ends it."""
    limit = math.inf if fault.duration_ms is None else sum(fault.duration_ms) / 2 / _HOUR_MS
    if fault.until is None:
        return limit
    others = rates.visits(fault.until, fault.name)
    led = next((each for each in fault.leads_to if each.state == fault.until), None)
    chance = led.chance if led else 0.0
    wait = _mean_over(led.after_ms, lambda hours: _mean_before(hours, others)) * chance if led else 0.0
    if chance < 1:
        wait += (1 - chance) * _mean_before(math.inf, others)
    return min(limit, wait + rates.stay_hours(fault.until))


def _lasting(fault: FaultType, hours: float, rates: _Rates) -> float:
    """Return the chance that an episode is there after a time."""
    others = rates.visits(fault.until, fault.name) if fault.until else 0.0
    chance = math.exp(-others * hours)
    if fault.duration_ms is None:
        return chance
    shortest, longest = (each / _HOUR_MS for each in fault.duration_ms)
    if hours <= shortest:
        return chance
    return chance * max(0.0, longest - hours) / (longest - shortest) if longest > shortest else 0.0


def _mean_before(hours: float, per_hour: float) -> float:
    """Return the mean time to the next of events that come at random, or to an hour if that comes first."""
    return -math.expm1(-per_hour * hours) / per_hour if per_hour else hours


def _mean_over(range_ms: tuple[int, int], function: Callable[[float], float]) -> float:
    """Return the mean of a function of the hours of a range."""
    shortest, longest = (each / _HOUR_MS for each in range_ms)
    steps = _STEPS if longest > shortest else 1
    return math.fsum(function(shortest + (step + 0.5) / steps * (longest - shortest)) for step in range(steps)) / steps


class _Lives:
    """The lives of what wears, from one reset to the next. per_hour: how many there are an hour."""

    def __init__(self, worn: WearType, rates: _Rates) -> None:
        causes = rates.type.causes
        led = {each.fault for each in worn.leads_to if each.spreads_to == ON_MACHINE} & causes.faults.keys()
        self._life_hours = worn.life_ms / _HOUR_MS
        self._own = sorted(each for to in worn.leads_to for each in self._resets(to, worn, rates))
        others = rates.visits(worn.resets, worn.name, *(str(each) for each in led))
        self._others = others / rates.producing if rates.producing else 0.0
        mean = self._mean_hours()
        self.per_hour = rates.producing / mean if mean else 0.0

    def _resets(self, to: Consequence, worn: WearType, rates: _Rates) -> Iterator[_Reset]:
        """Yield how what wear leads to resets it: at once by the state, or later by that of a fault."""
        if to.state == worn.resets:
            yield _Reset(to.at, to.chance)
        elif to.spreads_to == ON_MACHINE and (fault := rates.type.causes.faults.get(str(to.fault))):
            for each in fault.leads_to:
                if each.state == worn.resets:
                    later = sum(each.after_ms) / 2 * rates.producing / worn.life_ms
                    yield _Reset(to.at + later, to.chance * each.chance)

    def reaching(self, wear: float) -> float:
        """Return the share of lives in which wear comes to a value."""
        own = math.prod(1 - each.chance for each in self._own if each.at < wear)
        return own * math.exp(-self._others * wear * self._life_hours)

    def _mean_hours(self) -> float:
        """Return the mean time of producing from one reset to the next; infinite where nothing resets it."""
        begin, mean = 0.0, 0.0
        for end, _ in [*self._own, _Reset(math.inf, 0.0)]:
            reached = self.reaching(begin) * math.prod(1 - each.chance for each in self._own if each.at == begin)
            if reached and end > begin:
                mean += reached * _mean_before((end - begin) * self._life_hours, self._others)
            begin = end
        return mean
