"""The catalogue: every kind of message that a plant emits, described in full.

It is built from the declarations that the plant itself uses, so that everything generated from it (schemas, assets,
tables) follows from the same YAML.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from plant import orders
from plant.catalogue.field_specs import (
    TIMESTAMPS,
    MachineTypeContext,
    dispatch_fields,
    field_of,
    id_pattern,
    label_fields,
    order_fields,
    report_fields,
)
from plant.catalogue.message_kinds import FieldSpec, MachineRef, MessageKind, literal_pattern
from plant.catalogue.topics import topic_template
from plant.definition.machine_types.field_sources import Field, FieldSource
from plant.definition.machine_types.machine_type import NO_STATE, MachineType, MessageClass
from plant.definition.plant_config import PlantConfig
from plant.machines.message_layout import traced_fields
from plant.reports import fault_labels, oee_reports
from plant.telemetry import class_source

__all__ = ["FieldSource", "FieldSpec", "MachineRef", "MessageKind", "catalogue", "literal_pattern"]

_ORDER_TEXT: Final = f"A customer orders up to {orders.MOST_ITEMS} products. Orders are placed at random."
_DISPATCH_TEXT: Final = "The oldest open order is dispatched. Dispatches take place at random."
_LABELS_TEXT: Final = "The begin or the end of a fault of a machine: the ground truth, for those who look for faults."
_REPORT_TEXT: Final = "The true OEE figures of a machine since the start of the run, by ISO 22400-2."


def catalogue(config: PlantConfig) -> tuple[MessageKind, ...]:
    """Return every kind that the plant emits, in order: machine types, orders, dispatches, OEE reports, labels."""
    contexts = [MachineTypeContext(each, count, config) for _, each, count in config.machines()]
    machines = [_machine_kind(context, each) for context in contexts for each in context.machine_type.all_messages]
    return (*machines, *_events(config), *_reports(config, contexts, machines), *_labels(config, contexts))


def _machine_kind(context: MachineTypeContext, message_class: MessageClass) -> MessageKind:
    if message_class.reports_alarms:
        context = _of_alarms(context, message_class.kind)
    machine_type, config = context.machine_type, context.config
    traced = traced_fields(config, machine_type) if message_class is machine_type.main else ()
    fields = (*message_class.fields, *traced)
    period = config.class_period_seconds(message_class)
    machines = tuple(
        MachineRef(machine_type.id_of(number), machine_type.station(number), number)
        for number in range(1, context.count + 1)
    )
    return MessageKind(
        key=message_class.kind,
        title=f"{machine_type.title} {message_class.name}".rstrip(),
        description=_describe(machine_type, message_class),
        topic=topic_template(config, message_class.kind),
        fields=(*_timestamp(message_class), *_nested(fields, context)),
        sources=tuple(class_source(machine.machine_id, message_class.name) for machine in machines),
        machines=machines,
        machine_ids=id_pattern(machine_type),
        producing_state=machine_type.producing_state,
        ideal_cycle_seconds=context.shortest_ms / 1000,
        period_seconds=None if math.isinf(period) else period,
        retained=message_class.retain,
        good=tuple(sorted(machine_type.good)),
        machine_type=machine_type.key,
        qos=message_class.qos,
        timestamp=message_class.timestamp,
        timestamp_form=message_class.form,
        on_change=message_class.on_change,
        on_command=message_class.on_command,
        reports_alarms=message_class.reports_alarms,
        reports_cleared=message_class.reports_cleared,
        reports_each_job=message_class.reports_jobs and context.has_job_shorter_than(period),
        own_ideal_seconds=context.own_ideal_seconds,
        has_states=[*machine_type.states] != [NO_STATE],
        has_faults=bool(machine_type.causes),
        planned_stops=tuple(sorted(machine_type.planned_stops)),
        ideal_cycles=context.ideal_cycles,
        ends_early=context.ends_early,
    )


def _of_alarms(context: MachineTypeContext, kind: str) -> MachineTypeContext:
    """Return the type with only the alarms whose messages are of a kind."""
    machine_type = context.machine_type
    alarms = [each for each in machine_type.alarms if each.kind == kind]
    return replace(context, machine_type=replace(machine_type, alarms=alarms))


def _describe(machine_type: MachineType, message_class: MessageClass) -> str:
    if message_class.reports_alarms:
        also = " and when it is cleared" if message_class.reports_cleared else ""
        return f"Alarms of a {machine_type.title}, each when it is raised{also}."
    what = f"{message_class.name} of a" if message_class.name else "State and work of a"
    times = (
        ("at a regular period", message_class.is_regular),
        ("at each change of its state", message_class.on_change),
        ("when a command sets its state", message_class.on_command),
    )
    return f"{what} {machine_type.title}, reported {' and '.join(when for when, applies in times if applies)}."


def _timestamp(message_class: MessageClass) -> Iterator[FieldSpec]:
    if message_class.timestamp is not None:
        yield replace(TIMESTAMPS[message_class.form], name=message_class.timestamp)


def _nested(fields: Sequence[Field], context: MachineTypeContext, depth: int = 0) -> Iterator[FieldSpec]:
    """Yield the specification of each key; an object has those in it as parts."""
    for name, group in groupby(fields, key=lambda field: field.within[depth : depth + 1]):
        if not name:
            yield from (field_of(field, context) for field in group)
        else:
            parts = tuple(_nested([*group], context, depth + 1))
            yield FieldSpec(name[0], "object", "An object.", parts=parts)


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
    reporting = dict.fromkeys(each.machine_id for kind in machines for each in kind.machines)
    if spec and spec.enabled and contexts:
        yield MessageKind(
            key=oee_reports.KIND,
            title="OEE report",
            description=_REPORT_TEXT,
            topic=topic_template(config, oee_reports.KIND),
            fields=report_fields(contexts),
            sources=tuple(oee_reports.report_source(machine) for machine in reporting),
            period_seconds=round(spec.report_seconds * 1000) / 1000,
            retained=True,
        )


def _labels(config: PlantConfig, contexts: Sequence[MachineTypeContext]) -> Iterator[MessageKind]:
    """Yield the labels of faults, if they are enabled and some machine has faults."""
    spec = config.message_types.fault_labels
    with_faults = [each for each in contexts if each.machine_type.labelled_causes]
    if spec and spec.enabled and with_faults:
        machines = (each.machine_type.id_of(number) for each in with_faults for number in range(1, each.count + 1))
        yield MessageKind(
            key=fault_labels.KIND,
            title="fault label",
            description=_LABELS_TEXT,
            topic=topic_template(config, fault_labels.KIND),
            fields=label_fields(with_faults),
            sources=tuple(map(fault_labels.label_source, machines)),
            retained=True,
        )
