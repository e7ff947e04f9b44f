"""Rules between the values of `flow:` and other values of a plant's YAML, checked on plain data.

Values of a wrong type are skipped here: the models of plant.definition.flow.flow_config report them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from plant.definition.document.errors import Place, Violation, quote
from plant.definition.flow.edges import Edges, edges_of
from plant.definition.flow.flow_config import (
    REPLACED_BY,
    SAME,
    FlowSpec,
    library_assembler,
    library_flow,
    library_sources,
)
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.machine_types.reading import MachineTypes, written_place

MOST_INITIAL_PIECES: Final = 100_000

_Data = Mapping[str, Any]

_UNKNOWN_TYPE: Final = "is not in message_types"
_NO_STAGE: Final = "is no stage: no edge names it"
_MOST_LISTED: Final = 9


def broken(data: _Data, types: MachineTypes) -> Iterator[Violation]:
    """Yield the broken rules of `flow:` in a plant's plain data. types: its machine types."""
    if not isinstance(data.get("flow"), dict):
        return
    flow, keys = data["flow"], list(dict.fromkeys((*types.types, *types.entries)))
    edges = edges_of(_readable(flow), keys)
    mixed = [*_double_keys(flow), *_unknown_parts(flow)]
    unknown = [*_unknown_types(flow, keys)]
    circles = [*_circles(edges)] if keys and not mixed else []
    is_whole = keys and not (mixed or unknown or circles)
    found = chain(
        mixed,
        unknown,
        circles,
        _empty_bills(flow),
        _unknown_products(flow, _mapping(data, "message_types", "customer_order")),
        _unknown_kinds(flow, types),
        _two_kinds_of_edge(flow),
        _broken_line(flow, edges, data, types.types) if is_whole else (),
    )
    yield from (violation._replace(place=("flow", *violation.place)) for violation in found)


def impossible(flow: FlowSpec, *, has_orders: bool) -> Iterator[Violation]:
    """Check a complete flow: pieces at the start are created at once, and orders need a stage that fills them."""
    pieces = sum(int(stage.places * flow.initial_fill) for stage in flow.line.stages.values())
    if pieces > MOST_INITIAL_PIECES:
        rule = f"puts {pieces:,} pieces into the buffers at the start: must be at most {MOST_INITIAL_PIECES:,}"
        yield Violation(("flow", "initial_fill"), rule)
    if has_orders and not flow.line.ships:
        yield Violation(("flow",), "has no stages, so nothing ships what is ordered: give edges, or leave flow out")


def _double_keys(flow: _Data) -> Iterator[Violation]:
    for old, others in REPLACED_BY.items():
        for new in others if old in flow else ():
            if new in flow:
                yield Violation((old,), f"is an older key than {new}, which replaces it: give only one of them")


def _empty_bills(flow: _Data) -> Iterator[Violation]:
    for place, bill in _bills(flow):
        if all(count == 0 for count in bill.values()):
            yield Violation(place, "needs at least one part")


def _unknown_parts(flow: _Data) -> Iterator[Violation]:
    known = library_sources()
    for place, bill in _bills(flow):
        for name in bill if place[0] in REPLACED_BY else ():
            if name not in known:
                yield Violation((*place, name), "is an unknown key", known)


def _unknown_products(flow: _Data, order: _Data) -> Iterator[Violation]:
    known = _names(order.get("product_types"))
    for key in ("units_by_product_type", "products"):
        yield from _unknown((key,), _mapping(flow, key), known, "is not in customer_order.product_types")
    for name in _mapping(flow, "products").keys() & _mapping(flow, "units_by_product_type").keys():
        yield Violation(("units_by_product_type", name), "is also in products, which says how many units it has")


def _unknown_kinds(flow: _Data, types: MachineTypes) -> Iterator[Violation]:
    """Check the kinds of job in both spellings, for types of the plant."""
    older = ((library_assembler(), ("parts_by_assembly_type",)),)
    newer = ((key, ("assembles_by_kind", key)) for key in _mapping(flow, "assembles_by_kind"))
    for key, place in (*older, *newer):
        if key in types.types:
            kinds_place = ".".join((key, *written_place(key, ("job", "kinds"), types.entries)))
            yield from _unknown(place, _mapping(flow, *place), types.types[key].kinds, f"is not in {kinds_place}")


def _unknown_types(flow: _Data, types: Sequence[str]) -> Iterator[Violation]:
    """Check the machine types that the edges name, as keys and as values."""
    for key in ("assembles", "assembles_by_kind", "processes"):
        yield from _unknown((key,), _mapping(flow, key), types, _UNKNOWN_TYPE)
    parts = library_sources()
    for place, bill in _bills(flow):  # of the older keys others than parts are unknown in any plant
        names = [name for name in bill if place[0] not in REPLACED_BY or name in parts]
        yield from _unknown(place, names, types, _UNKNOWN_TYPE)
    yield from _unknown_values(("processes",), _texts(_mapping(flow, "processes")), types, _UNKNOWN_TYPE)


