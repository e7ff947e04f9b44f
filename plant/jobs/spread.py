"""How machines of one type differ: factors with the mean 1 that each of them has for itself, and never loses.

A state that takes a greater share of a machine's time does so by longer stays: it is entered as often as before in an
hour of producing. So what follows what stays as it is declared, and the machine's shares are exact, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp, log1p, sqrt
from statistics import NormalDist
from typing import Final

from plant.definition.jobs.variation import SpreadType
from plant.definition.machine_types.machine_type import MachineType
from plant.jobs.jobs import JobInfluence
from plant.random_stream import RandomStream

MOST_VARIANTS: Final = 1_000
"""Machines of a type that differ: the one after them is like the first one, and so on. Each takes some kilobytes."""

_DECIMALS: Final = 6
"""Rounding hides the last digits of exp, in which C libraries differ."""
_LEAST: Final = 2.0**-53


def variant_of(number: int) -> int:
    """Return the number of the machine whose factors a machine has."""
    return (number - 1) % MOST_VARIANTS + 1


def varied(machine_type: MachineType, stream: RandomStream) -> MachineType:
    """Return a machine type as it is for the machine with that stream: shares of states, and weights of results."""
    spread, job = machine_type.spread or SpreadType(), machine_type.job
    factors = {name: factor(spread.shares, stream, f"state {name}") for name in machine_type.states}
    states = {
        name: state
        if state.produces
        else replace(
            state,
            weight=state.weight * factors[name],
            dwell_seconds=state.dwell_seconds * factors[name],
            half_width_seconds=state.half_width_seconds * factors[name],
        )
        for name, state in machine_type.states.items()
    }
    if job is None:
        return replace(machine_type, states=states)
    results = {
        name: weight * (1.0 if name in job.good else factor(spread.results, stream, f"result {name}"))
        for name, weight in job.results.items()
    }
    return replace(machine_type, states=states, job=replace(job, results=results))


def cycle_influences(machine_type: MachineType, stream: RandomStream) -> Sequence[JobInfluence]:
    """Return how the cycles of the machine with that stream differ, if they do."""
    spread = machine_type.spread or SpreadType()
    times = factor(spread.cycle_seconds, stream, "cycle")
    return (JobInfluence(times, {}),) if spread.cycle_seconds else ()


def factor(deviation: float, stream: RandomStream, name: str) -> float:
    """Return a factor of a lognormal distribution with the mean 1. deviation: its standard deviation."""
    if not deviation:
        return 1.0
    uniform, _, _, _ = stream.draws(b"spread " + name.encode(), 0)
    sigma_squared = log1p(deviation**2)
    normal = NormalDist().inv_cdf(max(uniform, _LEAST))
    return round(exp(normal * sqrt(sigma_squared) - sigma_squared / 2), _DECIMALS)
