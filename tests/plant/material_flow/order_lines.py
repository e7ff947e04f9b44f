"""A line that makes products to order, of any make; with its ground truth and its messages."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.material_flow.demand import Need
from plant.telemetry import Message
from plant.truth.events import DispatchedOrder, FinishedJob, PlacedOrder, StateInterval, TruthEvent
from tests.support.factory.flows import flow_of
from tests.support.factory.own_lines import CHECK, PRESS, SAW, machine_type, orders, plant_data

KIT, LIDS, ANY = "Kit", "Lids", "Any"
PRODUCTS: dict[str, Any] = {
    KIT: [
        {"units": 2, "kinds": {PRESS: "Lid", CHECK: "red"}},
        {"units": 1, "kinds": {PRESS: "Box"}},
    ],
    LIDS: [{"units": 3, "kinds": {PRESS: "Lid"}}],
}
"""What orders of `Kit` and `Lids` consist of; an order of `Any` takes two units of any kinds."""
TYPES: dict[str, Any] = {
    SAW: machine_type(3),
    PRESS: machine_type(kinds=["Lid", "Box"], results={"good": 0.9, "again": 0.05, "scrap": 0.05}),
    CHECK: machine_type(kinds={"red": 1, "blue": 3}, results={"pass": 0.95, "broken": 0.05}),
}
FLOW: dict[str, Any] = {
    "assembles": {PRESS: {SAW: 2}},
    "processes": {CHECK: PRESS},
    "repairs": {"again": "same", "broken": PRESS},
    "buffers": {SAW: 8, PRESS: 6, CHECK: 20},
    "products": PRODUCTS,
    "units_by_product_type": {ANY: 2},
}
PRESS_FIELDS = [
    "timestamp",
    "machine_id",
    "status",
    "job.kind",
    "job.order",
    "job.lot",
    "job.lot_size",
    "job.lot_position",
]
LOTS: dict[str, Any] = {"size": [2, 5], "changeover_seconds": 3}


def ordered(per_hour: float = 60, *, dispatches: float = 600) -> dict[str, Any]:
    """Orders of the three products, and dispatches."""
    events = orders(per_hour, dispatches=dispatches)
    events["customer_order"] |= {"product_types": [KIT, LIDS, ANY], "quantity_ranges": {KIT: [1, 2]}}
    return events


def line_data(types: Mapping[str, Any] = TYPES, *, per_hour: float = 60, dispatches: float = 600, **flow: Any) -> Any:
    """Plain data of the line; None takes a key of the flow away."""
    keys = {name: value for name, value in {**FLOW, **flow}.items() if value is not None}
    return plant_data(types, keys, **ordered(per_hour, dispatches=dispatches))


def with_lots(**lots: Any) -> dict[str, Any]:
    """The types with lots, which messages report."""
    own = {"lots": LOTS | lots, "fields": [*PRESS_FIELDS, "finished.id", "finished.result"], "report_seconds": 1.0}
    return {SAW: TYPES[SAW], PRESS: TYPES[PRESS] | own, CHECK: TYPES[CHECK] | own}


@dataclass
class Seen:
    """What happened in a plant, from the ground truth and from messages."""

    plant: FactoryMessageGenerator
    messages: list[Message] = field(default_factory=list)
    jobs: dict[str, FinishedJob] = field(default_factory=dict)
    orders: dict[str, PlacedOrder] = field(default_factory=dict)
    dispatches: list[DispatchedOrder] = field(default_factory=list)
    stays: defaultdict[str, list[StateInterval]] = field(default_factory=lambda: defaultdict(list))

    def note(self, event: TruthEvent | PlacedOrder | DispatchedOrder) -> None:
        """Add an event."""
        if isinstance(event, FinishedJob):
            self.jobs[event.job_id] = event
        elif isinstance(event, PlacedOrder):
            self.orders[event.order_id] = event
        elif isinstance(event, DispatchedOrder):
            self.dispatches.append(event)
        elif isinstance(event, StateInterval):
            self.stays[event.machine_id].append(event)

    def history_of(self, unit_id: str) -> list[FinishedJob]:
        """The jobs that made a unit, the last one first; jobs before the start are left out."""
        found = []
        while job := self.jobs.get(unit_id):
            found.append(job)
            before = [each for each in job.consumed_ids or () if not each.startswith("SAW")]
            if len(job.consumed_ids or ()) != 1 or not before:
                break
            [unit_id] = before
        return found


def seen(config: PlantConfig, hours: float, shard: tuple[int, int] = (1, 1)) -> Seen:
    """A plant's first hours."""
    plant = FactoryMessageGenerator.of(config, 1, shard=shard)
    found = Seen(plant)
    plant.listen(found.note, found.note)
    found.messages = plant.advance(START + hours * 3600)
    plant.close_truth()
    return found


