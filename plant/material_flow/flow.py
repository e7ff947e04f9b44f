"""The material flow: parts become assemblies, which are painted, tested and shipped, with small buffers in between.

CNC mills and 3D printers make parts, and welding makes assemblies from them; painting and testing process one unit at a
time. Behind the test rigs is the shipping store, from which orders are filled, the oldest first. Stages make what they
can (see plant.material_flow.workstations), so where few orders come in, the full store stops them. The flow counts
pieces whatever their kind; only each kind of assembly may have its own bill of parts.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from plant.definition.flow_config import FlowSpec
from plant.fleets.fleet import Fleet
from plant.material_flow.workstations import CNC, PAINTING, PRINTER, TESTING, WELDING, Stage, Workstation
from plant.telemetry import PieceCount

SOURCES: Final[Mapping[str, Sequence[str]]] = {
    CNC: (),
    PRINTER: (),
    WELDING: (CNC, PRINTER),
    PAINTING: (WELDING,),
    TESTING: (PAINTING,),
}
"""The stages in their order, each with the stages whose pieces it takes."""
REPAIRS: Final[Mapping[str, str | None]] = {"rework": None, "fail": WELDING}
"""The stage that repairs a piece, by result; None for the stage that it comes from."""


class Order(NamedTuple):
    """A customer's order, with the number of tested units that fill it."""

    number: int
    units: int


class Flow:
    """The line of a plant, or of one shard of it: its stages, and the open orders, the oldest first.

    shard: (k, n), as for the whole plant.
    """

    def __init__(self, spec: FlowSpec, seed: int | str, shard: tuple[int, int], begin_ms: int) -> None:
        self._stages = {key: Stage(key, seed, shard, begin_ms) for key in SOURCES}
        for stage in self._stages.values():
            stage.sources = [self._stages[key] for key in SOURCES[stage.key]]
            stage.repairs = {result: self._stages[key or stage.key].rework for result, key in REPAIRS.items()}
        self._store = self._stages[TESTING].output
        self._orders: deque[Order] = deque()
        self._spec, self._is_filled = spec, False

    @property
    def open_orders(self) -> Sequence[Order]:
        """Orders that are not filled yet, the oldest first."""
        return self._orders

    def apply(self, spec: FlowSpec, fleets: Iterable[Fleet], now_ms: int) -> None:
        """Apply other settings and machines from now on. Pieces in buffers stay there."""
        self._spec = spec
        on_the_line = [(self._stages[key], fleet) for fleet in fleets if (key := fleet.key) in self._stages]
        new = [workstation for stage, fleet in on_the_line for workstation in stage.apply(spec, fleet.machines)]
        if not self._is_filled:
            self._fill(spec.initial_fill)
        for workstation in new:
            workstation.assume_initial_pieces()
        self._make_room(now_ms)
        for stage in self._stages.values():
            stage.retry_waiting(now_ms)

    def end(self, fleets: Iterable[Fleet], now_ms: int) -> None:
        """End the flow: every machine that is still in a fleet stands alone from now on."""
        existing = {machine for fleet in fleets for machine in fleet.machines}
        for workstation in self._workstations():
            if workstation.machine in existing:
                workstation.detach(now_ms)

    def add_order(self, number: int, items: Iterable[Mapping[str, Any]], now_ms: int) -> None:
        """Add an order that has been placed."""
        units = sum(self._spec.units_of(item["product_type"]) * item["quantity"] for item in items)
        self._orders.append(Order(number, units))
        self._make_room(now_ms)

    def ship(self, now_ms: int) -> tuple[int, list[str]] | None:
        """Fill the oldest order if the store can; return its number and the ids of its units, otherwise None."""
        if not self._orders or len(self._store.pieces) < self._orders[0].units:
            return None
        order = self._orders.popleft()
        self._make_room(now_ms)
        units = [unit for _ in range(order.units) if (unit := self._store.take(now_ms))]
        for unit in units:
            unit.maker.counts["shipped"] += 1
        return order.number, [orjson.loads(unit.id_json) for unit in units]

    def piece_counts(self) -> list[PieceCount]:
        """Return where the pieces are that each stage has made."""
        buffers = [buffer for stage in self._stages.values() for buffer in (stage.output, stage.rework)]
        in_buffers = Counter(piece.maker.key for buffer in buffers for piece in buffer.pieces)
        blocked = (piece for buffer in buffers for _, piece in buffer.waiting_for_room)
        ready_pieces = (
            piece
            for workstation in self._workstations()
            for pieces in workstation.ready_pieces.values()
            for piece in pieces
        )
        on_machines = Counter(piece.maker.key for piece in (*blocked, *ready_pieces))
        return [
            PieceCount(key, *stage.piece_totals(), in_buffers[key], on_machines[key])
            for key, stage in self._stages.items()
        ]

    def _workstations(self) -> Iterator[Workstation]:
        return (workstation for stage in self._stages.values() for workstation in stage.workstations.values())

    def _fill(self, share: float) -> None:
        self._is_filled = True
        for stage in self._stages.values():
            stage.output.pieces.extend(stage.initial_pieces(int(stage.output.capacity * share)))

    def _make_room(self, now_ms: int) -> None:
        """Let the store take as many pieces as the oldest order needs, even above its configured capacity."""
        needed = self._orders[0].units if self._orders else 0
        self._store.capacity = max(self._spec.buffers.testing, needed)
        self._store.refill(now_ms)
