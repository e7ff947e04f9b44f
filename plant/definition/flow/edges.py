"""From `flow:` to the line: the edges of the YAML or of the library, and the order of the stages that they connect.

A machine type is a stage if an edge names it; all other types are independent. Types are ordered as in the plant, so
another order in the YAML changes no message.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from plant.definition.flow.flow_config import OTHER_PLACES, SAME, FlowSpec, library_assembler, library_flow
from plant.definition.flow.line import Line, StageSpec
from plant.definition.machine_types.machine_type import MachineType

_Bills = Mapping[str, Mapping[str, int]]


class Edges(NamedTuple):
    """The edges of a flow, completed from the library.

    sources: the stages, each with those whose pieces it takes; both in the order of the plant's types.
    assembles, assembles_by_kind, processes, repairs, buffers: as in the YAML.
    of_library: whether they are the library's edges.
    """

    sources: Mapping[str, tuple[str, ...]]
    assembles: _Bills
    assembles_by_kind: Mapping[str, _Bills]
    processes: Mapping[str, str]
    repairs: Mapping[str, str]
    buffers: Mapping[str, int]
    of_library: bool

    def ends(self) -> list[str]:
        """Return the stages whose pieces no stage takes."""
        taken = {source for sources in self.sources.values() for source in sources}
        return [key for key in self.sources if key not in taken]

    def passed(self, key: str) -> Iterator[str]:
        """Yield the stages that have worked on the pieces of a stage: itself, and those that the unit passed before."""
        found: dict[str, None] = {}
        while key not in found:  # a circle is an error, and must have an end here
            found[key] = None
            yield key
            key = self.processes.get(key, key)

    def repairer(self, key: str, result: str) -> str:
        """Return the stage that repairs pieces of a stage with a result that is in `repairs`."""
        return key if self.repairs[result] == SAME else self.repairs[result]

    def place_of(self, key: str) -> tuple[str, ...]:
        """Return the place below `flow` of the edges that a stage has; of one without sources, of its first taker."""
        taker = next((taker for taker, sources in self.sources.items() if key in sources), key)
        own = key if key in self.processes or key in self.assembles else taker
        return ("processes" if own in self.processes else "assembles", own)

    def in_order(self) -> list[str]:
        """Return the stages, each after its sources; stages of a circle, and those after them, are left out."""
        places = {key: place for place, key in enumerate(self.sources)}
        missing = {key: len(sources) for key, sources in self.sources.items()}
        takers = defaultdict(list)
        for key, sources in self.sources.items():
            for source in sources:
                takers[source].append(key)
        ready = [(places[key], key) for key, count in missing.items() if not count]
        heapify(ready)
        order = []
        while ready:
            order.append(heappop(ready)[1])
            for taker in takers[order[-1]]:
                missing[taker] -= 1
                if not missing[taker]:
                    heappush(ready, (places[taker], taker))
        return order


def edges_of(flow: FlowSpec, types: Sequence[str]) -> Edges:
    """Return the edges of a flow. types: the plant's machine types in order."""
    if flow.assembles is not None or flow.processes is not None:
        assembles, processes = flow.assembles or {}, flow.processes or {}
        sources = _sources(assembles, flow.assembles_by_kind, processes, types)
        return Edges(
            sources, assembles, flow.assembles_by_kind, processes, flow.repairs, flow.buffers, of_library=False
        )
    library, here = library_flow(), {*types}
    assembles = _library_bills(flow, here)
    by_kind = {library_assembler(): flow.parts_by_assembly_type} | flow.assembles_by_kind
    processes = {key: source for key, source in (library.processes or {}).items() if {key, source} <= here}
    sources = _sources(assembles, by_kind, processes, types)
    repairs, buffers = library.repairs | flow.repairs, library.buffers | flow.buffers
    return Edges(sources, assembles, by_kind, processes, repairs, buffers, of_library=True)


def line_of(flow: FlowSpec, types: Mapping[str, MachineType]) -> Line:
    """Return the line of a flow without errors. types: the plant's machine types, in order."""
    edges = edges_of(flow, [*types])
    bad = ((key, result) for key in edges.sources for result in types[key].results if result not in types[key].good)
    repairing = {edges.repairer(key, result) for key, result in bad if result in edges.repairs}
    stages = {key: _stage(edges, key, is_repairing=key in repairing) for key in edges.in_order()}
    targets = {result: None if key == SAME else key for result, key in edges.repairs.items()}
    repairs = {result: key for result, key in targets.items() if key is None or key in stages}
    ships = flow.ships or next(iter(edges.ends()), None)
    made_to_order = reversed([*edges.passed(ships)]) if flow.products and ships else ()
    return Line(stages, ships, repairs, tuple(made_to_order))


def _library_bills(flow: FlowSpec, types: Collection[str]) -> dict[str, dict[str, int]]:
    """Return what types of the library assemble. A source that `parts` leaves out stays a stage: 0 of it are taken."""
    found = {}
    for key, bill in (library_flow().assembles or {}).items():
        known = {source: pieces for source, pieces in bill.items() if source in types}
        found[key] = known if flow.parts is None else dict.fromkeys(known, 0) | flow.parts
    return {key: bill for key, bill in found.items() if key in types and bill}


def _sources(
    assembles: _Bills, by_kind: Mapping[str, _Bills], processes: Mapping[str, str], types: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return the sources of each stage; stages and sources that are no machine types come last."""
    named: dict[str, set[str]] = defaultdict(set)
    for key, bill in assembles.items():
        named[key].update(bill, *by_kind.get(key, {}).values())
    for key, source in processes.items():
        named[key].add(source)
    places = {key: place for place, key in enumerate(types)}

    def in_order(keys: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(keys, key=lambda key: (places.get(key, len(places)), key)))

    return {key: in_order(named.get(key, ())) for key in in_order({*named}.union(*named.values()))}


def _stage(edges: Edges, key: str, *, is_repairing: bool) -> StageSpec:
    sources, processed = edges.sources[key], edges.processes.get(key)
    usual = edges.assembles.get(key, {}) if processed is None else {processed: 1}
    kinds = edges.assembles_by_kind.get(key, {}) if key in edges.assembles else {}
    return StageSpec(
        key=key,
        sources=sources,
        usual_bill=_bill(usual, sources),
        bills={kind: _bill(bill, sources) for kind, bill in kinds.items()},
        processes=processed is not None,
        places=edges.buffers.get(key, OTHER_PLACES),
        takes_pieces=bool(sources) or is_repairing,
    )


def _bill(bill: Mapping[str, int], sources: Sequence[str]) -> dict[str, int]:
    """Return a bill in the order of its sources, without those of which it takes none."""
    return {source: bill[source] for source in sources if bill.get(source)}
