"""What a line can ship in the long run, and what orders ask of it: units an hour, by means, before anything runs.

It is a bound: the slowest station at full work, with no waiting for the others. What a line really ships is a few
per cent below it, as machines of a line do wait for each other, and less still where a calendar stops them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from plant.definition.flow_config import FlowSpec
from plant.definition.machine_config import MachineSpec
from plant.definition.plant_config import CustomerOrder, PlantConfig
from plant.definition.spaceship import MACHINE_TYPES
from plant.material_flow.flow import REPAIRS, SOURCES
from plant.material_flow.workstations import TESTING, WELDING
from plant.orders import MOST_ITEMS

_GOOD: Final = {declared.key: declared.good for declared in MACHINE_TYPES}

_NEXT_TO_NOTHING: Final = 1e-9
"""Share of good pieces of a station that makes none."""


class Bottleneck(NamedTuple):
    """The station that bounds a line, and the units an hour that it lets the line ship."""

    key: str
    units_per_hour: float


def bottleneck(config: PlantConfig, flow: FlowSpec) -> Bottleneck:
    """The slowest station of a plant's line; one without machines lets nothing through."""
    rates = {key: jobs_per_hour(config, spec, count) for key, spec, count in config.machines()}
    needed = _jobs_a_unit({key: spec for key, spec, _ in config.machines()}, flow)
    bounds = (Bottleneck(key, rates.get(key, 0.0) / jobs) for key, jobs in needed.items() if jobs)
    return min(bounds, key=lambda each: each.units_per_hour)


def jobs_per_hour(config: PlantConfig, spec: MachineSpec, count: int) -> float:
    """Jobs an hour of so many machines of a type, if nothing from outside stops them."""
    mean_seconds = sum(config.job_seconds(spec)) / 2 * spec.lengthening
    return count * spec.shares.get(spec.producing_state, 0.0) * 3600 / mean_seconds


def units_an_order(order: CustomerOrder, flow: FlowSpec) -> float:
    """Tested units that an order takes on average."""
    kinds = len(order.product_types)
    items = (1 + min(MOST_ITEMS, kinds)) / 2
    units = (flow.units_of(each) * sum(order.quantity_range(each)) / 2 for each in order.product_types)
    return items * math.fsum(units) / kinds


def _jobs_a_unit(specs: Mapping[str, MachineSpec], flow: FlowSpec) -> dict[str, float]:
    """Jobs that each station does for a unit shipped: from the last one backwards, repairs and scrap in it."""
    needed = dict.fromkeys(SOURCES, 0.0)
    repaired = dict.fromkeys(SOURCES, 0.0)
    wanted = {**needed, TESTING: 1.0}
    for key in reversed([*SOURCES]):
        shares = _shares(specs[key]) if key in specs else {}
        good = math.fsum(share for result, share in shares.items() if result in _GOOD[key])
        needed[key] = jobs = wanted[key] / (good or _NEXT_TO_NOTHING)
        for result, share in shares.items():
            if result in REPAIRS:
                repaired[REPAIRS[result] or key] += jobs * share
        new = max(0.0, jobs - repaired[key])
        for source, pieces in _bill(key, specs, flow).items():
            wanted[source] += new * pieces
    return needed


def _shares(spec: MachineSpec) -> dict[str, float]:
    total = math.fsum(spec.results.values())
    return {result: weight / total for result, weight in spec.results.items()}


def _bill(key: str, specs: Mapping[str, MachineSpec], flow: FlowSpec) -> dict[str, float]:
    """Pieces of each source that a new job of a station takes on average."""
    if key != WELDING:
        return dict.fromkeys(SOURCES[key], 1.0)
    kinds = specs[key].job_kinds if key in specs else ("",)
    bills = [flow.parts_of(kind) for kind in kinds]
    return {source: sum(bill.get(source, 0) for bill in bills) / len(bills) for source in SOURCES[key]}