def _two_kinds_of_edge(flow: _Data) -> Iterator[Violation]:
    both = _mapping(flow, "processes").keys() & _mapping(flow, "assembles").keys()
    rule = "also assembles: a job either makes something new, or works on one piece"
    yield from (Violation(("processes", key), rule) for key in both)


def _circles(edges: Edges) -> Iterator[Violation]:
    """Yield each circle of edges once; a type in two circles is in one of them only."""
    left = edges.sources.keys() - edges.in_order()
    for start in edges.sources:
        path: dict[str, None] = {}
        key: str | None = start
        while key in left and key not in path:
            path[key] = None
            key = next((source for source in edges.sources[key] if source in left), None)
        if key in path:
            circle = [*path][[*path].index(key) :]
            yield Violation(edges.place_of(key), f"is part of a circle: {_listed((*circle, key), ' <- ')}")
        left -= path.keys()


def _broken_line(flow: _Data, edges: Edges, data: _Data, types: Mapping[str, MachineType]) -> Iterator[Violation]:
    """Check what needs all edges."""
    stages = [*edges.sources]
    yield from _unknown_assemblers(flow, edges)
    yield from _wrong_shipper(flow, edges)
    known_places = library_flow().buffers.keys() if edges.of_library else ()
    yield from _unknown(("buffers",), _mapping(flow, "buffers").keys() - known_places, stages, _NO_STAGE)
    yield from _wrong_repairers(flow, edges, types)
    yield from _idle_stages(edges, data, types)
    yield from _wrong_products(flow, edges, types)


def _unknown_assemblers(flow: _Data, edges: Edges) -> Iterator[Violation]:
    known = list(edges.assembles)
    for key in _mapping(flow, "assembles_by_kind").keys() - edges.assembles.keys():
        yield Violation(("assembles_by_kind", key), "does not assemble: it is not in assembles", known)


def _wrong_shipper(flow: _Data, edges: Edges) -> Iterator[Violation]:
    """Check that one stage fills orders: the one that is named, or the only end."""
    yield from _unknown_values(
        (), _texts({key: flow[key] for key in ("ships",) if key in flow}), [*edges.sources], _NO_STAGE
    )
    ends = edges.ends()
    if "ships" not in flow and len(ends) > 1:
        yield Violation(
            ("ships",), f"is missing: no type takes the pieces of {_listed(ends, ', ')}; which fill orders?"
        )


def _wrong_repairers(flow: _Data, edges: Edges, types: Mapping[str, MachineType]) -> Iterator[Violation]:
    """Check that a type that repairs pieces has worked on them before, so that it can take them."""
    given = {result: key for result, key in _texts(_mapping(flow, "repairs")).items() if key != SAME}
    yield from _unknown_values(("repairs",), given, [*edges.sources], _NO_STAGE)
    with_result = defaultdict(list)
    for key in edges.sources:
        for result in types[key].results if key in types else ():
            with_result[result].append(key)
    for result, repairer in given.items():
        for key in with_result[result] if repairer in edges.sources else ():
            if repairer not in edges.passed(key):
                yield Violation(
                    ("repairs", result), f"{quote(repairer)} cannot take pieces of {key}: it did not work on them"
                )


def _wrong_products(flow: _Data, edges: Edges, types: Mapping[str, MachineType]) -> Iterator[Violation]:
    """Check what is made to order: that nothing else takes units, and that they can be of the kinds of a product."""
    ships = next(iter(_texts({"ships": flow.get("ships")}).values()), None) or next(iter(edges.ends()), "")
    if ships not in edges.sources or not _mapping(flow, "products"):
        return
    path = [*edges.passed(ships)]
    for rule in (*_other_takers(edges, path), *_lacking_kinds(path, types)):
        yield Violation(("products",), f"cannot be made to order: {rule}")
    for place, kinds in _kinds_of_products(flow):
        rule = f"does not work on the units that {ships} ships"
        yield from _unknown(place, kinds, path, rule)
        for key in path:
            job = types[key].job if key in types and key in kinds else None
            made = [kind for kind, weight in job.kinds.items() if weight] if job else []
            rule = f"is no kind of the jobs of {key} with a weight above 0"
            yield from _unknown_values(place, {key: kinds[key]} if made else {}, made, rule)


def _other_takers(edges: Edges, path: Sequence[str]) -> Iterator[str]:
    """Yield what takes the units that orders need. path: the types that work on them, the last one first."""
    for maker, entitled in zip(path, (None, *path), strict=False):
        for key, sources in edges.sources.items():
            if maker in sources and key != entitled:
                known = f"units of {maker} that {entitled} needs for orders" if entitled else ""
                yield f"{key} takes {known or f'pieces of {maker}, which ships them'}"


