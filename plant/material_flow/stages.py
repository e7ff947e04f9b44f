"""Stages: the machines of one type with the buffer behind them, and where finished pieces go from there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from plant.definition.flow.flow_config import FlowSpec
from plant.definition.flow.line import StageSpec
from plant.jobs.jobs import MS_PER_JOB_NUMBER
from plant.machines.machine import Machine
from plant.machines.machine_type_runtime import MachineTypeRuntime
from plant.material_flow.buffers import UNLIMITED, Buffer, Piece, count_removed
from plant.material_flow.demand import Demand
from plant.material_flow.workstations import Workstation
from plant.random_stream import RandomStream, WeightedChoice

NOT_CONNECTED: Final = StageSpec("", (), {}, {}, processes=False, places=0, takes_pieces=False)


class Stage:
    """The machines of one type with the buffer behind them (`output`) and the pieces to be repaired here (`rework`).

    spec: the stage as configured.  sources: the stages whose pieces it takes, by key, while it is part of the line.
    repairs: the stage that repairs a piece, by its result, or None for this one; other bad results are scrap.
    counts: pieces made here, by what happened to them.
    demand: what orders need, if its jobs work on units that are made to order.
    """

    def __init__(self, key: str, seed: int | str, shard: tuple[int, int], begin_ms: int) -> None:
        self.key, self.spec = key, NOT_CONNECTED
        self.output, self.rework = Buffer(0), Buffer(UNLIMITED)
        self.sources: dict[str, Stage] = {}
        self.repairs: Mapping[str, Stage | None] = {}
        self.workstations: dict[int, Workstation] = {}
        self.most_reworks = 0
        self.demand: Demand | None = None
        self.counts = Counter[str]()
        self._runtime: MachineTypeRuntime | None = None
        self._kinds = WeightedChoice([("", 1.0)])
        self._is_open = self._is_filled = False
        self._stock, (self._stock_number, self._shards) = RandomStream(seed, f"{key}/stock"), shard
        self._begin_tenths = begin_ms // MS_PER_JOB_NUMBER % 10**10

    def connect(self, spec: StageSpec, stages: Mapping[str, Stage], repairs: Mapping[str, Stage | None]) -> None:
        """Connect the stage, which is part of the line from now on, by its edges to other stages."""
        self._is_open = True
        self.spec, self.repairs = spec, repairs
        self.sources = {key: stages[key] for key in spec.sources}
        for workstation in self.workstations.values():
            workstation.return_pieces()

    def close(self, machines: Sequence[Machine], now_ms: int) -> None:
        """Leave the line, with all pieces here. machines: those that still exist stand alone from now on."""
        existing = {*machines}
        for workstation in self.workstations.values():
            workstation.remove()
            if workstation.machine in existing:
                workstation.detach(now_ms)
        for buffer in (self.output, self.rework):
            count_removed(buffer.pieces)
            buffer.pieces.clear()
        self._is_open = self._is_filled = False
        self.spec, self.sources, self.workstations, self._runtime = NOT_CONNECTED, {}, {}, None

    def apply(
        self, spec: FlowSpec, machines: Sequence[Machine], kinds: Mapping[str, float] | None
    ) -> list[Workstation]:
        """Apply other settings and machines; return the workstations of new machines.

        kinds: of the jobs of its machine type, with their weights; None leaves them as they are.
        """
        self._kinds = WeightedChoice(kinds.items()) if kinds else self._kinds
        self.output.capacity, self.most_reworks = self.spec.places, spec.most_reworks
        self._runtime = machines[0].runtime if machines else None
        for machine in machines:
            machine.runtime.start_next = self._start_next
        before = {workstation.machine: workstation for workstation in self.workstations.values()}
        new = [Workstation(self, machine) for machine in machines if machine not in before]
        kept = [before.pop(machine) for machine in machines if machine in before]
        for removed in before.values():
            removed.remove()
        self.workstations = {workstation.machine.number: workstation for workstation in (*kept, *new)}
        return new

    def fill(self, share: float) -> None:
        """Put earlier pieces into the output, as a share of its capacity, when the stage becomes part of the line."""
        if not self._is_filled:
            self._is_filled = True
            self.output.pieces.extend(self.initial_pieces(int(self.output.capacity * share)))

    def take_back(self, pieces: Sequence[Piece]) -> None:
        """Take back pieces from a stage that no longer takes them; without a place for them they are removed."""
        if self._is_open:
            self.output.pieces.extendleft(reversed(pieces))
        else:
            count_removed(pieces)

    def retry_waiting(self, now_ms: int) -> None:
        """Retry everything that waits, after settings or machines have changed."""
        self.output.refill(now_ms)
        for workstation in tuple(self.rework.waiting_for_piece):
            workstation.retry(now_ms)

    def route(self, workstation: Workstation, piece: Piece, result: str, now_ms: int) -> bool:
        """Route a finished piece by its result; return False if its machine is blocked, as only a good piece may be."""
        self.counts["made"] += 1
        if result in workstation.machine.runtime.machine_type.good:
            if self.demand is not None and self.demand.ends_at(self):
                piece = self.demand.store(piece)
            return self.output.put(workstation, piece, now_ms)
        if result in self.repairs and piece.reworks < self.most_reworks:
            repair = self.repairs[result] or self
            return repair.rework.put(workstation, piece._replace(reworks=piece.reworks + 1), now_ms)
        self.lose(piece, "scrapped")
        if self.demand is not None:
            self.demand.wake(now_ms)
        return True

    def lose(self, piece: Piece, how: str) -> None:
        """Count a piece of this stage that will be used for nothing; its order, if it has one, needs another."""
        self.counts[how] += 1
        if self.demand is not None:
            self.demand.give_back(piece.unit)

    def draw_kind(self, stream: RandomStream, number: int) -> str:
        """Return a kind that jobs have here, drawn by weight for a lot with that number."""
        kind_at, _, _, _ = stream.draws(b"kind " + self.key.encode(), number)
        return self._kinds.pick(kind_at)

    def initial_pieces(self, how_many: int) -> list[Piece]:
        """Return pieces that count as made before the flow started; none if the stage has no machines.

        Their ids have a number that starts with 0 where other ids have the number of the machine.
        """
        runtime = self._runtime
        return [self._initial_piece(runtime) for _ in range(how_many)] if runtime else []

    def piece_totals(self) -> tuple[int, int, int, int, int]:
        """Return how many pieces of this stage are made, consumed, scrapped, shipped and removed."""
        count = self.counts
        return count["made"], count["consumed"], count["scrapped"], count["shipped"], count["removed"]

    def _initial_piece(self, runtime: MachineTypeRuntime) -> Piece:
        number, self._stock_number = self._stock_number, self._stock_number + self._shards
        kind = runtime.jobs.draw(self._stock, 0, number, 0).kind
        id_json = b'%b0%d%010d"' % (kind.id_head, number, self._begin_tenths)
        self.counts["made"] += 1
        return Piece(id_json, self, {self.key: kind}, 0)

    def _start_next(self, machine: Machine, now_ms: int) -> None:
        self.workstations[machine.number].finish_job(machine.finished, now_ms)
