"""Orders and dispatches: Poisson arrivals at their rates, the oldest order first."""

from __future__ import annotations

import math
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig
from plant.telemetry import Message
from tests.support.factory.plants import COUNTED, Row, config, consecutive, default, rows, said

ORDERS = default()["message_types"]["customer_order"]


def business(orders: float = 2.0, dispatches: float = 1.5, **order: Any) -> PlantConfig:
    """A plant without machines, with so many orders and dispatches an hour."""
    rates = {"customer_order": {"orders_per_hour": orders} | order, "dispatch": {"dispatches_per_hour": dispatches}}
    return config(dict.fromkeys(COUNTED, 0), **rates)


def gaps(messages: list[Message]) -> list[int]:
    """Milliseconds from one to the next."""
    return [b.time_ms - a.time_ms for a, b in pairwise(messages)]


def split(messages: list[Message]) -> tuple[list[Row], list[Row]]:
    """Orders and dispatches."""
    told = rows(messages)
    orders = [row for row in told if row["event_type"] == "order_placed"]
    return orders, [row for row in told if row["event_type"] == "order_dispatched"]


@pytest.mark.parametrize("per_hour", [2.0, 3_600.0, 36_000.0])
def test_orders_come_at_their_hourly_rate(per_hour: float) -> None:
    """Some 5,000 of them, within four standard errors: the root of a Poisson count."""
    expected = 5_000
    told = said(business(per_hour, 0.0), 3600 * expected / per_hour)

    assert len(told) == pytest.approx(expected, abs=4 * math.sqrt(expected))


def test_gaps_are_exponential() -> None:
    """Memoryless: the shares of gaps above one, two and three means are e^-1, e^-2 and e^-3."""
    found = gaps(said(business(360.0, 0.0), 20 * 3600))
    for means in (1, 2, 3):
        share = math.exp(-means)
        error = math.sqrt(share * (1 - share) / len(found))
        assert sum(gap > means * 10_000 for gap in found) / len(found) == pytest.approx(share, abs=4 * error)


def test_arrivals_do_not_depend_on_each_other() -> None:
    """A gap does not depend on the one before: no correlation beyond four standard errors."""
    found = [gap / 10_000 - 1 for gap in gaps(said(business(360.0, 0.0), 20 * 3600))]
    products = [a * b for a, b in pairwise(found)]

    assert abs(sum(products) / len(products)) < 4 / math.sqrt(len(products))


def test_the_first_order_is_as_far_off_as_any_other() -> None:
    """The mean over 150 seeds of the wait for it is the mean gap, within four standard errors."""
    plants = (FactoryMessageGenerator.of(business(360.0), seed) for seed in range(150))
    waits = [plant.next_due() - START for plant in plants]

    assert sum(waits) / 150 == pytest.approx(1 / (1 / 10 + 1.5 / 3600), abs=4 * 10 / math.sqrt(150))


def test_dispatches_take_the_orders_in_turn() -> None:
    """The oldest open order, never one that is not placed yet."""
    orders, dispatches = split(said(business(60.0, 50.0), 48 * 3600))
    placed = {order["order_id"]: order["timestamp"] for order in orders}

    assert [row["order_id"] for row in dispatches] == list(placed)[: len(dispatches)]
    assert all(placed[row["order_id"]] <= row["timestamp"] for row in dispatches)


def test_orders_of_the_default_plant_leave_within_hours() -> None:
    """Over four weeks, by four seeds: an hour on average, a few at most of 95 in 100, and never 40 open at once."""
    for seed in range(4):
        told = said(config(dict.fromkeys(COUNTED, 0)), 28 * 86_400, seed)
        orders, dispatches = split(told)
        placed = {order["order_id"]: moment(order) for order in orders}
        waits = sorted((moment(row) - placed[row["order_id"]]).total_seconds() / 3600 for row in dispatches)

        assert sum(waits) / len(waits) == pytest.approx(1, abs=0.5)
        assert waits[int(0.95 * len(waits))] < 5
        assert waits[-1] < 24
        assert len(orders) - len(dispatches) < 20


def moment(row: Row) -> datetime:
    """When it happened."""
    return datetime.fromisoformat(row["timestamp"])


