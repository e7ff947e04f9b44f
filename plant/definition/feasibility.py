"""What a complete configuration cannot do, although each of its keys is right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from plant.definition.document.errors import Violation
from plant.definition.document.value_types import SHORTEST_PERIOD_SECONDS, YEAR_SECONDS
from plant.definition.flow import rules as flow_rules
from plant.definition.jobs.variation import WAITING

if TYPE_CHECKING:
    from plant.definition.plant_config import PlantConfig


def impossible(config: PlantConfig) -> Iterator[Violation]:
    """Yield the rules that a complete configuration breaks."""
    yield from _impossible_rate(config)
    yield from _impossible_flow(config)
    yield from _impossible_waiting(config)


def _impossible_rate(config: PlantConfig) -> Iterator[Violation]:
    """Check that no machine reports more than once a millisecond, or less than once a year, at the target rate."""
    classes = (each for _, machine_type, _ in config.machines() for each in machine_type.messages if each.is_regular)
    periods = [config.class_period_seconds(each) for each in classes]
    target, place = config.global_.target_rate, ("global", "target_rate")
    if target and periods and min(periods) < SHORTEST_PERIOD_SECONDS:
        most = target * min(periods) / SHORTEST_PERIOD_SECONDS
        yield Violation(place, f"must be at most {most:.10g} here: a machine sends at most one message a millisecond")
    if target and periods and max(periods) > YEAR_SECONDS:
        least = target * max(periods) / YEAR_SECONDS
        yield Violation(place, f"must be at least {least:.3g} here: a machine sends at least one message a year")


def _impossible_flow(config: PlantConfig) -> Iterator[Violation]:
    order = config.message_types.customer_order
    has_orders = order is not None and order.enabled and order.orders_per_hour > 0
    if config.flow:
        yield from flow_rules.impossible(config.flow, has_orders=has_orders)


def _impossible_waiting(config: PlantConfig) -> Iterator[Violation]:
    """Check that no machine waits for the load of the calendar that also waits for pieces, or has such a state."""
    for key, machine_type, _ in config.declared():
        if machine_type.waits and WAITING in machine_type.states:
            rule = "is the name of the state that factors: load brings: choose another name"
            yield Violation(("message_types", key, "states", WAITING), rule)
    flow = config.flow
    waiting = {each.site: key for key, each, _ in config.declared() if each.waits and flow and key in flow.line.stages}
    for site, key in waiting.items():
        own = site is not None and config.sites[site].calendar is not None
        place = ("sites", str(site), "calendar", "factors") if own else ("calendar", "factors")
        yield Violation(place, f"cannot be load with flow: machines of {key} wait for pieces")
