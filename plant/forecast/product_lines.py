"""What orders of a line need, in words and figures, for `check`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from plant.definition.flow.flow_config import FlowSpec
from plant.definition.plant_config import PlantConfig
from plant.forecast.rate_forecast import brief
from plant.forecast.throughput import bottleneck, units_per_order

Line = tuple[str, str]
"""What it is about, and the text."""


def product_lines(config: PlantConfig) -> Iterator[Line]:
    """Yield what each product consists of, where units are made to order, and the units that an order needs."""
    order, flow = config.message_types.customer_order, config.flow
    if order is None or flow is None or not flow.line.ships:
        return
    for product in order.product_types if flow.products else ():
        yield product, _units(flow, product)
    slowest = bottleneck(config, flow)
    needs = f"{brief(units_per_order(order, flow))} units on average"
    yield "an order", f"{needs}; the line ships up to {brief(slowest.units_per_hour)} an hour: {slowest.key} is slowest"


def _units(flow: FlowSpec, product: str) -> str:
    return "; ".join(f"{units:,} of {_kinds(kinds)}" for units, kinds in flow.units_by_kinds(product))


def _kinds(kinds: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {kind}" for key, kind in kinds.items()) or "any kinds"
