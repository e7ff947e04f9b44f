"""The throughput of a line in the long run, and the units that orders need: both in units an hour, from mean values.

The throughput is an upper bound: the slowest stage at full work, without waiting for the others. A real line ships a
few per cent less, because its machines wait for each other, and still less with the planned stops of a calendar.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from plant.definition.flow.flow_config import FlowSpec
from plant.definition.flow.line import Line, StageSpec
from plant.definition.jobs.variation import LotsType
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.plant_config import CustomerOrder, PlantConfig
from plant.definition.weekly_load import FULL, Load, weekly_load
from plant.orders import MOST_ITEMS

_SMALLEST_SHARE: Final = 1e-9
"""Stands for the share of good pieces of a stage that makes none."""


class Bottleneck(NamedTuple):
    """The slowest stage of a line, and the units an hour that the line can ship because of it."""

    key: str
    units_per_hour: float


def bottleneck(config: PlantConfig, flow: FlowSpec) -> Bottleneck:
    """Return the slowest stage of a plant's line; a stage without machines has a throughput of 0."""
    types = {key: _as_ordered(config, flow, spec) for key, spec, _ in config.machines()}
    rates = {key: jobs_per_hour(config, types[key], count) for key, _, count in config.machines()}
    needed = _jobs_per_unit(types, flow.line)
    bounds = (Bottleneck(key, rates.get(key, 0.0) / jobs) for key, jobs in needed.items() if jobs)
    return min(bounds, key=lambda each: each.units_per_hour)


def jobs_per_hour(config: PlantConfig, spec: MachineType, count: int) -> float:
    """Return the jobs an hour of `count` machines of a type in their working time, by its mean load."""
    producing = spec.shares.get(spec.producing_state, 0.0)
    if spec.job is None or not producing:
        return 0.0
    mean_seconds = spec.job.mean_seconds_at(config.job_period_seconds(spec)) * spec.losses.lengthening
    _, changeover_seconds = changeovers_per_job(config, spec)
    return count * 3600 / (mean_seconds / producing + changeover_seconds) * load_of(config, spec).mean


def load_of(config: PlantConfig, machine_type: MachineType) -> Load:
    """Return the load of the machines of a type, in the long run and without holidays."""
    calendar = config.calendar_of(machine_type.site)
    return weekly_load(calendar) if machine_type.waits and calendar else FULL


def own_lots(config: PlantConfig, spec: MachineType) -> LotsType | None:
    """Return the lots that machines of a type begin themselves; None where lots come with the units of orders."""
    return None if config.flow and spec.key in config.flow.line.made_to_order else spec.lots


def changeovers_per_job(config: PlantConfig, spec: MachineType) -> tuple[float, float]:
    """Return how many changeovers a job of a type has on average, and how many seconds they take together.

    Those of units that are made to order are left out, as they depend on what is ordered, and on who waits for what.
    """
    lots = own_lots(config, spec)
    return lots.changeovers_per_job(spec.job.kinds) if lots and spec.job else (0.0, 0.0)


def units_per_order(order: CustomerOrder, flow: FlowSpec) -> float:
    """Return the mean number of shipped units in an order."""
    kinds = len(order.product_types)
    items = (1 + min(MOST_ITEMS, kinds)) / 2
    units = (flow.units_of(each) * sum(order.quantity_range(each)) / 2 for each in order.product_types)
    return items * math.fsum(units) / kinds


def _jobs_per_unit(specs: Mapping[str, MachineType], line: Line) -> dict[str, float]:
    """Return the jobs of each stage per shipped unit, including rework and scrap; computed from the last stage."""
    needed = dict.fromkeys(line.stages, 0.0)
    repaired = dict.fromkeys(line.stages, 0.0)
    wanted = {key: float(key == line.ships) for key in line.stages}
    for key, stage in reversed([*line.stages.items()]):
        shares = _shares(specs[key]) if key in specs else {}
        good = math.fsum(share for result, share in shares.items() if result in specs[key].good)
        needed[key] = jobs = wanted[key] / (good or _SMALLEST_SHARE)
        for result, share in shares.items():
            if result in line.repairs and result not in specs[key].good:
                repaired[line.repairs[result] or key] += jobs * share
        new = max(0.0, jobs - repaired[key])
        for source, pieces in _mean_bill(stage, specs.get(key)).items():
            wanted[source] += new * pieces
    return needed


def _shares(spec: MachineType) -> dict[str, float]:
    total = math.fsum(spec.results.values())
    return {result: weight / total for result, weight in spec.results.items()}


def _mean_bill(stage: StageSpec, spec: MachineType | None) -> dict[str, float]:
    """Return the mean number of pieces of each source that a new job of a stage takes. spec: None without machines."""
    kinds = spec.job.kinds if spec and spec.job else {"": 1.0}
    bills = [(stage.bill(kind), weight / math.fsum(kinds.values())) for kind, weight in kinds.items()]
    return {source: math.fsum(bill.get(source, 0) * share for bill, share in bills) for source in stage.sources}


def _as_ordered(config: PlantConfig, flow: FlowSpec, spec: MachineType) -> MachineType:
    """Return a type with the weights of kinds that orders give its jobs, if it works on units that they need."""
    order, job = config.message_types.customer_order, spec.job
    if order is None or job is None or spec.key not in flow.line.made_to_order:
        return spec
    total = math.fsum(job.kinds.values())
    weights = dict.fromkeys(job.kinds, 0.0)
    for product in order.product_types:
        for units, kinds in flow.units_by_kinds(product):
            ordered = units * sum(order.quantity_range(product))
            shares = {kinds[spec.key]: total} if spec.key in kinds else job.kinds
            for kind, weight in shares.items():
                weights[kind] += ordered * weight / total
    return replace(spec, job=replace(job, kinds=weights))
