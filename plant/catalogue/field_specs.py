"""The fields of messages: type, unit, bounds and values of each key, as they follow from the configuration.

A machine type declares the source of each key. What a source provides is described here, once for all types. Values
are those that can occur: a state, result or kind of weight 0 is not among them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from plant.catalogue.alarm_fields import ALARM_SPECS
from plant.catalogue.message_kinds import FieldSpec, literal_pattern
from plant.catalogue.signal_fields import signal_field
from plant.catalogue.type_context import MachineTypeContext
from plant.definition.machine_types.field_sources import Field, FieldSource
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.plant_config import CustomerOrder, Dispatch
from plant.orders import MOST_ITEMS
from plant.reports.fault_labels import BEGIN, END

__all__ = [
    "TIMESTAMPS",
    "MachineTypeContext",
    "dispatch_fields",
    "field_of",
    "id_pattern",
    "label_fields",
    "order_fields",
    "report_fields",
]

TIMESTAMP: Final = FieldSpec(
    "timestamp",
    "string",
    "Time of the event in the factory: RFC 3339 in UTC, with milliseconds.",
    pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$",
    format="date-time",
)
TIMESTAMPS: Final[Mapping[str, FieldSpec]] = {
    "rfc3339": TIMESTAMP,
    "rfc3339_s": FieldSpec(
        "timestamp",
        "string",
        "Time of the event in the factory: RFC 3339 in UTC, in whole seconds.",
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
        format="date-time",
    ),
    "epoch_ms": FieldSpec("timestamp", "integer", "Time of the event in the factory, since 1970 in UTC.", unit="ms"),
    "epoch_s": FieldSpec("timestamp", "number", "Time of the event in the factory, since 1970 in UTC.", unit="s"),
}
"""The timestamp in each form."""
_MOST_LISTED: Final = 100
"""Machines of a type up to which the values of their properties are listed."""

_ORDER_ID: Final = "^ORD-[0-9]{10}$"


def field_of(field: Field, context: MachineTypeContext) -> FieldSpec:
    """Return the specification of a key of a message."""
    machine_type = context.machine_type
    product = machine_type.job.product if machine_type.job else ""
    meaning = field.source.meaning.format(product=product, producing=machine_type.producing_state)
    if field.source is FieldSource.CONSTANT:
        return replace(_constant(field), role=field.source)
    if field.source is FieldSource.TIMESTAMP:
        return replace(TIMESTAMPS[field.detail], name=field.name, role=field.source)
    if field.source is FieldSource.PROPERTY:
        return replace(_property_field(field, context), role=field.source)
    if field.source is FieldSource.SIGNAL:
        return replace(signal_field(field.name, field.detail, machine_type), role=field.source)
    return replace(_SPECS[field.source](field.name, meaning, context), role=field.source)


def order_fields(spec: CustomerOrder) -> tuple[FieldSpec, ...]:
    """Return the keys of an order."""
    ranges = [spec.quantity_range(product) for product in spec.product_types]
    fewest, most = min(low for low, _ in ranges), max(high for _, high in ranges)
    parts = (
        _text("product_type", "The product.", spec.product_types),
        FieldSpec("quantity", "integer", "Number of pieces.", minimum=fewest, maximum=most),
    )
    return (
        TIMESTAMP,
        _text("event_type", "What happened.", ("order_placed",)),
        FieldSpec("order_id", "string", "The order.", pattern=_ORDER_ID),
        FieldSpec(
            "items",
            "array",
            "The ordered products, one entry for each.",
            minimum=1,
            maximum=min(MOST_ITEMS, len(spec.product_types)),
            items="object",
            parts=parts,
        ),
    )


def dispatch_fields(spec: Dispatch, *, traced: bool) -> tuple[FieldSpec, ...]:
    """Return the keys of a dispatch. traced: pieces flow, so it lists the ids of its units."""
    units = FieldSpec("unit_ids", "array", "Ids of the tested units that are sent.", minimum=1, items="string")
    return (
        TIMESTAMP,
        _text("event_type", "What happened.", ("order_dispatched",)),
        FieldSpec("order_id", "string", "The order, placed before.", pattern=_ORDER_ID),
        _text("destination", "The destination of the shipment.", spec.destinations),
        _text("carrier", "The carrier of the shipment.", spec.carriers),
        *((units,) if traced else ()),
    )


def report_fields(contexts: Iterable[MachineTypeContext]) -> tuple[FieldSpec, ...]:
    """Return the keys of an OEE report."""
    types = list(contexts)
    ids = "|".join(id_pattern(each.machine_type)[1:-1] for each in types)
    shortest = min(each.shortest_of_variants_ms for each in types) / 1000
    longest = max(each.longest_of_shortest_ms for each in types) / 1000
    return (
        TIMESTAMP,
        FieldSpec("machine_id", "string", "The machine.", pattern=f"^(?:{ids})$"),
        _text("machine_type", "Its type's key in the plant's YAML.", tuple(each.machine_type.key for each in types)),
        FieldSpec("planned_seconds", "number", "Time since the start, except planned stops.", unit="s", minimum=0),
        FieldSpec(
            "producing_seconds", "number", "Time in the producing state, in which jobs advance.", unit="s", minimum=0
        ),
        FieldSpec(
            "ideal_cycle_seconds",
            "number",
            "Producing time of its shortest job.",
            unit="s",
            minimum=shortest,
            maximum=longest,
        ),
        FieldSpec("jobs", "integer", "Jobs finished since the start.", minimum=0),
        FieldSpec("good", "integer", "Number of those jobs whose result counts as good.", minimum=0),
        _share("availability", "Share of the planned time that was producing; null while there is none.", 1),
        _share(
            "performance", "Ideal time of the work done as a share of the producing time; null while there is none.", 1
        ),
        _share("quality", "Share of the finished jobs that are good; null while there is none.", 1),
        _share("oee", "Overall equipment effectiveness: availability * performance * quality.", 1),
    )


def label_fields(contexts: Sequence[MachineTypeContext]) -> tuple[FieldSpec, ...]:
    """Return the keys of a label of a fault. contexts: the types that have faults."""
    types = [each.machine_type for each in contexts]
    faults = {name: fault for each in types for name, fault in each.all_faults.items()}
    names = {name for each in types for name in each.labelled_causes}
    signals = sorted({fault.sensor.signal for fault in faults.values() if fault.sensor})
    ids = "|".join(id_pattern(each)[1:-1] for each in types)
    return (
        TIMESTAMP,
        FieldSpec("machine_id", "string", "The machine.", pattern=f"^(?:{ids})$"),
        _text("machine_type", "Its type's key in the plant's YAML.", tuple(each.key for each in types)),
        _text("fault", "The fault, or the wear.", tuple(sorted(names))),
        _text("event", "Whether it begins or ends.", (BEGIN, END)),
        replace(TIMESTAMP, name="from", description="When it began."),
        replace(TIMESTAMP, name="to", description="When it ended; null while it goes on.", nullable=True),
        FieldSpec("severity", "number", "Its effects are as declared at 1, in proportion to it.", minimum=0),
        FieldSpec("cause", "string", "chance, schedule, command, wear, or what has led to it, as machine/fault."),
        FieldSpec(
            "signal",
            "string",
            "Of a sensor fault: the signal whose reports it changes; otherwise null.",
            enum=tuple(signals),
            nullable=True,
        ),
        FieldSpec("active", "array", "The faults of the machine that are there after that.", items="string"),
    )


def id_pattern(machine_type: MachineType) -> str:
    """Return the regular expression of a type's machine ids: numbers are padded; longer numbers make longer ids."""
    ids = machine_type.ids
    if not ids.is_numbered:
        return f"^(?:{'|'.join(map(literal_pattern, ids.fixed_ids))})(?:-[0-9]{{1,}})?$"
    text = "".join(literal_pattern(head) + ("" if form is None else _digits(form)) for head, form in ids.parts)
    return f"^{text}$"


