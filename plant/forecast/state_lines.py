"""The order of states and the reasons of a machine type in words, for `check`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import fsum

from plant.definition.machine_types.machine_type import MachineType
from plant.forecast.variation_lines import Line, percent


def state_lines(machine_type: MachineType) -> Iterator[Line]:
    """Yield what follows each state, where an order is declared, and the reasons of states and results."""
    if machine_type.order.is_declared:
        yield from ((f"after {name}", _weighted(row)) for name, row in seen_rows(machine_type).items() if row)
    for name, weights in machine_type.reasons.items():
        yield f"reasons of {name}", _weighted(weights)


def seen_rows(machine_type: MachineType) -> Mapping[str, Mapping[str, float]]:
    """Return the chance of each state to follow each other one: the same again only prolongs a visit."""
    others = {
        name: {to: chance for to, chance in row.items() if to != name} for name, row in machine_type.next_rows.items()
    }
    return {name: {to: chance / fsum(row.values()) for to, chance in row.items()} for name, row in others.items()}


def _weighted(weights: Mapping[str, float]) -> str:
    """Return names with their shares, the most frequent first."""
    total = fsum(weights.values())
    ordered = sorted(weights.items(), key=lambda each: -each[1])
    return ", ".join(f"{name} {percent(weight / total)}" for name, weight in ordered if weight)
