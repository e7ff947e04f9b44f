"""What causes make of the jobs that start under them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from plant.definition.faults.fault_type import Effects

_SHORTEST: Final = 0.01
"""The least factor of a cycle."""


def job_factors(causes: Iterable[tuple[Effects, float]]) -> tuple[float, dict[str, float]]:
    """Return the factor of the cycle, and those of the weights of results. causes: effects, each with its level."""
    cycle, results = 1.0, dict[str, float]()
    for effects, level in causes:
        cycle *= max(0.0, 1.0 + effects.cycle * level)
        for result, more in effects.results.items():
            results[result] = results.get(result, 1.0) * max(0.0, 1.0 + more * level)
    return max(cycle, _SHORTEST), results