def _digits(form: str | None) -> str:
    width = (form or "").strip("0d") or "1"
    return f"[0-9]{{{width},}}"


def _job_pattern(context: MachineTypeContext) -> str:
    """Return the regular expression of job ids: head of a kind, code of the type, number of the machine, ten digits."""
    heads = {job.id_head(kind) for job in context.jobs for kind in job.kinds}
    either = "|".join(map(literal_pattern, sorted(heads)))
    return f"^(?:{either}){context.job.type_code}[0-9]{{11,}}$"


def _text(name: str, description: str, enum: tuple[str, ...], *, nullable: bool = False) -> FieldSpec:
    return FieldSpec(name, "string", description, enum=enum, nullable=nullable)


def _share(name: str, description: str, maximum: float) -> FieldSpec:
    return FieldSpec(name, "number", description, nullable=True, minimum=0, maximum=maximum)


def _machine_id(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    return FieldSpec(name, "string", meaning, pattern=id_pattern(context.machine_type))


def _station(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    return _text(name, meaning, context.stations)


def _status(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    return _text(name, meaning, context.statuses)


def _job_kind(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    return _text(name, meaning, context.kinds, nullable=context.starves)


def _order(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    pattern = f"^WO-{id_pattern(context.machine_type)[1:-1]}-[0-9]+$"
    if context.is_made_to_order:
        pattern = f"(?:{pattern})|(?:{_ORDER_ID})"
    text = _outside_lots(meaning, context)
    return FieldSpec(name, "string", text, nullable=context.has_jobs_outside_lots, pattern=pattern)


def _lot(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    head = id_pattern(context.machine_type)[1:-1]
    pattern = "^LOT-.+-[0-9]+$" if context.is_made_to_order else f"^LOT-{head}-[0-9]+$"
    text = _outside_lots(meaning, context)
    return FieldSpec(name, "string", text, nullable=context.has_jobs_outside_lots, pattern=pattern)


def _lot_number(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    sizes = [each.lots.size for each in context.variants if each.lots]
    most = None if context.is_made_to_order else max((most for _, most in sizes), default=None)
    text = _outside_lots(meaning, context)
    return FieldSpec(name, "integer", text, nullable=context.has_jobs_outside_lots, minimum=1, maximum=most)


def _operator(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    operators = context.machine_type.operators
    return _text(name, meaning, tuple(operators.names if operators else ()), nullable=True)


def _outside_lots(meaning: str, context: MachineTypeContext) -> str:
    return f"{meaning}; null without a job, and for a repair." if context.has_jobs_outside_lots else f"{meaning}."


def _finished_id(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    return FieldSpec(name, "string", meaning, nullable=True, pattern=_job_pattern(context))


def _finished_cycle(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    # Reported with one decimal, rounded half up.
    shortest_ms = 0 if any(job.may_be_scrapped for job in context.jobs) else context.shortest_of_variants_ms
    least = (shortest_ms + 50) // 100 / 10
    return FieldSpec(name, "number", meaning, unit="s", nullable=True, minimum=least)


def _finished_result(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    return FieldSpec(name, "string", meaning, enum=context.results, nullable=True)


def _state_reason(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    return _text(name, meaning, context.reasons_of(context.statuses, code=False), nullable=True)


def _state_reason_code(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    return _text(name, meaning, context.reasons_of(context.statuses, code=True), nullable=True)


def _finished_reason(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    return _text(name, meaning, context.reasons_of(context.results, code=False), nullable=True)


def _finished_reason_code(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    return _text(name, meaning, context.reasons_of(context.results, code=True), nullable=True)


def _finished_issues(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    issues = (pair for job in context.jobs for pair in job.issues.items())
    most = max((most for result, (_, most) in issues if result in context.results), default=0)
    return FieldSpec(name, "integer", meaning, minimum=0, maximum=most)


def _finished_consumed(name: str, meaning: str, _context: MachineTypeContext) -> FieldSpec:
    return FieldSpec(name, "array", meaning, nullable=True, items="string")


def _current_id(name: str, meaning: str, context: MachineTypeContext) -> FieldSpec:
    text = f"{meaning}; null while it waits for material." if context.starves else f"{meaning}."
    return FieldSpec(name, "string", text, nullable=context.starves, pattern=_job_pattern(context))


def _sequence(name: str, meaning: str, _context: MachineTypeContext) -> FieldSpec:
    return FieldSpec(name, "integer", meaning, minimum=1)


def _constant(field: Field) -> FieldSpec:
    value: str | float | bool = json.loads(field.detail)
    kind = next(name for types, name in _JSON_TYPES.items() if isinstance(value, types))
    return FieldSpec(field.name, kind, field.source.meaning, enum=(value,))


_JSON_TYPES: Final[Mapping[type, str]] = {bool: "boolean", int: "integer", float: "number", str: "string"}


def _progress(name: str, meaning: str, _context: MachineTypeContext) -> FieldSpec:
    return FieldSpec(name, "number", meaning, minimum=0, maximum=1)


def _property_field(field: Field, context: MachineTypeContext) -> FieldSpec:
    """Return the specification of a property with placeholders; its values, if there are few."""
    machines = range(1, min(context.count, _MOST_LISTED) + 1)
    texts = tuple(dict.fromkeys(context.machine_type.property_of(field.detail, number) for number in machines))
    return _text(field.name, field.source.meaning, texts if context.count <= _MOST_LISTED else ())


_SPECS: Final[Mapping[FieldSource, Callable[[str, str, MachineTypeContext], FieldSpec]]] = {
    FieldSource.MACHINE_ID: _machine_id,
    FieldSource.STATION: _station,
    FieldSource.STATUS: _status,
    FieldSource.JOB_KIND: _job_kind,
    FieldSource.ORDER: _order,
    FieldSource.LOT: _lot,
    FieldSource.LOT_SIZE: _lot_number,
    FieldSource.LOT_POSITION: _lot_number,
    FieldSource.OPERATOR: _operator,
    FieldSource.FINISHED_ID: _finished_id,
    FieldSource.FINISHED_CYCLE: _finished_cycle,
    FieldSource.FINISHED_RESULT: _finished_result,
    FieldSource.STATE_REASON: _state_reason,
    FieldSource.STATE_REASON_CODE: _state_reason_code,
    FieldSource.FINISHED_REASON: _finished_reason,
    FieldSource.FINISHED_REASON_CODE: _finished_reason_code,
    FieldSource.FINISHED_ISSUES: _finished_issues,
    FieldSource.FINISHED_CONSUMED: _finished_consumed,
    FieldSource.CURRENT_ID: _current_id,
    FieldSource.PROGRESS: _progress,
    FieldSource.SEQUENCE: _sequence,
    FieldSource.MACHINE_SEQUENCE: _sequence,
    **ALARM_SPECS,
}
"""How to describe the values of each source; a test checks that none is missing."""
