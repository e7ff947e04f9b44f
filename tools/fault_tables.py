"""The tables of the shipped faults in docs/faults.md: what each does by severity, from the scenario itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from plant.definition.faults.fault_type import Effects
from plant.definition.machine_types.library import library
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.plant_config import load

SCENARIOS: Final = Path(__file__).parent.parent / "scenarios"
SCENARIO, ENERGY = SCENARIOS / "spaceship-faults.yaml", SCENARIOS / "energy.yaml"
SEVERITIES: Final = (1.0, 2.0, 5.0)
WORN: Final = (0.5, 1.0, 1.2)


def tables() -> str:
    """Return the tables of faults and of wear."""
    faults = ["| machine | fault | what it does at severity 1, 2 and 5 | what follows |", "|---|---|---|---|"]
    wear = ["| machine | wears | what it does at wear 0.5, 1 and 1.2 | what follows |", "|---|---|---|---|"]
    for machine_type in load(SCENARIO).message_types.machines.values():
        for fault in machine_type.causes.faults.values():
            if fault.sensor is None:
                effects = "; ".join(_effects(machine_type, fault.effects, SEVERITIES))
                follows = ", ".join(each.state or each.fault or "" for each in fault.leads_to) or "it ends by itself"
                faults.append(f"| {machine_type.title} | `{fault.name}` | {effects} | {follows} |")
        for worn in machine_type.causes.wear.values():
            effects = "; ".join(_effects(machine_type, worn.effects, WORN))
            follows = ", ".join(f"{each.state or each.fault} at {each.at:g}" for each in worn.leads_to)
            wear.append(f"| {machine_type.title} | `{worn.name}` | {effects} | {follows} |")
    return "\n".join((*faults, "", *wear)) + "\n"


def energy_table() -> str:
    """Return the table of the faults of the energy plant; what extends another type has the same ones."""
    lines = ["| machine | fault | what it is | what it does at severity 1, 2 and 5 |", "|---|---|---|---|"]
    for machine_type in load(ENERGY).message_types.machines.values():
        for fault in machine_type.causes.faults.values() if machine_type.key in library() else ():
            effects = "; ".join(_effects(machine_type, fault.effects, SEVERITIES))
            lines.append(f"| {machine_type.title} | `{fault.name}` | {fault.description} | {effects} |")
    return "\n".join(lines) + "\n"


def result_shares(machine_type: MachineType, effects: Effects, level: float) -> dict[str, float]:
    """Return the share of each result of jobs under a cause of that level."""
    weights = {
        name: weight * max(0.0, 1 + effects.results.get(name, 0.0) * level)
        for name, weight in machine_type.results.items()
    }
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _effects(machine_type: MachineType, effects: Effects, levels: tuple[float, ...]) -> Iterator[str]:
    for name, effect in effects.signals.items():
        unit = machine_type.signals[name].unit or ""
        if effect.more:
            yield f"{name} times {_listed(f'{max(0.0, 1 + effect.more * level):.3g}' for level in levels)}"
        if effect.plus:
            yield f"{name} plus {_listed(f'{effect.plus * level:.3g}' for level in levels)} {unit}".rstrip()
    if effects.cycle:
        yield f"cycles times {_listed(f'{1 + effects.cycle * level:.3g}' for level in levels)}"
    for name in effects.results:
        shares = (0.0, *levels)
        first, *others = (f"{100 * result_shares(machine_type, effects, level)[name]:.3g}" for level in shares)
        yield f"{name} {_listed(iter(others))} % instead of {first} %"


def _listed(texts: Iterator[str]) -> str:
    return ", ".join(texts)
