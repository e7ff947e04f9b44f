"""Products that are made to order: an order of a kind gets that kind, and nothing is made that nobody has ordered."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.truth.events import PlacedOrder
from tests.plant.material_flow.order_lines import (
    PRODUCTS,
    Seen,
    assert_needs_are_met,
    line_data,
    made_to_order,
    seen,
    unit_ids,
    with_lots,
)
from tests.support.examples import examples
from tests.support.factory.flows import census, flow_of, moments
from tests.support.factory.own_lines import CHECK, PRESS, SAW

quickly = settings(
    max_examples=examples(25, 6), deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def day() -> Seen:
    """Five hours of the line with lots."""
    return seen(parse(line_data(with_lots(), initial_fill=0.0)), 5)


def kinds_by_type(found: Seen, unit_id: str) -> dict[str, str]:
    """The kind of the last job of each type on a unit."""
    return {job.machine_id.partition("-")[0].lower(): job.kind for job in reversed(found.history_of(unit_id))}


def wanted(found: Seen, order: PlacedOrder) -> Counter[tuple[str, str]]:
    """The kinds that the units of an order have at least, as they are at a press and a check; "" for any."""
    counts: Counter[tuple[str, str]] = Counter()
    for item in order.items:
        entries: list[dict[str, Any]] = PRODUCTS.get(str(item["product_type"]), [{"units": 2, "kinds": {}}])
        for entry in entries:
            kinds = entry["kinds"]
            counts[kinds.get(PRESS, ""), kinds.get(CHECK, "")] += entry["units"] * item["quantity"]
    return counts


def fits(units: list[tuple[str, str]], needs: Counter[tuple[str, str]]) -> bool:
    """Whether units can fill needs, the strictest ones first."""
    left = list(units)
    for (press, check), how_many in sorted(needs.items(), key=lambda each: each[0].count("")):
        matching = [unit for unit in left if press in {"", unit[0]} and check in {"", unit[1]}][:how_many]
        if len(matching) < how_many:
            return False
        for unit in matching:
            left.remove(unit)
    return not left


def test_an_order_of_a_kind_gets_that_kind(day: Seen) -> None:
    """Each dispatch has exactly the units of its order, each made and checked as its product says."""
    complete = 0
    for dispatch in day.dispatches[20:]:  # the first have units of pieces from before the line began
        units = [kinds_by_type(day, unit) for unit in unit_ids(dispatch)]
        assert all(unit.keys() == {PRESS, CHECK} for unit in units)
        made = [(unit[PRESS], unit[CHECK]) for unit in units]
        assert fits(made, wanted(day, day.orders[dispatch.order_id])), dispatch.order_id
        complete += 1

    assert complete > 160


def test_orders_are_dispatched_in_turn(day: Seen) -> None:
    """The oldest first, so that none is overtaken forever."""
    dispatched = [dispatch.order_id for dispatch in day.dispatches]

    assert dispatched == [*day.orders][: len(dispatched)]


def test_nothing_is_made_that_nobody_has_ordered() -> None:
    """Without orders the machine at which units begin waits, and so does the one behind it."""
    found = seen(parse(line_data(per_hour=0, initial_fill=0.0)), 2)
    assert (
        census(found.plant, PRESS).made == 4
    )  # the jobs on the presses as the line began, and what the checks were on
    assert all(
        found.stays[machine][-1].state == "starved" for machine in ("PRESS-01", "PRESS-02", "CHECK-01", "CHECK-02")
    )


def test_each_good_unit_goes_to_an_order(day: Seen) -> None:
    """What is shipped, in the store or in progress is what was ordered, and no more."""
    ordered = sum(sum(wanted(day, order).values()) for order in day.orders.values())
    shipped = sum(len(unit_ids(each)) for each in day.dispatches)
    good = sum(job.machine_id.startswith("CHECK") and job.result == "pass" for job in day.jobs.values())

    assert shipped <= good <= ordered + 4  # four machines were on jobs that nobody had ordered, as the line began


def test_messages_lead_from_the_order_over_the_lot_to_the_job(day: Seen) -> None:
    """Presses and checks name the customer's order and the lot of each unit; a lot is of one order and one kind."""
    rows = [orjson.loads(each.payload) for each in day.messages if each.kind in {PRESS, CHECK}]
    reported = [row for row in rows if row["finished.id"] and (row["job.order"] or "").startswith("ORD-")]
    lots: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in reported:
        lots[row["job.lot"]].add((row["job.order"], day.jobs[row["finished.id"]].order or ""))
    shipped = {unit: each.order_id for each in day.dispatches for unit in unit_ids(each)}

    assert len(reported) > 800
    assert all(len(found) == 1 and len(set(next(iter(found)))) == 1 for found in lots.values())
    assert all(row["job.order"] == shipped.get(row["finished.id"], row["job.order"]) for row in reported)
    assert {row["machine_id"].partition("-")[0] for row in reported} == {"PRESS", "CHECK"}
    assert all(1 <= row["job.lot_position"] <= row["job.lot_size"] <= 5 for row in reported)


