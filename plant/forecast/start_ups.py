"""How often the first jobs after a stop differ, and what that costs: from the states, without what causes stop.

The jobs of a type are taken as of mean length. The stops during a job are a Poisson number of them, each a chain of
stays; the length of all together is found on a grid, up to that from which on the next job differs (Panjer 1981).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from plant.definition.jobs.variation import StartUpType
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.plant_config import PlantConfig
from plant.forecast.throughput import changeovers_per_job, jobs_per_hour, load_of, own_lots
from plant.machines.stays import stays_of

_STEPS: Final = 60
"""Steps of the grid from 0 to the least length of a stop that counts."""
_SAMPLES: Final = 200
"""Stays of a state that stand for its distribution."""
_MOST_STAYS: Final = 200
_ROUNDS: Final = 20
_NOTHING: Final = 1e-6

_Lengths = Sequence[float]
"""The chance of each length, in steps; what is longer is missing."""


class StartUps(NamedTuple):
    """Start-ups of one machine. per_hour: how many there are.

    cycle, bad: by how much more, on average over all jobs, a cycle takes, and jobs are not good.
    """

    per_hour: float
    cycle: float
    bad: float


def start_ups(config: PlantConfig, machine_type: MachineType) -> StartUps | None:
    """Return the start-ups of a machine of a type; None without any."""
    start_up, per_hour = machine_type.start_up, jobs_per_hour(config, machine_type, 1)
    if start_up is None or machine_type.job is None or not per_hour:
        return None
    seconds = (
        machine_type.job.mean_seconds_at(config.job_period_seconds(machine_type)) * machine_type.losses.lengthening
    )
    stops = _Stops(config, machine_type, start_up.after_stop_seconds * 1000 / _STEPS)
    chance = cycle = 0.0
    for _ in range(_ROUNDS):  # the longer cycles are, the more stops they have
        chance = stops.chance(seconds * (1 + cycle))
        cycle = math.fsum(share * part * (start_up.cycle - 1) for share, part in _parts(chance, start_up.jobs))
    usual = _bad_share(machine_type, start_up, 0)
    bad = ((share, _bad_share(machine_type, start_up, part)) for share, part in _parts(chance, start_up.jobs))
    _, changeover_seconds = changeovers_per_job(config, machine_type)
    working = 1 - per_hour * changeover_seconds / 3600 / load_of(config, machine_type).mean
    return StartUps(
        chance * per_hour / (1 + cycle * working), cycle, math.fsum(share * (each - usual) for share, each in bad)
    )


def _parts(chance: float, jobs: int) -> list[tuple[float, float]]:
    """Return which part of the difference jobs have, each with the share of jobs that have it."""
    return [(chance * (1 - chance) ** place, 1 - place / jobs) for place in range(jobs)]


def _bad_share(machine_type: MachineType, start_up: StartUpType, part: float) -> float:
    """Return the share of bad jobs among those that differ by a part of what the first one does."""
    times = {name: 1 + (factor - 1) * part for name, factor in start_up.results.items()}
    weights = {name: weight * times.get(name, 1.0) for name, weight in machine_type.results.items()}
    bad = math.fsum(weight for name, weight in weights.items() if name not in machine_type.good)
    return bad / (math.fsum(weights.values()) or 1.0)


class _Stops:
    """The lengths of stops and of changeovers of a machine type. step_ms: of the grid."""

    def __init__(self, config: PlantConfig, machine_type: MachineType, step_ms: float) -> None:
        self._type, self._step_ms, self._lots = machine_type, step_ms, own_lots(config, machine_type)
        self._changeovers_per_job, _ = changeovers_per_job(config, machine_type)
        self._lengths, self._changeovers = self._of_stops(), self._of_changeovers()

    def chance(self, seconds: float) -> float:
        """Return the share of jobs before which the machine has stopped for long enough. seconds: of a job."""
        producing = self._type.producing_state
        stops = self._type.visits_per_second.get(producing, 0.0) / self._type.shares[producing] * seconds
        stopped = _compound(self._lengths, stops)
        return (
            1 - (1 - self._changeovers_per_job) * math.fsum(stopped) - math.fsum(_convolved(stopped, self._changeovers))
        )

    def _of_stops(self) -> _Lengths:
        """Return the lengths of stops, from leaving the producing state to entering it."""
        rows, producing = self._type.next_rows, self._type.producing_state
        lengths = {name: self._of_stays(name) for name in rows if name != producing}
        left = 1 - rows[producing].get(producing, 0.0)
        first = {name: rows[producing].get(name, 0.0) / left for name in lengths} if left else {}
        begun = {name: [chance] + [0.0] * (_STEPS - 1) for name, chance in first.items()}
        found = [0.0] * _STEPS
        for _ in range(_MOST_STAYS):
            after = {name: _convolved(each, lengths[name]) for name, each in begun.items() if sum(each) > _NOTHING}
            if not after:
                break
            ended = [(rows[name].get(producing, 0.0), each) for name, each in after.items()]
            found = _weighted([(1.0, found), *ended])
            begun = {to: _weighted((rows[name].get(to, 0.0), each) for name, each in after.items()) for to in lengths}
        return found

    def _of_stays(self, state: str) -> _Lengths:
        stays = stays_of(self._type.states[state])
        return _on_grid(stays.length_ms((each + 0.5) / _SAMPLES) / self._step_ms for each in range(_SAMPLES))

    def _of_changeovers(self) -> _Lengths:
        """Return the lengths of changeovers, each with its chance to come before a job."""
        lots, job = self._lots, self._type.job
        if lots is None or job is None:
            return [0.0] * _STEPS
        found = []
        for (shortest, longest), share in lots.changeovers(job.kinds).items():
            steps = [1000 * each / self._step_ms for each in (shortest, longest - shortest)]
            lengths = _on_grid(steps[0] + (each + 0.5) / _SAMPLES * steps[1] for each in range(_SAMPLES))
            found.append((share / lots.mean_jobs, lengths))
        return _weighted(found)


def _on_grid(lengths: Iterable[float]) -> _Lengths:
    """Return how lengths, in steps, are distributed; each counts for the two points of the grid around it."""
    found = [0.0] * (_STEPS + 1)
    for length in lengths:
        place = int(length)
        if place < _STEPS:
            found[place] += (1 - length + place) / _SAMPLES
            found[place + 1] += (length - place) / _SAMPLES
    return found[:_STEPS]


def _convolved(one: _Lengths, other: _Lengths) -> _Lengths:
    return [math.fsum(one[each] * other[place - each] for each in range(place + 1)) for place in range(_STEPS)]


def _weighted(parts: Iterable[tuple[float, _Lengths]]) -> list[float]:
    found = [0.0] * _STEPS
    for weight, lengths in parts:
        found = [each + weight * more for each, more in zip(found, lengths, strict=True)]
    return found


def _compound(lengths: _Lengths, mean: float) -> _Lengths:
    """Return how the sum of a Poisson number of lengths is distributed."""
    found = [math.exp(-mean * (1 - lengths[0]))]
    for place in range(1, _STEPS):
        total = math.fsum(each * lengths[each] * found[place - each] for each in range(1, place + 1))
        found.append(mean / place * total)
    return found