def test_a_dispatch_without_an_open_order_emits_nothing() -> None:
    """Ten times as many dispatches as orders: each order is dispatched once, most of them soon."""
    plant = FactoryMessageGenerator.of(business(60.0, 600.0), seed=1)
    orders, dispatches = split(plant.advance(START + 48 * 3600))

    assert len(orders) - len(dispatches) == plant.snapshot().open_orders <= 5


def test_without_orders_nothing_is_dispatched() -> None:
    """A dispatch needs an order."""
    assert said(business(0.0, 3_600.0), 24 * 3600) == []


def test_order_ids_are_counted_and_unlike_those_of_a_later_run() -> None:
    """`ORD-` and ten digits, consecutive; they start where the run's start in tenths of a second is."""
    orders, _ = split(said(business(3_600.0), 3600))
    later, _ = split(said(business(3_600.0), 3600, start=START + 3601))
    ids, next_ids = ([order["order_id"] for order in its] for its in (orders, later))

    assert ids[0] == f"ORD-{round(START * 10) % 10**10:010d}"
    assert consecutive(ids)
    assert not set(ids) & set(next_ids)


def test_an_order_has_one_to_three_items_of_different_products() -> None:
    """Each number of items a third of the time, each product alike, quantities over all of their range."""
    orders, _ = split(said(business(3_600.0), 4 * 3600))
    items = [order["items"] for order in orders]
    products = [item["product_type"] for its in items for item in its]

    assert all(len({item["product_type"] for item in its}) == len(its) for its in items)
    assert [sum(len(its) == number for its in items) / len(items) for number in (1, 2, 3)] == pytest.approx(
        [1 / 3] * 3, abs=0.02
    )
    assert [products.count(name) / len(products) for name in ORDERS["product_types"]] == pytest.approx(
        [0.2] * 5, abs=0.02
    )


def test_quantities_fill_their_range() -> None:
    """Every quantity from fewest to most occurs, and no other; where no range is given it is one."""
    ranges = {"SparePartKit": [3, 5], "FullSpaceship": [7, 7]}
    orders, _ = split(
        said(business(3_600.0, product_types=["SparePartKit", "FullSpaceship", "Bolt"], quantity_ranges=ranges), 3600)
    )
    found = {(item["product_type"], item["quantity"]) for order in orders for item in order["items"]}

    assert found == {("SparePartKit", 3), ("SparePartKit", 4), ("SparePartKit", 5), ("FullSpaceship", 7), ("Bolt", 1)}


def test_a_plant_of_one_product_orders_that_one() -> None:
    """There are no more items than products."""
    orders, _ = split(said(business(3_600.0, product_types=["Bolt"], quantity_ranges={}), 600))

    assert {len(order["items"]) for order in orders} == {1}


def test_destinations_and_carriers_are_all_used() -> None:
    """Each dispatch has one of either."""
    _, dispatches = split(said(business(3_600.0, 3_600.0), 3600))
    spec = default()["message_types"]["dispatch"]

    assert {row["destination"] for row in dispatches} == set(spec["destinations"])
    assert {row["carrier"] for row in dispatches} == set(spec["carriers"])


def test_another_rate_holds_from_the_reload_on_and_open_orders_stay() -> None:
    """Twenty times the orders and no dispatch any more; then dispatches again, from the oldest order on."""
    plant = FactoryMessageGenerator.of(business(360.0, 180.0), seed=1)
    before, sent = split(plant.advance(START + 3600))
    plant.reload(business(7_200.0, 0.0))
    then, none = split(plant.advance(START + 7200))
    plant.reload(business(0.0, 36_000.0))
    _, after = split(plant.advance(START + 10_800))

    assert len(then) == pytest.approx(7_200, abs=4 * math.sqrt(7_200))
    assert none == []
    assert [row["order_id"] for row in sent + after] == [row["order_id"] for row in before + then]


def test_a_reload_with_the_same_rate_moves_no_arrival() -> None:
    """Arrivals stay the same, whatever else has changed."""
    plant = FactoryMessageGenerator.of(business(360.0), seed=1)
    told = plant.advance(START + 1800)
    plant.reload(
        config(
            {"cnc_machine": 3} | dict.fromkeys(["printer_3d", "welding", "painting", "testing"], 0),
            customer_order={"orders_per_hour": 360.0},
            dispatch={"dispatches_per_hour": 1.5},
        )
    )
    told += [message for message in plant.advance(START + 3600) if message.kind != "cnc_machine"]

    assert told == said(business(360.0), 3600)