def unit_ids(dispatch: DispatchedOrder) -> list[str]:
    """The units that left with a dispatch."""
    units = dispatch.details["unit_ids"]
    assert isinstance(units, list)
    return units


def needs_of(plant: FactoryMessageGenerator) -> Iterator[Need]:
    """What the open orders need."""
    demand = flow_of(plant)._demand
    assert demand is not None
    return (need for needs in demand.needs.values() for need in needs)


def assert_needs_are_met(plant: FactoryMessageGenerator) -> None:
    """A unit that an open order needs is not begun, waits in a lot, is on a machine, in a buffer, or in the store."""
    flow = flow_of(plant)
    where: Counter[int] = Counter()
    for stage in flow._stages.values():
        pieces = [*stage.output.pieces, *stage.rework.pieces, *(piece for _, piece in stage.output.waiting_for_room)]
        for post in stage.workstations.values():
            pieces += [piece for ready in post.ready_pieces.values() for piece in ready]
            units = [post.in_work] if post.in_work else []
            if post.next_unit:
                where[id(post.next_unit.lot.need)] += 1 + post.next_unit.lot.size - post.next_unit.position
            where.update(id(unit.lot.need) for unit in units)
        where.update(id(piece.unit.lot.need) for piece in pieces if piece.unit)
    for need in needs_of(plant):
        assert need.unreleased >= 0
        assert need.units == need.unreleased + where[id(need)]
    assert flow._demand is not None
    assert flow._demand.in_progress == sum(need.units - need.unreleased for need in needs_of(plant))


@st.composite
def made_to_order(draw: st.DrawFn) -> PlantConfig:
    """Lines with little room and many or few orders, of which any kind may be wanted, with lots or without."""
    bad = st.sampled_from([0.0, 0.1, 0.5])
    types = with_lots(size=draw(st.sampled_from([1, [1, 4]]))) if draw(st.booleans()) else TYPES
    counts = {key: draw(st.integers(1, 3)) for key in types}
    results = {
        PRESS: {"good": 1.0, "again": draw(bad), "scrap": draw(bad)},
        CHECK: {"pass": 1.0, "broken": draw(bad)},
    }
    own = {
        key: entry | {"count": counts[key], "job": entry["job"] | ({"results": results[key]} if key in results else {})}
        for key, entry in types.items()
    }
    kinds = st.fixed_dictionaries(
        {}, optional={PRESS: st.sampled_from(["Lid", "Box"]), CHECK: st.sampled_from(["red", "blue"])}
    )
    units = st.lists(st.fixed_dictionaries({"units": st.integers(1, 4), "kinds": kinds}), min_size=1, max_size=3)
    return parse(
        line_data(
            own,
            per_hour=draw(st.sampled_from([30, 200])),
            dispatches=draw(st.sampled_from([100, 3000])),
            products={KIT: draw(units), LIDS: draw(units)},
            buffers={key: draw(st.integers(1, 4)) for key in TYPES},
            initial_fill=draw(st.sampled_from([0.0, 1.0])),
            most_reworks=draw(st.integers(0, 2)),
        )
    )
