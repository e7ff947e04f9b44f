"""The material flow: pieces that move from stage to stage, with small buffers in between, until orders take them.

The stages and what their jobs take are those of the line (see plant.definition.flow.line). Behind the stage that ships
is the store, from which orders are filled, the oldest first. Stages make what they can (see
plant.material_flow.workstations), so where few orders come in, the full store stops them. The flow counts pieces
whatever their kind; only a job that assembles may take other pieces for another kind.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from plant.definition.flow.flow_config import FlowSpec
from plant.definition.flow.line import Line
from plant.fleets.fleet import Fleet
from plant.machines.machine import Machine
from plant.material_flow.buffers import UNLIMITED
from plant.material_flow.demand import Demand
from plant.material_flow.stages import Stage
from plant.material_flow.workstations import Workstation
from plant.telemetry import PieceCount


class Order(NamedTuple):
    """A customer's order. units: that fill it.  items: its products, each with how many of them."""

    number: int
    units: int
    items: Sequence[tuple[str, int]]


class Flow:
    """The line of a plant, or of one shard of it: its stages, and the open orders, the oldest first.

    shard: (k, n), as for the whole plant.
    A stage that a change removes stays in `_stages`, without machines and buffers: its pieces stay counted, and if it
    returns, no id is used twice.
    """

    def __init__(self, spec: FlowSpec, seed: int | str, shard: tuple[int, int], begin_ms: int) -> None:
        self._spec = spec
        self._stages: dict[str, Stage] = {}
        self._orders: deque[Order] = deque()
        self._demand: Demand | None = None
        self._made_to_order: tuple[Mapping[str, Any], Sequence[str]] = {}, ()
        self._begin = seed, shard, begin_ms

    @property
    def open_orders(self) -> Sequence[Order]:
        """Orders that are not filled yet, the oldest first."""
        return self._orders

    @property
    def _store(self) -> Stage | None:
        """The stage that ships, whose output fills orders."""
        ships = self._spec.line.ships
        return self._stages[ships] if ships else None

    def apply(self, spec: FlowSpec, fleets: Collection[Fleet], now_ms: int) -> None:
        """Apply another line and other machines from now on.

        Pieces stay in the buffers of stages that stay; those of a stage that is removed are removed with it.
        """
        self._spec = spec
        machines = {fleet.key: fleet.machines for fleet in fleets}
        self._change_stages(spec.line, machines, now_ms)
        stages = [self._stages[key] for key in spec.line.stages]
        jobs = {fleet.key: fleet.machine_type.job for fleet in fleets}
        new = []
        for stage in stages:
            job = jobs.get(stage.key)
            new += stage.apply(spec, machines.get(stage.key, ()), job.kinds if job else None)
        for stage in stages:
            stage.fill(spec.initial_fill)
        for workstation in new:
            workstation.assume_initial_pieces()
        if (spec.products, spec.line.made_to_order) != self._made_to_order:
            self._renew_demand()
        self._make_room(now_ms)
        for stage in stages:
            stage.retry_waiting(now_ms)

    def end(self, fleets: Iterable[Fleet], now_ms: int) -> None:
        """End the flow: every machine that is still in a fleet stands alone from now on."""
        existing = {machine for fleet in fleets for machine in fleet.machines}
        for workstation in self._workstations():
            if workstation.machine in existing:
                workstation.detach(now_ms)

    def add_order(self, number: int, items: Iterable[Mapping[str, Any]], now_ms: int) -> None:
        """Add an order that has been placed."""
        products = [(item["product_type"], item["quantity"]) for item in items]
        units = sum(self._spec.units_of(product) * quantity for product, quantity in products)
        self._orders.append(order := Order(number, units, products))
        self._make_room(now_ms)
        if self._demand is not None:
            self._demand.add([order])
            self._demand.wake(now_ms)

    def ship(self, now_ms: int) -> tuple[int, list[str]] | None:
        """Fill the oldest order if the store can; return its number and the ids of its units, otherwise None."""
        store = self._store.output if self._store else None
        if store is None or not self._orders or not self._is_ready(self._orders[0], len(store.pieces)):
            return None
        order = self._orders.popleft()
        self._make_room(now_ms)
        if self._demand is not None:
            units = self._demand.ship(order.number)
        else:
            units = [unit for _ in range(order.units) if (unit := store.take(now_ms))]
        for unit in units:
            unit.maker.counts["shipped"] += 1
        if self._demand is not None:
            self._demand.wake(now_ms)
        return order.number, [orjson.loads(unit.id_json) for unit in units]

    def started(self, machine: Machine, now_ms: int) -> None:
        """Take note that a command has started a machine again."""
        stage = self._stages.get(machine.runtime.machine_type.key)
        if stage is not None and machine.number in stage.workstations:
            stage.workstations[machine.number].go_on(now_ms)

    def piece_counts(self) -> list[PieceCount]:
        """Return where the pieces are that each stage has made, also of stages that were removed."""
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

    def _change_stages(self, line: Line, machines: Mapping[str, Sequence[Machine]], now_ms: int) -> None:
        """Remove the stages that the line does not have, add those that are new, and connect them by its edges."""
        for stage in self._stages.values():
            stage.output.waiting_for_piece.clear()  # by the old edges; who waits tries again when all is applied
        for key, stage in self._stages.items():
            if key not in line.stages:
                stage.close(machines.get(key, ()), now_ms)
        for key in line.stages:
            if key not in self._stages:
                self._stages[key] = Stage(key, *self._begin)
        repairs = {result: self._stages[key] if key else None for result, key in line.repairs.items()}
        for key, configured in line.stages.items():
            self._stages[key].connect(configured, self._stages, repairs)

    def _renew_demand(self) -> None:
        """Begin again with what the open orders need: by the products and the stages that there are now, if any."""
        if self._demand is not None:
            self._demand.end()
        self._made_to_order = self._spec.products, self._spec.line.made_to_order
        path = [self._stages[key] for key in self._spec.line.made_to_order]
        self._demand = demand = Demand(path, self._units_of) if path else None
        for stage in self._stages.values():
            stage.demand = demand if stage in path else None
        if demand is not None:
            demand.add(self._orders)

    def _units_of(self, order: Order) -> Iterator[tuple[int, Mapping[str, str]]]:
        """Yield how many units of which kinds an order needs."""
        for product, quantity in order.items:
            for units, kinds in self._spec.units_by_kinds(product):
                yield units * quantity, kinds

    def _is_ready(self, order: Order, in_store: int) -> bool:
        """Return whether the store can fill an order, the oldest one. in_store: its pieces."""
        return self._demand.is_ready(order.number) if self._demand is not None else in_store >= order.units

    def _make_room(self, now_ms: int) -> None:
        """Let the store take as many pieces as the oldest order needs, even above its configured capacity.

        What is made to order always finds room: it is limited where it begins.
        """
        if self._store:
            needed = self._orders[0].units if self._orders else 0
            self._store.output.capacity = UNLIMITED if self._demand else max(self._store.spec.places, needed)
            self._store.output.refill(now_ms)
