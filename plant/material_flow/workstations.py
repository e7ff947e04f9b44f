"""Stages: the machines of one type with the buffer behind them, and how pieces move from stage to stage.

A machine that has finished a job puts the piece into the buffer behind it, or is blocked with it until there is room.
Then it takes the pieces that its next job needs, or is starved until it has them; pieces that it has already are
reserved for it. A piece whose result is not good goes to the rework buffer of the stage that repairs it, which is
served before all other work, or it is scrap. Buffers serve machines in the order in which they started to wait, so the
flow is deterministic. All times are milliseconds of plant time.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

from plant.definition.flow_config import FlowSpec
from plant.machines.jobs import MS_PER_JOB_NUMBER, NO_JOB, Job, JobKind
from plant.machines.machine import Machine
from plant.machines.machine_type_runtime import MachineTypeRuntime
from plant.machines.states import BLOCKED, STARVED, State
from plant.random_stream import RandomStream

UNLIMITED: Final = 2**62
CNC, PRINTER, WELDING, PAINTING, TESTING = "cnc_machine", "printer_3d", "welding", "painting", "testing"
UNITS: Final = (PAINTING, TESTING)
"""Stages that process a unit; the others make something new."""


class Piece(NamedTuple):
    """A part, or a unit as it left welding, painting or testing.

    maker: the stage that made it.  kinds: the kind of job that each stage has done, which a repair repeats.
    reworks: how often it has been reworked.
    """

    id_json: bytes
    maker: Stage
    kinds: Mapping[str, JobKind]
    reworks: int


class Buffer:
    """A bounded buffer of pieces between two stages, first in first out.

    waiting_for_piece: starved machines that need a piece from here, in the order in which they started to wait.
    waiting_for_room: blocked machines, each with its finished piece, in the same order.
    No machine waits for a piece while there is one, and none waits for room while there is room.
    """

    __slots__ = ("capacity", "pieces", "waiting_for_piece", "waiting_for_room")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.pieces: deque[Piece] = deque()
        self.waiting_for_piece: dict[Workstation, None] = {}
        self.waiting_for_room: deque[tuple[Workstation, Piece]] = deque()

    def put(self, workstation: Workstation, piece: Piece, now_ms: int) -> bool:
        """Pass a piece to a waiting machine or store it; return False if its machine is blocked."""
        if self.waiting_for_piece:
            next(iter(self.waiting_for_piece)).receive(piece, self, now_ms)
        elif len(self.pieces) < self.capacity:
            self.pieces.append(piece)
        else:
            self.waiting_for_room.append((workstation, piece))
            return False
        return True

    def take(self, now_ms: int) -> Piece | None:
        """Remove and return the oldest piece; None if there is none."""
        if not self.pieces:
            return None
        piece = self.pieces.popleft()
        self.refill(now_ms)
        return piece

    def refill(self, now_ms: int) -> None:
        """Store the pieces of blocked machines as far as there is room, and let these machines continue."""
        while self.waiting_for_room and len(self.pieces) < self.capacity:
            workstation, piece = self.waiting_for_room.popleft()
            self.pieces.append(piece)
            workstation.start_next_job(now_ms)

    def remove(self, workstation: Workstation) -> list[Piece]:
        """Remove a machine that no longer exists; return the piece that it was blocked with, if any, as a list."""
        self.waiting_for_piece.pop(workstation, None)
        lost = [piece for blocked, piece in self.waiting_for_room if blocked is workstation]
        self.waiting_for_room = deque(each for each in self.waiting_for_room if each[0] is not workstation)
        return lost


class Stage:
    """The machines of one type with the buffer behind them (`output`) and the pieces to be repaired here (`rework`).

    sources: the stages whose pieces it takes.  bills: how many pieces of each source a job takes, by kind of job.
    repairs: the rework buffer for pieces with a bad result; a piece with any other bad result is scrap.
    counts: pieces made here, by what happened to them.
    """

    def __init__(self, key: str, seed: int | str, shard: tuple[int, int], begin_ms: int) -> None:
        self.key = key
        self.output, self.rework = Buffer(0), Buffer(UNLIMITED)
        self.sources: Sequence[Stage] = ()
        self.repairs: Mapping[str, Buffer] = {}
        self.workstations: dict[int, Workstation] = {}
        self.bills: Mapping[str, Mapping[Stage, int]] = {}
        self.most_reworks = 0
        self.counts = Counter[str]()
        self._runtime: MachineTypeRuntime | None = None
        self._stock, (self._stock_number, self._shards) = RandomStream(seed, f"{key}/stock"), shard
        self._begin_tenths = begin_ms // MS_PER_JOB_NUMBER % 10**10

    def apply(self, spec: FlowSpec, machines: Sequence[Machine]) -> list[Workstation]:
        """Apply other settings and machines; return the workstations of new machines."""
        self.output.capacity, self.most_reworks = getattr(spec.buffers, self.key), spec.most_reworks
        self._runtime = machines[0].runtime if machines else None
        if self._runtime:
            self._runtime.start_next = self._start_next
            self.bills = {kind: self._bill_of(spec, kind) for kind in self._runtime.machine_type.kinds}
        before = {workstation.machine: workstation for workstation in self.workstations.values()}
        new = [Workstation(self, machine) for machine in machines if machine not in before]
        kept = [before.pop(machine) for machine in machines if machine in before]
        for removed in before.values():
            removed.remove()
        self.workstations = {workstation.machine.number: workstation for workstation in (*kept, *new)}
        return new

    def retry_waiting(self, now_ms: int) -> None:
        """Retry everything that waits, after settings or machines have changed."""
        self.output.refill(now_ms)
        for workstation in tuple(self.rework.waiting_for_piece):
            workstation.retry(now_ms)

    def route(self, workstation: Workstation, piece: Piece, result: str, now_ms: int) -> bool:
        """Route a finished piece by its result; return False if its machine is blocked, as only a good piece may be."""
        self.counts["made"] += 1
        repair = self.repairs.get(result)
        if result in workstation.machine.runtime.machine_type.good:
            return self.output.put(workstation, piece, now_ms)
        if repair and piece.reworks < self.most_reworks:
            return repair.put(workstation, piece._replace(reworks=piece.reworks + 1), now_ms)
        self.counts["scrapped"] += 1
        return True

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

    def _bill_of(self, spec: FlowSpec, kind: str) -> Mapping[Stage, int]:
        parts = spec.parts_of(kind) if self.key == WELDING else {source.key: 1 for source in self.sources}
        return {source: parts[source.key] for source in self.sources if source.key in parts}

    def _start_next(self, machine: Machine, now_ms: int) -> None:
        self.workstations[machine.number].finish_job(machine.finished, now_ms)


class Workstation:
    """A machine's place in the flow.

    ready_pieces: pieces reserved for its next job, by the stage that made them.  next_number: the number of that job.
    next_job: that job, while the machine waits for pieces.
    unit: the unit that the current job processes; None where it makes a new part or assembly.
    """

    __slots__ = ("machine", "next_job", "next_number", "ready_pieces", "stage", "unit")

    def __init__(self, stage: Stage, machine: Machine) -> None:
        self.stage, self.machine = stage, machine
        self.ready_pieces: dict[Stage, list[Piece]] = {source: [] for source in stage.sources}
        self.next_number, self.next_job = machine.job.number + 1, machine.job
        self.unit: Piece | None = None

    def assume_initial_pieces(self) -> None:
        """Record that the job on the machine has consumed pieces from before the flow."""
        bill = self.stage.bills.get(self.machine.job.kind.name, {})
        pieces = [piece for source, how_many in bill.items() for piece in source.initial_pieces(how_many)]
        self._consume(pieces, pieces[0] if pieces and self.stage.key in UNITS else None)
        self.machine.job = self.machine.job._replace(consumed_json=_ids_json(pieces))

    def finish_job(self, job: Job, now_ms: int) -> None:
        """Pass on the finished piece, then start the next job; either may have to wait."""
        self.next_number = job.number + 1
        kinds, reworks = (self.unit.kinds, self.unit.reworks) if self.unit else ({}, 0)
        piece = Piece(job.id_json, self.stage, {**kinds, self.stage.key: job.kind}, reworks)
        if self.stage.route(self, piece, job.result.name, now_ms):
            self.start_next_job(now_ms)
        else:
            self._wait_for(BLOCKED, job, now_ms)

    def start_next_job(self, now_ms: int) -> None:
        """Start the next job on the empty machine, repairs first, or wait for its pieces."""
        repair = self.stage.rework.take(now_ms)
        if repair:
            self._start_repair(repair, now_ms)
            return
        self.next_job = self._draw_job(now_ms)
        for source, how_many in self._bill().items():
            self._collect(source, how_many, now_ms)
        if self._lacks_pieces():
            self.stage.rework.waiting_for_piece[self] = None
            self._wait_for(STARVED, NO_JOB, now_ms)
        else:
            self._start_new_job(now_ms)

    def receive(self, piece: Piece, buffer: Buffer, now_ms: int) -> None:
        """Take a piece for which the machine has waited."""
        if buffer is self.stage.rework:
            self._start_repair(piece, now_ms)
            return
        self.ready_pieces[piece.maker].append(piece)
        if len(self.ready_pieces[piece.maker]) == self._bill()[piece.maker]:
            del buffer.waiting_for_piece[self]
        if not self._lacks_pieces():
            self._start_new_job(now_ms)

    def retry(self, now_ms: int) -> None:
        """Start the next job, or wait again, after the settings have changed."""
        self._stop_waiting()
        self.start_next_job(now_ms)

    def detach(self, now_ms: int) -> None:
        """Leave the flow, which has ended: a machine that waited starts its next job."""
        if self.machine.suspension and {BLOCKED, STARVED} & set(self.machine.suspension.reasons):
            self.machine.start_job(self._draw_job(now_ms), now_ms)
            self._set_reason(None, now_ms)

    def remove(self) -> None:
        """Leave the flow with a machine that no longer exists; count the pieces on it as removed."""
        self._stop_waiting()
        for piece in (*self.stage.output.remove(self), *chain.from_iterable(self.ready_pieces.values())):
            piece.maker.counts["removed"] += 1

    def _collect(self, source: Stage, how_many: int, now_ms: int) -> None:
        """Reserve the available pieces of a stage, and wait for the rest."""
        ready = self.ready_pieces[source]
        while len(ready) < how_many and (piece := source.output.take(now_ms)):
            ready.append(piece)
        if len(ready) < how_many:
            source.output.waiting_for_piece[self] = None

    def _lacks_pieces(self) -> bool:
        return any(self in source.output.waiting_for_piece for source in self.stage.sources)

    def _bill(self) -> Mapping[Stage, int]:
        return self.stage.bills[self.next_job.kind.name]

    def _draw_job(self, now_ms: int) -> Job:
        return self.machine.runtime.jobs.draw(self.machine.stream, self.machine.number, self.next_number, now_ms)

    def _start_repair(self, piece: Piece, now_ms: int) -> None:
        """Start a job of the kind that this stage has done to the piece before."""
        job = self._draw_job(now_ms)
        kind = piece.kinds.get(self.stage.key, job.kind)
        id_json = kind.id_head + job.id_json.removeprefix(job.kind.id_head)
        self._start_job(job._replace(kind=kind, id_json=id_json), [piece], piece, now_ms)

    def _start_new_job(self, now_ms: int) -> None:
        pieces = [
            self.ready_pieces[source].pop(0) for source, how_many in self._bill().items() for _ in range(how_many)
        ]
        self._start_job(self.next_job, pieces, pieces[0] if self.stage.key in UNITS else None, now_ms)

    def _start_job(self, job: Job, pieces: Sequence[Piece], unit: Piece | None, now_ms: int) -> None:
        self._stop_waiting()
        self._consume(pieces, unit)
        self.machine.start_job(job._replace(started_ms=now_ms, consumed_json=_ids_json(pieces)), now_ms)
        self._set_reason(None, now_ms)

    def _consume(self, pieces: Sequence[Piece], unit: Piece | None) -> None:
        self.unit = unit
        for piece in pieces:
            piece.maker.counts["consumed"] += 1

    def _wait_for(self, reason: State, shown_job: Job, now_ms: int) -> None:
        """Wait for a reason. shown_job: the job that messages report meanwhile."""
        self.machine.start_job(shown_job._replace(number=self.next_number, cycle_ms=1), now_ms)
        self._set_reason(reason, now_ms)

    def _stop_waiting(self) -> None:
        for buffer in (self.stage.rework, *(source.output for source in self.stage.sources)):
            buffer.waiting_for_piece.pop(self, None)

    def _set_reason(self, reason: State | None, now_ms: int) -> None:
        if reason:
            self.machine.suspend(reason, now_ms)
        for other in (BLOCKED, STARVED):
            if other is not reason:
                self.machine.resume(other, now_ms)


def _ids_json(pieces: Sequence[Piece]) -> bytes:
    return b"[%b]" % b",".join(piece.id_json for piece in pieces)
