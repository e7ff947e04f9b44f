"""What `check` says that a line can ship, where orders decide of which kinds its jobs are."""

from __future__ import annotations

from typing import Any

import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.forecast.throughput import bottleneck
from tests.plant.material_flow.order_lines import KIT, LIDS, TYPES, line_data
from tests.support.factory.own_lines import CHECK, PRESS, SAW

LINE: dict[str, Any] = {
    "assembles_by_kind": {PRESS: {"Box": {SAW: 6}}},
    "buffers": {SAW: 60, PRESS: 60, CHECK: 300},
    "repairs": {},
    "initial_fill": 0.0,
}


def can_ship(config: PlantConfig) -> tuple[str, float]:
    """The slowest stage, and the units an hour that `check` names."""
    assert config.flow is not None
    return bottleneck(config, config.flow)


def shipped_per_hour(config: PlantConfig, hours: float = 3) -> float:
    """The units that a line ships in truth which always has orders, more than it can make."""
    found = FactoryMessageGenerator.of(config, 1)
    found.advance_silently(START + hours * 3600)
    assert found.snapshot().open_orders
    return found.census()[-1].shipped / hours


@pytest.mark.parametrize("kind", ["Lid", "Box"])
def test_bills_are_those_of_the_kinds_that_are_ordered(kind: str) -> None:
    """A box takes 6 sawn pieces and a lid 2, so the saws, the slowest, decide by what is ordered."""
    products = {name: [{"units": 3, "kinds": {PRESS: kind}}] for name in (KIT, LIDS, "Any")}
    config = parse(line_data(per_hour=400, products=products, units_by_product_type=None, **LINE))
    slowest, limit = can_ship(config)

    assert slowest == SAW
    assert 0.8 * limit < shipped_per_hour(config) <= 1.03 * limit


def test_cycles_are_those_of_the_kinds_that_are_ordered() -> None:
    """Where a kind takes longer, and only that one is ordered."""
    slow = {"red": {"weight": 1, "cycle_seconds": 12}, "blue": {"weight": 9, "cycle_seconds": 2}}
    types = {**TYPES, CHECK: TYPES[CHECK] | {"job": TYPES[CHECK]["job"] | {"kinds": slow}}}
    products = {name: [{"kinds": {CHECK: "red"}}] for name in (KIT, LIDS, "Any")}
    config = parse(line_data(types, per_hour=600, products=products, units_by_product_type=None, **LINE))
    slowest, limit = can_ship(config)

    assert slowest == CHECK
    assert 0.8 * limit < shipped_per_hour(config) <= 1.03 * limit


def test_kinds_count_by_their_weights_in_a_line_that_makes_what_it_can() -> None:
    """A kind that is drawn once in ten times has a tenth of the bills."""
    types = {**TYPES, PRESS: TYPES[PRESS] | {"job": TYPES[PRESS]["job"] | {"kinds": {"Lid": 9, "Box": 1}}}}
    config = parse(line_data(types, per_hour=600, dispatches=3000, products=None, **LINE))
    _, limit = can_ship(config)

    assert 0.8 * limit < shipped_per_hour(config) <= 1.03 * limit
