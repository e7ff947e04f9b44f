"""Demand: what open orders still need, where products are made to order.

Each product of an order needs units of certain kinds. The first stage that works on units takes them from here in lots,
each for one order, and the lot travels with its units: so each later stage makes the kind that the order needs. What is
lost on the way is made again. At most as many units are in progress as the store has places, except those of the oldest
order. A unit is made for an order and has its place in the store in any case, so no order can stop the line.
Units of no order, such as those that were there when the line began, are stock, and fill the orders that they fit.
Orders are started one after the other, the oldest first, each when those before it need no unit to be begun: however
many wait, only those that are in work have needs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from plant.jobs.jobs import NULL, Series
from plant.random_stream import whole_between

if TYPE_CHECKING:
    from plant.material_flow.buffers import Piece
    from plant.material_flow.flow import Order
    from plant.material_flow.stages import Stage
    from plant.material_flow.workstations import Workstation


NeededUnits = Iterable[tuple[int, Mapping[str, str]]]
"""How many units of which kinds an order needs."""


class Need:
    """Units of the same kinds that an order needs, and of which none has been shipped.

    kinds: that of the jobs at some stages, by the stage's key.  unreleased: units that nobody has begun, of `units`.
    ready: those in the store.  is_open: whether the order still waits for them.
    """

    __slots__ = ("is_open", "kinds", "order", "ready", "units", "unreleased")

    def __init__(self, order: int, units: int, kinds: Mapping[str, str]) -> None:
        self.order, self.kinds = order, kinds
        self.units = self.unreleased = units
        self.ready, self.is_open = 0, True


class Lot(NamedTuple):
    """Units that begin after each other at one machine, for one need. kinds: that of the job at each stage, by key."""

    need: Need
    id_json: bytes
    size: int
    kinds: Mapping[str, str]


class LotUnit(NamedTuple):
    """A unit of a lot. position: which one it is, counted from 1."""

    lot: Lot
    position: int

    @property
    def is_open(self) -> bool:
        """Whether its order still waits for it."""
        return self.lot.need.is_open

    def series(self, stage: str) -> Series:
        """Return what jobs on it at a stage report of its lot and its order."""
        lot = self.lot
        return Series(
            id_json=lot.id_json,
            size_json=b"%d" % lot.size,
            position_json=b"%d" % self.position,
            kind=lot.kinds.get(stage, ""),
            order_json=b'"%b"' % order_id(lot.need.order).encode(),
        )

    def after(self) -> LotUnit | None:
        """Return the next unit of the lot; None after the last one."""
        return self._replace(position=self.position + 1) if self.position < self.lot.size else None


class Demand:
    """What the open orders need, the oldest first.

    path: the stages that work on a unit, the first and the last too.  units_of: returns what an order needs.
    needs: of the orders that are started, by number.  in_progress: units that are begun, or in the store, and not
    shipped.  waiting: machines without an order to work for, in the order in which they started to wait.
    """

    def __init__(self, path: Sequence[Stage], units_of: Callable[[Order], NeededUnits]) -> None:
        self._path, self._units_of = path, units_of
        self._not_started: deque[Order] = deque()
        self.needs: dict[int, list[Need]] = {}
        self.in_progress = 0
        self.waiting: dict[Workstation, None] = {}

    def begins_at(self, stage: Stage) -> bool:
        """Return whether units begin at a stage."""
        return stage is self._path[0]

    def ends_at(self, stage: Stage) -> bool:
        """Return whether finished units leave a stage for the store."""
        return stage is self._path[-1]

    def add(self, orders: Iterable[Order]) -> None:
        """Add orders after all others."""
        self._not_started.extend(orders)

    def store(self, piece: Piece) -> Piece:
        """Return a finished unit as it is in the store: of its order, or of the oldest one that it fits, if any."""
        if piece.unit is not None and piece.unit.is_open:
            piece.unit.lot.need.ready += 1
            return piece
        return self._fill(chain.from_iterable(self.needs.values()), piece)

    def next_lot(self, workstation: Workstation) -> Lot | None:
        """Begin a lot of the oldest order that has units to begin; None without any, or if too many are in progress.

        Kinds that the product leaves open are drawn by weight, for the whole lot.
        """
        need = self._next_need()
        if need is None:
            return None
        machine, number = workstation.machine, workstation.next_number
        lots = machine.runtime.machine_type.lots
        size_at, _, _, _ = machine.stream.draws(b"lot", number)
        size = min(whole_between(*lots.size, size_at) if lots else 1, need.unreleased)
        self._release(need, size)
        drawn = {stage.key: stage.draw_kind(machine.stream, number) for stage in self._path}
        id_json = b'"LOT-%b-%d"' % (machine.id_json[1:-1], number)
        return Lot(need, id_json, size, {**drawn, **need.kinds})

    def give_back(self, unit: LotUnit | None, how_many: int = 1) -> None:
        """Take note that units will never be finished; their order needs others. None, or of no order: none does."""
        if unit is not None and unit.is_open:
            self._release(unit.lot.need, -how_many)

    def wake(self, now_ms: int) -> None:
        """Let machines begin that have waited for an order, as far as there is one."""
        for workstation in [each for each in self.waiting if not each.is_stopped]:
            workstation.retry(now_ms)
            if workstation in self.waiting:
                return

    def is_ready(self, number: int) -> bool:
        """Return whether all units of the oldest order, which has this number, are in the store."""
        if number not in self.needs:
            self._start_next_order()
        return all(need.ready >= need.units for need in self.needs[number])

    def ship(self, number: int) -> list[Piece]:
        """Remove an order, which is ready, with its units; return them."""
        output = self._path[-1].output
        ours = self.needs.pop(number)
        shipped = [piece for piece in output.pieces if piece.unit is not None and piece.unit.lot.need in ours]
        output.pieces = deque(piece for piece in output.pieces if piece.unit is None or piece.unit.lot.need not in ours)
        self.in_progress -= len(shipped)
        _close(ours)
        return shipped

    def end(self) -> None:
        """End the demand: units that are in progress are for no order any more."""
        _close(chain.from_iterable(self.needs.values()))
        self.waiting.clear()

    def _next_need(self) -> Need | None:
        """Return the first need with units that may begin, if there is one; orders are started until there is."""
        while True:
            need = next((need for needs in self.needs.values() for need in needs if need.unreleased), None)
            if self.in_progress >= self._path[-1].spec.places and not self._is_oldest(need):
                return None
            if need is not None or not self._not_started:
                return need
            self._start_next_order()

    def _start_next_order(self) -> None:
        """Note what the next order needs; units in stock are taken first."""
        order = self._not_started.popleft()
        self.needs[order.number] = needs = [
            Need(order.number, how_many, kinds) for how_many, kinds in self._units_of(order)
        ]
        pieces = self._path[-1].output.pieces
        in_stock = len(pieces) - sum(need.ready for each in self.needs.values() for need in each)
        for place, piece in enumerate(pieces if in_stock else ()):
            if not is_for_an_order(piece):
                pieces[place] = self._fill(needs, piece)

    def _fill(self, needs: Iterable[Need], piece: Piece) -> Piece:
        """Return a unit of no order as one of the first of these needs that it fits, or as stock."""
        need = next((need for need in needs if need.unreleased and _fits(piece, need)), None)
        if need is None:
            return piece._replace(unit=None)
        need.ready += 1
        self._release(need, 1)
        return piece._replace(unit=LotUnit(Lot(need, NULL, 1, need.kinds), 1))

    def _is_oldest(self, need: Need | None) -> bool:
        """Return whether a need is of the oldest order; None: whether the next order to be started is the oldest."""
        return not self.needs if need is None else need.order == next(iter(self.needs))

    def _release(self, need: Need, how_many: int) -> None:
        need.unreleased -= how_many
        self.in_progress += how_many


def order_id(number: int) -> str:
    """Return the id of the order with that number."""
    return f"ORD-{number % 10**10:010d}"


def is_for_an_order(piece: Piece) -> bool:
    """Return whether a piece is a unit that an open order waits for."""
    return piece.unit is not None and piece.unit.is_open


def _fits(piece: Piece, need: Need) -> bool:
    """Return whether a unit of no order is of the kinds that an order needs."""
    return all(stage in piece.kinds and piece.kinds[stage].name == kind for stage, kind in need.kinds.items())


def _close(needs: Iterable[Need]) -> None:
    for need in needs:
        need.is_open = False