def _lacking_kinds(path: Iterable[str], types: Mapping[str, MachineType]) -> Iterator[str]:
    """Yield the machines with kinds of their own, of which one is lacking that an order may need."""
    for machine_type in (types[key] for key in path if key in types):
        needed = [kind for kind, weight in (machine_type.job.kinds if machine_type.job else {}).items() if weight]
        for number, own in sorted(machine_type.overrides.items()):
            lacking = [kind for kind in needed if own.job and kind not in own.job.kinds]
            if lacking:
                machine = quote(own.id_of(number))
                yield f"{machine} has no jobs of kind {_listed(lacking, ', ')}; give it 0 in its own kinds"


def _kinds_of_products(flow: _Data) -> Iterator[tuple[Place, dict[str, str]]]:
    """Yield the kinds of the units of products, each with its place."""
    for name, entries in _mapping(flow, "products").items():
        for place, entry in enumerate(entries if isinstance(entries, list) else ()):
            kinds = _mapping(entry, "kinds") if isinstance(entry, dict) else {}
            yield ("products", name, place, "kinds"), _texts(kinds)


def _idle_stages(edges: Edges, data: _Data, types: Mapping[str, MachineType]) -> Iterator[Violation]:
    """Check that the machines of each stage have jobs."""
    for key in edges.sources:
        is_usable = key in types and bool(_mapping(data, "message_types", key))
        if is_usable and types[key].job is None and "job" not in _mapping(data, "message_types", key):
            yield Violation(edges.place_of(key), f"{key} makes nothing: it has no job, so it can be no stage")


# Reading plain data, of which any part may have a wrong type


def _readable(flow: _Data) -> FlowSpec:
    """Return the edges of plain data as far as they are of the right type; a count of a wrong type is taken for 1."""
    edges: dict[str, Any] = {
        "assembles": _mapping_of_bills(flow["assembles"]) if isinstance(flow.get("assembles"), dict) else None,
        "assembles_by_kind": {
            key: _mapping_of_bills(kinds) for key, kinds in _mapping(flow, "assembles_by_kind").items()
        },
        "processes": _texts(_mapping(flow, "processes")) if isinstance(flow.get("processes"), dict) else None,
        "parts": _bill(flow["parts"]) if isinstance(flow.get("parts"), dict) else None,
        "parts_by_assembly_type": _mapping_of_bills(flow.get("parts_by_assembly_type")),
    }
    return FlowSpec.model_construct(**edges)


def _bills(flow: _Data) -> Iterator[tuple[Place, _Data]]:
    """Yield each bill with its place: numbers of pieces by machine type."""
    places: Iterable[tuple[str, ...]] = (
        ("parts",),
        *(("parts_by_assembly_type", kind) for kind in _mapping(flow, "parts_by_assembly_type")),
        *(("assembles", key) for key in _mapping(flow, "assembles")),
        *(
            ("assembles_by_kind", key, kind)
            for key in _mapping(flow, "assembles_by_kind")
            for kind in _mapping(flow, "assembles_by_kind", key)
        ),
    )
    for place in places:
        parent = _mapping(flow, *place[:-1])
        if isinstance(parent.get(place[-1]), dict):
            yield place, parent[place[-1]]


def _mapping_of_bills(value: object) -> dict[str, dict[str, int]]:
    return {key: _bill(bill) for key, bill in value.items()} if isinstance(value, dict) else {}


def _bill(value: object) -> dict[str, int]:
    counts = value.items() if isinstance(value, dict) else ()
    return {key: count if isinstance(count, int) else 1 for key, count in counts}


def _texts(mapping: _Data) -> dict[str, str]:
    return {key: value for key, value in mapping.items() if isinstance(value, str)}


def _unknown(place: Place, names: Iterable[str], known: Sequence[str], rule: str) -> Iterator[Violation]:
    """Yield a violation for each name below a place that is not known; none if no name is known."""
    known_names = set(known)
    return (Violation((*place, name), rule, known) for name in names if known and name not in known_names)


def _unknown_values(place: Place, names: Mapping[str, str], known: Sequence[str], rule: str) -> Iterator[Violation]:
    """Yield a violation for each value below a place that is not known; none if no name is known."""
    known_names = set(known)
    wrong = ((step, name) for step, name in names.items() if known and name not in known_names)
    return (Violation((*place, step), f"{rule}, got {quote(name)}", known, name) for step, name in wrong)


def _listed(names: Sequence[str], between: str) -> str:
    """Return names in one line; of many, the first."""
    return between.join([*names[:_MOST_LISTED], *(["..."] if len(names) > _MOST_LISTED else [])])


def _mapping(data: _Data, *steps: str) -> _Data:
    for step in steps:
        value = data.get(step)
        data = value if isinstance(value, dict) else {}
    return data


def _names(value: object) -> list[str]:
    """Return the texts of a list, or the keys of a mapping."""
    return [name for name in value if isinstance(name, str)] if isinstance(value, list | dict) else []
