"""The catalogue: every kind of message that a plant emits, described in full.

It is built from the declarations that the plant itself uses, so that everything generated from it (schemas, assets,
tables) follows from the same YAML.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from plant import oee_reports, orders
from plant.catalogue.field_specs import (
    TIMESTAMP,
    MachineTypeContext,
    dispatch_fields,
    field_of,
    id_pattern,
    order_fields,
    report_fields,
)
from plant.catalogue.message_kinds import FieldSpec, MachineRef, MessageKind, literal_pattern
from plant.catalogue.topics import topic_template
from plant.definition.field_sources import FieldSource
from plant.definition.plant_config import PlantConfig
from plant.definition.spaceship import MACHINE_TYPES
from plant.machines.machine_type_runtime import TRACE

__all__ = ["FieldSource", "FieldSpec", "MachineRef", "MessageKind", "catalogue", "literal_pattern"]

_ORDER_TEXT: Final = f"A customer orders up to {orders.MOST_ITEMS} products. Orders are placed at random."
_DISPATCH_TEXT: Final = "The oldest open order is dispatched. Dispatches take place at random."
_REPORT_TEXT: Final = "The true OEE figures of a machine since the start of the run, by ISO 22400-2."


def catalogue(config: PlantConfig) -> tuple[MessageKind, ...]:
    """Return every kind that the plant emits, in a fixed order: machine types, orders, dispatches, OEE reports."""
    declared = {each.key: each for each in MACHINE_TYPES}
    contexts = [MachineTypeContext(declared[key], spec, count, config) for key, spec, count in config.machines()]
    machines = [_machine_kind(context) for context in contexts]
    return (*machines, *_events(config), *_reports(config, contexts, machines))


def _machine_kind(context: MachineTypeContext) -> MessageKind:
    declared, spec = context.declared, context.spec
    traced = context.config.flow is not None and context.config.flow.line.takes_pieces(declared.key)
    keys = {**declared.fields, **(TRACE if traced else {})}
    machines = tuple(
        MachineRef(declared.machine_id.format(number=number), spec.station(number), number)
        for number in range(1, context.count + 1)
    )
    return MessageKind(
        key=declared.key,
        title=declared.title,
        description=f"State and work of a {declared.title}, reported at a regular period.",
        topic=topic_template(context.config, declared.key),
        fields=(TIMESTAMP, *(field_of(source, name, context) for name, source in keys.items())),
        sources=tuple(machine.machine_id for machine in machines),
        machines=machines,
        machine_ids=id_pattern(declared),
        producing_state=spec.producing_state,
        ideal_cycle_seconds=context.shortest_ms / 1000,
        period_seconds=context.config.period_seconds(spec),
        good=tuple(sorted(declared.good)),
    )


def _events(config: PlantConfig) -> Iterator[MessageKind]:
    """Yield orders and dispatches; where pieces flow, there are dispatches only with machines that make what ships."""
    order, dispatch = config.message_types.customer_order, config.message_types.dispatch
    if not (order and order.enabled and order.orders_per_hour):
        return
    yield _event(config, orders.ORDER, "customer order", _ORDER_TEXT, order_fields(order))
    flow = config.flow
    stuck = flow is not None and all(key != flow.line.ships for key, _, _ in config.machines())
    if dispatch and dispatch.enabled and dispatch.dispatches_per_hour and not stuck:
        fields = dispatch_fields(dispatch, traced=flow is not None)
        yield _event(config, orders.DISPATCH, "dispatch", _DISPATCH_TEXT, fields)


def _event(config: PlantConfig, key: str, title: str, description: str, fields: tuple[FieldSpec, ...]) -> MessageKind:
    return MessageKind(key, title, description, topic_template(config, key), fields, sources=(key,))


def _reports(
    config: PlantConfig, contexts: Sequence[MachineTypeContext], machines: Sequence[MessageKind]
) -> Iterator[MessageKind]:
    spec = config.message_types.oee
    if spec and spec.enabled and contexts:
        yield MessageKind(
            key=oee_reports.KIND,
            title="OEE report",
            description=_REPORT_TEXT,
            topic=topic_template(config, oee_reports.KIND),
            fields=report_fields(contexts),
            sources=tuple(oee_reports.report_source(source) for kind in machines for source in kind.sources),
            period_seconds=round(spec.report_seconds * 1000) / 1000,
            retained=True,
        )