def test_machines_change_over_between_kinds_and_not_between_orders(day: Seen) -> None:
    """Before each job of another kind than the one before, and before no other; the last one may not be finished."""
    for machine in ("CHECK-01", "CHECK-02"):
        jobs = [job for job in day.jobs.values() if job.machine_id == machine]
        changes = sum(before.kind != after.kind for before, after in pairwise(jobs))
        stays = [stay.state for stay in day.stays[machine]].count("changeover")

        assert changes > 40
        assert changes <= stays <= changes + 1


def test_machines_take_units_of_their_kind_first() -> None:
    """With lots a check changes over less often than if it took what comes."""

    def changes(size: object) -> float:
        one_check = {**with_lots(), CHECK: with_lots(size=size)[CHECK] | {"count": 1}}
        found = seen(parse(line_data(one_check, per_hour=300)), 1.5)
        states = [stay.state for stay in found.stays["CHECK-01"]]
        return states.count("changeover") / census(found.plant, CHECK).made

    assert changes([5, 20]) < 0.8 * changes(1)


# No order stops the line


@quickly
@given(made_to_order())
def test_no_unit_of_an_order_is_lost_or_made_twice(config: PlantConfig) -> None:
    """After every event: each piece is somewhere, and so is each unit that an order needs."""
    plant = FactoryMessageGenerator.of(config, 1)

    for _ in moments(plant, 200):
        assert_needs_are_met(plant)
        assert all(count.made == sum(count[2:]) for count in plant.census())


@quickly
@given(made_to_order())
def test_no_order_stops_the_line(config: PlantConfig) -> None:
    """Whatever is ordered, the oldest order is made in the end: once orders stop, all are dispatched."""
    plant = FactoryMessageGenerator.of(config, 1)
    plant.advance_silently(START + 600)
    plant.reload(_without_orders(config))
    while flow_of(plant).open_orders and plant.now < START + 6 * 3600:
        plant.advance_silently(plant.now + 600)

    assert not flow_of(plant).open_orders


def _without_orders(config: PlantConfig) -> PlantConfig:
    types = config.message_types
    order, dispatch = types.customer_order, types.dispatch
    assert order is not None
    assert dispatch is not None
    changed = types.model_copy(
        update={
            "customer_order": order.model_copy(update={"orders_per_hour": 0.0}),
            "dispatch": dispatch.model_copy(update={"dispatches_per_hour": 3000.0}),
        }
    )
    return config.model_copy(update={"message_types": changed})


def test_each_additional_message_for_a_job_reports_one() -> None:
    """Also of a machine with signals that is blocked, starved or changed over as soon as it has finished the job."""
    signals = {"force": {"base": {"working": 5, "else": 0}, "limits": [0, 9]}}
    own = {"report_seconds": 9.0, "signals": signals, "faults": {"jam": {"effects": {"force": {"times": 2}}}}}
    fields = {"fields": [*with_lots()[CHECK]["fields"], "force"]}
    types = {key: entry | own | (fields if key != SAW else {}) for key, entry in with_lots().items()}
    rows = [
        (each.trigger, orjson.loads(each.payload))
        for each in seen(parse(line_data(types, buffers={PRESS: 1, CHECK: 20})), 1).messages
        if each.kind in (PRESS, CHECK)
    ]
    jobs = [row["finished.id"] for trigger, row in rows if trigger == "job"]

    assert len(jobs) > 200
    assert None not in jobs
    assert {"blocked", "starved", "changeover"} <= {row["status"] for trigger, row in rows if trigger == "job"}
