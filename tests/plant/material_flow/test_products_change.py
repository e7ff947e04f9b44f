"""Products that are made to order, as time is cut, as plants are divided, and as they change while they run."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messages import START, FactoryMessageGenerator
from plant.catalogue.catalogue import catalogue
from plant.definition.plant_config import PlantConfig, PlantConfigError, parse
from plant.forecast.rate_forecast import forecast
from plant.forecast.throughput import units_per_order
from plant.telemetry import Message
from tests.plant.material_flow.order_lines import (
    ANY,
    KIT,
    LIDS,
    PRODUCTS,
    TYPES,
    Seen,
    assert_needs_are_met,
    line_data,
    made_to_order,
    seen,
    unit_ids,
    with_lots,
)
from tests.support.examples import examples
from tests.support.exports.schemas import checks, refused
from tests.support.factory.flows import flow_of, moments
from tests.support.factory.own_lines import CHECK, PRESS, SAW, machine_type, orders, plant_data

quickly = settings(
    max_examples=examples(25, 5), deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
SAND = "sand"
PUSHED = parse(line_data(products=None))


def said_in(config: PlantConfig, cuts: list[float]) -> list[Message]:
    """The messages of a plant, advanced step by step."""
    plant = FactoryMessageGenerator.of(config, 1)
    return [message for cut in cuts for message in plant.advance(START + cut)]


@quickly
@given(made_to_order(), st.lists(st.floats(0, 300), max_size=6))
def test_steps_of_time_change_no_byte(config: PlantConfig, cuts: list[float]) -> None:
    """The same messages in one step and in many."""
    assert said_in(config, [*sorted(cuts), 300.0]) == said_in(config, [300.0])


@quickly
@given(st.lists(made_to_order() | st.just(PUSHED), min_size=2, max_size=4), st.booleans())
def test_a_reload_loses_no_piece_and_no_order(configs: list[PlantConfig], pause: bool) -> None:
    """Whatever changes, also if products come and go: what open orders need is somewhere, and so is each piece."""
    plant = FactoryMessageGenerator.of(configs[0], 1)
    for turn, config in enumerate(configs, 1):
        plant.reload(config)
        for now_ms in moments(plant, turn * 90):
            assert all(count.made == sum(count[2:]) for count in plant.census()), now_ms
            if config is not PUSHED:
                assert_needs_are_met(plant)
        if pause:
            plant.reload(config.model_copy(update={"flow": None}))


@quickly
@given(made_to_order(), made_to_order(), st.booleans())
def test_a_trial_that_is_taken_back_leaves_no_trace(first: PlantConfig, then: PlantConfig, to_stock: bool) -> None:
    """The same bytes follow as without it."""
    plant = FactoryMessageGenerator.of(first, 1)
    messages = plant.advance(START + 150)
    plant.try_out(PUSHED if to_stock else then).take_back()

    assert messages + plant.advance(START + 300) == said_in(first, [300.0])


@quickly
@given(made_to_order())
def test_reading_the_same_file_again_changes_nothing(config: PlantConfig) -> None:
    """Lots, orders and waiting machines stay as they are."""
    plant = FactoryMessageGenerator.of(config, 1)
    messages = plant.advance(START + 150)
    plant.reload(config)

    assert messages + plant.advance(START + 300) == said_in(config, [300.0])


@quickly
@given(made_to_order())
def test_every_message_is_as_its_schema_says(config: PlantConfig) -> None:
    """Also of a machine that waits for an order, and of a unit whose lot comes from another machine."""
    assert [*refused(checks(config), said_in(config, [300.0]))] == []


def test_orders_are_filled_when_products_begin_and_end() -> None:
    """In turn, each once, with the units that it needs, whether they are made to order or not."""
    to_order = parse(line_data())
    plant = FactoryMessageGenerator.of(PUSHED, 1)
    placed: list[str] = []
    dispatched: list[str] = []
    plant.listen(None, lambda event: (placed if hasattr(event, "items") else dispatched).append(event.order_id))
    for turn, config in enumerate([PUSHED, to_order, PUSHED, to_order] * 2, 1):
        plant.reload(config)
        plant.advance_silently(START + turn * 1800)

    assert len(dispatched) > 150
    assert dispatched == placed[: len(dispatched)]
    assert len(placed) - len(dispatched) == plant.snapshot().open_orders


def test_each_shard_makes_its_own_orders() -> None:
    """Its units fill only its orders, and no other shard fills them."""
    found = [seen(parse(line_data({**TYPES, PRESS: TYPES[PRESS] | {"count": 4}})), 2, shard=(k, 2)) for k in (1, 2)]
    dispatched = [{each.order_id for each in one.dispatches} for one in found]
    shipped = [Counter(unit for each in one.dispatches for unit in unit_ids(each)) for one in found]

    assert all(len(each) > 30 for each in dispatched)
    assert not dispatched[0] & dispatched[1]
    assert max((shipped[0] + shipped[1]).values()) == 1
    assert all(dispatched[k] <= found[k].orders.keys() for k in (0, 1))


def test_units_in_stock_fill_orders_that_they_fit_and_no_others() -> None:
    """Units that were there when the line began are not made again, and each goes to an order of its kind."""
    products = {KIT: [{"kinds": {CHECK: "red"}}], LIDS: [{"kinds": {CHECK: "blue"}}]}
    full = line_data(per_hour=10, initial_fill=1.0, buffers={CHECK: 200}, products=products)
    plant = FactoryMessageGenerator.of(parse(full), 1)
    stock = {
        orjson.loads(piece.id_json): piece.kinds[CHECK].name for piece in flow_of(plant)._stages[CHECK].output.pieces
    }
    found = Seen(plant)
    plant.listen(found.note, found.note)
    plant.advance_silently(START + 3600)
    pressed = [job for job in found.jobs.values() if job.machine_id.startswith("PRESS")]

    assert all(job.started_ms < START * 1000 for job in pressed)
    assert len(found.dispatches) > 5
    for dispatch in found.dispatches:
        items = {
            str(item["product_type"]): int(str(item["quantity"])) for item in found.orders[dispatch.order_id].items
        }
        made = Counter(stock.get(unit) or found.jobs[unit].kind for unit in unit_ids(dispatch))
        assert made["red"] >= items.get(KIT, 0)
        assert made["blue"] >= items.get(LIDS, 0)
        assert made.total() == sum(items.values()) + items.get(ANY, 0)


def test_no_more_units_are_in_progress_than_the_store_has_places() -> None:
    """Except for the oldest order, which may be larger: so what nobody fetches does not fill the memory."""
    plant = FactoryMessageGenerator.of(parse(line_data(per_hour=300, dispatches=0, initial_fill=0.0)), 1)
    demand = flow_of(plant)._demand
    assert demand is not None
    most = 0
    for _ in moments(plant, 3600):
        most = max(most, demand.in_progress)

    assert 20 <= most < 20 + 6  # the last lot, or one of the oldest order


def test_orders_for_which_nothing_has_begun_need_nothing_yet() -> None:
    """However many wait: only those that are in work cost the line time and memory, or a reload."""
    plant = FactoryMessageGenerator.of(parse(line_data(per_hour=36_000, dispatches=0)), 1)
    plant.advance_silently(START + 600)
    demand = flow_of(plant)._demand
    assert demand is not None

    assert len(flow_of(plant).open_orders) > 5000
    assert len(demand.needs) <= 21
    assert [*demand.needs] == [order.number for order in flow_of(plant).open_orders][: len(demand.needs)]


def test_a_line_of_a_single_type_can_make_to_order() -> None:
    """It takes no pieces, and waits for orders; its messages may be `starved` and have no job."""
    types = {PRESS: machine_type(kinds=["Lid", "Box"]), CHECK: TYPES[CHECK]}
    flow = {"processes": {CHECK: PRESS}, "products": {"Kit": [{"units": 2, "kinds": {PRESS: "Lid", CHECK: "red"}}]}}
    config = parse(plant_data(types, flow, **orders(20)))
    fields = {field.name: field for field in next(kind for kind in catalogue(config) if kind.key == PRESS).fields}

    assert "starved" in fields["status"].enum
    assert [*refused(checks(config), said_in(config, [3600.0]))] == []
    assert {message.kind for message in said_in(config, [3600.0])} >= {PRESS, CHECK, "dispatch"}


def test_the_forecast_knows_how_many_units_an_order_has() -> None:
    """1 to 3 items of different products: Kit has 3 units, in 1 to 2 pieces, Lids 3 and Any 2 units, in one piece."""
    config = parse(line_data())
    order, flow = config.message_types.customer_order, config.flow
    assert order is not None
    assert flow is not None
    placed = seen(parse(line_data(per_hour=1200)), 1).orders.values()
    units = [
        sum(flow.units_of(str(item["product_type"])) * int(str(item["quantity"])) for item in each.items)
        for each in placed
    ]

    assert flow.units_of(KIT) == flow.units_of(LIDS) == 3
    assert flow.units_of(ANY) == 2
    assert units_per_order(order, flow) == pytest.approx(sum(units) / len(units), rel=0.06)


def test_check_says_that_a_line_to_order_waits_without_orders() -> None:
    """And not that its machines stop when the buffers are full."""
    (note,) = (note for note in forecast(parse(line_data(per_hour=0))).notes if "nothing is shipped" in note)

    assert note.endswith("nothing is shipped, and press waits for orders.")


MISTAKES: list[tuple[dict[str, Any], str]] = [
    (
        {"products": {"Kid": PRODUCTS[KIT]}},
        "flow.products.Kid: is not in customer_order.product_types; did you mean Kit?",
    ),
    (
        {"units_by_product_type": {KIT: 2}},
        "flow.units_by_product_type.Kit: is also in products, which says how many units it has",
    ),
    (
        {"products": {KIT: [{"kinds": {SAW: "part"}}]}},
        "flow.products.Kit[0].kinds.saw: does not work on the units that check ships",
    ),
    (
        {"products": {KIT: [{"kinds": {PRESS: "Lit"}}]}},
        'flow.products.Kit[0].kinds.press: is no kind of the jobs of press with a weight above 0, got "Lit"; did you',
    ),
    ({"products": {KIT: [{"units": 0}]}}, "flow.products.Kit[0].units: must be at least 1, got 0"),
    ({"products": {KIT: []}}, "flow.products.Kit: must have at least 1 entry, got 0"),
    ({"products": {KIT: [{}] * 101}}, "flow.products.Kit: must have at most 100 entries, got 101"),
    ({"products": {KIT: {"units": 2}}}, "flow.products.Kit: must be a list, got a mapping"),
    ({"products": {KIT: [{"unit": 1}]}}, "flow.products.Kit[0].unit: is an unknown key; did you mean units?"),
    (
        {"ships": PRESS},
        "flow.products: cannot be made to order: check takes pieces of press, which ships them",
    ),
    (
        {"processes": {CHECK: PRESS, SAND: PRESS}, "ships": CHECK},
        "flow.products: cannot be made to order: sand takes units of press that check needs for orders",
    ),
    (
        {"assembles": {PRESS: {SAW: 2}, SAND: {PRESS: 1, SAW: 1}}, "ships": CHECK},
        "flow.products: cannot be made to order: sand takes units of press that check needs for orders",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("flow", "mistake"), MISTAKES)
def test_mistakes_are_named(flow: dict[str, Any], mistake: str) -> None:
    """Each with its place and its rule."""
    with pytest.raises(PlantConfigError, match=re.escape(mistake)):
        parse(line_data({**TYPES, SAND: machine_type()}, **flow))


def test_a_kind_that_no_job_is_of_cannot_be_ordered() -> None:
    """Its schema does not have it."""
    types = {**TYPES, CHECK: machine_type(kinds={"red": 0, "blue": 3})}

    with pytest.raises(PlantConfigError, match="is no kind of the jobs of check with a weight above 0"):
        parse(line_data(types))


def test_each_machine_that_works_on_units_makes_every_kind() -> None:
    """One with kinds of its own cannot leave out what an order may need; weights of its own change nothing."""
    own = {**TYPES, PRESS: TYPES[PRESS] | {"overrides": {"PRESS-02": {"job": {"kinds": {"Box": 1}}}}}}
    mistake = 'flow.products: cannot be made to order: "PRESS-02" has no jobs of kind Lid; give it 0 in its own kinds'
    with pytest.raises(PlantConfigError, match=re.escape(mistake)):
        parse(line_data(own))

    own[PRESS]["overrides"]["PRESS-02"]["job"]["kinds"]["Lid"] = 0
    kinds = Counter(job.kind for job in seen(parse(line_data(own)), 2).jobs.values() if job.machine_id == "PRESS-02")
    assert kinds["Lid"] > kinds["Box"] > 0


def test_kinds_that_a_product_leaves_open_are_drawn_by_the_weights_of_the_type() -> None:
    """Whatever the first machine prefers, and also while there is none."""
    own = {**TYPES, CHECK: TYPES[CHECK] | {"overrides": {"CHECK-01": {"job": {"kinds": {"red": 1, "blue": 0}}}}}}
    of_any = {KIT: [{"units": 2}]}
    plant = FactoryMessageGenerator.of(parse(line_data(own, per_hour=300, products=of_any)), 1)
    found = Seen(plant)
    plant.listen(found.note, found.note)
    plant.advance_silently(START + 3 * 3600)
    kinds = Counter(job.kind for job in found.jobs.values() if job.machine_id.startswith("CHECK"))
    assert kinds["blue"] / kinds.total() == pytest.approx(0.75, abs=0.05)

    empty = {**TYPES, CHECK: TYPES[CHECK] | {"count": 0}}
    plant = FactoryMessageGenerator.of(parse(line_data(empty, per_hour=300, products=of_any)), 1)
    plant.advance_silently(START + 600)
    units = [piece.unit for piece in flow_of(plant)._stages[PRESS].output.pieces if piece.unit]
    assert units
    assert {unit.lot.kinds[CHECK] for unit in units} <= {"red", "blue"}


def test_lots_stay_whole_when_machines_are_taken_away() -> None:
    """Units that a machine was going to begin are begun by another one."""
    types = with_lots(size=5)
    plant = FactoryMessageGenerator.of(parse(line_data(types)), 1)
    fewer = parse(line_data({**types, PRESS: types[PRESS] | {"count": 1}}))
    for turn, config in enumerate([parse(line_data(types)), fewer] * 10, 1):
        plant.reload(config)
        plant.advance_silently(START + turn * 300)
        assert_needs_are_met(plant)


def test_a_machine_that_is_stopped_while_it_waits_takes_no_order() -> None:
    """Others make what is ordered meanwhile; when it is started, it begins with what is then wanted, at once."""
    plant = FactoryMessageGenerator.of(parse(line_data(per_hour=0, initial_fill=1.0)), 1)
    plant.advance_silently(START + 600)
    plant.execute({"command": "stop", "machine_id": "PRESS-01"})
    busy = parse(line_data(per_hour=120, dispatches=3000))
    plant.reload(busy)
    found = Seen(plant)
    plant.listen(found.note, found.note)
    plant.advance_silently(START + 3600)
    pressed = [job for job in found.jobs.values() if job.machine_id == "PRESS-01"]

    assert pressed == []
    assert len(found.dispatches) > 60
    plant.execute({"command": "stop", "machine_id": "PRESS-02"})
    plant.advance_silently(START + 3700)
    before = {view.machine_id: view.status for view in plant.machines()}
    answer = plant.execute({"command": "start", "machine_id": "PRESS-01"})
    plant.advance_silently(START + 3900)

    assert before["PRESS-01"] == before["PRESS-02"] == "stopped"
    assert answer == {"machine_id": "PRESS-01", "state": "working"}
    assert [job for job in found.jobs.values() if job.machine_id == "PRESS-01"]
