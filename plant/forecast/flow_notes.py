"""Notes of `check` on a flow that has no error, but does what its author may not expect."""

from __future__ import annotations

from collections.abc import Iterator

from plant.definition.document.errors import quote, suggestion
from plant.definition.flow.flow_config import FlowSpec
from plant.definition.plant_config import PlantConfig


def flow_notes(config: PlantConfig) -> Iterator[str]:
    """Yield the notes on a plant's flow; none without a flow."""
    if config.flow:
        yield from _no_orders(config, config.flow)
        yield from _useless_stages(config.flow)
        yield from _unknown_results(config, config.flow)


def _no_orders(config: PlantConfig, flow: FlowSpec) -> Iterator[str]:
    """Yield a note where nothing is ordered, or nothing is dispatched."""
    types = config.message_types
    ordered = types.customer_order and types.customer_order.enabled and types.customer_order.orders_per_hour
    dispatched = types.dispatch and types.dispatch.enabled and types.dispatch.dispatches_per_hour
    missing = [name for name, given in (("customer_order", ordered), ("dispatch", dispatched)) if not given]
    if missing and flow.line.made_to_order:
        yield (
            f"flow.products: without {' and '.join(missing)} in message_types nothing is shipped, and"
            f" {flow.line.made_to_order[0]} waits for orders."
        )
    elif missing:
        yield (
            f"flow: without {' and '.join(missing)} in message_types nothing is shipped, and the machines stop when the"
            f" buffers up to {flow.line.ships} are full."
        )


def _useless_stages(flow: FlowSpec) -> Iterator[str]:
    """Yield a note on each stage whose pieces never become part of what is shipped."""
    for key in flow.line.without_way_out():
        yield (
            f"flow: no edge leads from {key} to {flow.line.ships}, which ships: its pieces are used for no order, and"
            " its machines stop when the buffers are full."
        )


def _unknown_results(config: PlantConfig, flow: FlowSpec) -> Iterator[str]:
    """Yield a note on each result in `repairs` that no job of the line has."""
    types = (config.machine_type(key) for key in flow.line.stages)
    known = list(dict.fromkeys(result for each in types if each for result in each.results))
    for result in flow.repairs:
        if known and result not in known:
            yield f"flow.repairs: no job of the line has the result {quote(result)}; {suggestion(result, known)}"
