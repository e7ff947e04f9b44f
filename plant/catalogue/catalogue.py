"""The catalogue: every kind of message that a plant's structure makes it say, with all that there is to know of it.

It is made from the declarations that the plant itself goes by, so that what is said of messages elsewhere (schemas,
assets, tables) follows from the same YAML.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from plant import oee_reports, orders
from plant.catalogue.field_specs import (
    TIMESTAMP,
    Speaker,
    dispatch_fields,
    field_of,
    id_pattern,
    order_fields,
    report_fields,
)
from plant.catalogue.message_kinds import Field, Kind, MachineRef, Role, literal_pattern
from plant.catalogue.topics import topic_template
from plant.definition.plant_config import Structure
from plant.definition.spaceship import MACHINE_TYPES
from plant.machines.machine import TRACE
from plant.material_flow.workstations import TESTING

__all__ = ["Field", "Kind", "MachineRef", "Role", "catalogue", "literal_pattern"]

_ORDER_TEXT: Final = f"A customer orders up to {orders.MOST_ITEMS} products. Orders come at random."
_DISPATCH_TEXT: Final = "The oldest order not yet dispatched leaves the factory. Dispatches come at random."
_REPORT_TEXT: Final = "What a machine's time really came to since the start of the run, by ISO 22400-2."


def catalogue(structure: Structure) -> tuple[Kind, ...]:
    """Every kind that is said, in a fixed order: types of machine, orders, dispatches, reports."""
    declared = {each.key: each for each in MACHINE_TYPES}
    speakers = [Speaker(declared[key], spec, count, structure) for key, spec, count in structure.machines()]
    machines = [_machine_kind(speaker) for speaker in speakers]
    return (*machines, *_events(structure), *_reports(structure, speakers, machines))


def _machine_kind(of: Speaker) -> Kind:
    declared, spec = of.declared, of.spec
    traced = of.structure.flow is not None and of.structure.flow.takes(declared.key, spec.results)
    keys = {**declared.fields, **(TRACE if traced else {})}
    machines = tuple(
        MachineRef(declared.machine_id.format(number=number), spec.station(number), number)
        for number in range(1, of.count + 1)
    )
    return Kind(
        key=declared.key,
        title=declared.title,
        description=f"What a {declared.title} says of itself and of its work, at a regular period.",
        topic=topic_template(of.structure, declared.key),
        fields=(TIMESTAMP, *(field_of(source, name, of) for name, source in keys.items())),
        sources=tuple(machine.machine_id for machine in machines),
        machines=machines,
        machine_ids=id_pattern(declared),
        producing_state=spec.producing_state,
        ideal_cycle_seconds=of.shortest_ms / 1000,
        period_seconds=of.structure.period_seconds(spec),
    )


def _events(structure: Structure) -> Iterator[Kind]:
    """Orders, and dispatches of them; where pieces flow, only what has been tested is sent."""
    order, dispatch = structure.message_types.customer_order, structure.message_types.dispatch
    if not (order and order.enabled and order.orders_per_hour):
        return
    yield _event(structure, orders.ORDER, "customer order", _ORDER_TEXT, order_fields(order))
    flow = structure.flow is not None
    stuck = flow and all(key != TESTING for key, _, _ in structure.machines())
    if dispatch and dispatch.enabled and dispatch.dispatches_per_hour and not stuck:
        fields = dispatch_fields(dispatch, traced=flow)
        yield _event(structure, orders.DISPATCH, "dispatch", _DISPATCH_TEXT, fields)


def _event(structure: Structure, key: str, title: str, description: str, fields: tuple[Field, ...]) -> Kind:
    return Kind(key, title, description, topic_template(structure, key), fields, sources=(key,))


def _reports(structure: Structure, speakers: Sequence[Speaker], machines: Sequence[Kind]) -> Iterator[Kind]:
    spec = structure.message_types.oee
    if spec and spec.enabled and speakers:
        yield Kind(
            key=oee_reports.KIND,
            title="OEE report",
            description=_REPORT_TEXT,
            topic=topic_template(structure, oee_reports.KIND),
            fields=report_fields(speakers),
            sources=tuple(oee_reports.report_source(source) for kind in machines for source in kind.sources),
            period_seconds=round(spec.report_seconds * 1000) / 1000,
            retained=True,
        )
