"""Stages: the machines of one type with the buffer behind them, and how pieces move from stage to stage.

A machine that has finished a job puts the piece into the buffer behind it, or is blocked with it until there is room.
Then it takes the pieces that its next job needs, or is starved until it has them; pieces that it has already are
reserved for it. A piece whose result is not good goes to the rework buffer of the stage that repairs it, which is
served before all other work, or it is scrap. Buffers serve machines in the order in which they started to wait, so the
flow is deterministic. All times are milliseconds of plant time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

from plant.definition.flow.flow_config import FlowSpec
from plant.definition.flow.line import StageSpec
from plant.jobs.jobs import MS_PER_JOB_NUMBER, NO_JOB, Job
from plant.machines.job_series import outside
from plant.machines.machine import Machine
from plant.machines.machine_type_runtime import MachineTypeRuntime
from plant.machines.states import BLOCKED, CHANGEOVER, STARVED, State
from plant.material_flow.buffers import UNLIMITED, Buffer, Piece
from plant.random_stream import RandomStream

NOT_CONNECTED: Final = StageSpec("", (), {}, {}, processes=False, places=0, takes_pieces=False)


class Stage:
    """The machines of one type with the buffer behind them (`output`) and the pieces to be repaired here (`rework`).

    spec: the stage as configured.  sources: the stages whose pieces it takes, by key, while it is part of the line.
    repairs: the stage that repairs a piece, by its result, or None for this one; other bad results are scrap.
    counts: pieces made here, by what happened to them.
    """

    def __init__(self, key: str, seed: int | str, shard: tuple[int, int], begin_ms: int) -> None:
        self.key, self.spec = key, NOT_CONNECTED
        self.output, self.rework = Buffer(0), Buffer(UNLIMITED)
        self.sources: dict[str, Stage] = {}
        self.repairs: Mapping[str, Stage | None] = {}
        self.workstations: dict[int, Workstation] = {}
        self.most_reworks = 0
        self.counts = Counter[str]()
        self._runtime: MachineTypeRuntime | None = None
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
            _count_removed(buffer.pieces)
            buffer.pieces.clear()
        self._is_open = self._is_filled = False
        self.spec, self.sources, self.workstations, self._runtime = NOT_CONNECTED, {}, {}, None

    def apply(self, spec: FlowSpec, machines: Sequence[Machine]) -> list[Workstation]:
        """Apply other settings and machines; return the workstations of new machines."""
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
            _count_removed(pieces)

    def retry_waiting(self, now_ms: int) -> None:
        """Retry everything that waits, after settings or machines have changed."""
        self.output.refill(now_ms)
        for workstation in tuple(self.rework.waiting_for_piece):
            workstation.retry(now_ms)

    def route(self, workstation: Workstation, piece: Piece, result: str, now_ms: int) -> bool:
        """Route a finished piece by its result; return False if its machine is blocked, as only a good piece may be."""
        self.counts["made"] += 1
        if result in workstation.machine.runtime.machine_type.good:
            return self.output.put(workstation, piece, now_ms)
        if result in self.repairs and piece.reworks < self.most_reworks:
            repair = self.repairs[result] or self
            return repair.rework.put(workstation, piece._replace(reworks=piece.reworks + 1), now_ms)
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

    def _start_next(self, machine: Machine, now_ms: int) -> None:
        self.workstations[machine.number].finish_job(machine.finished, now_ms)


class Workstation:
    """A machine's place in the flow.

    ready_pieces: pieces reserved for its next job, by the key of the stage that made them.
    next_number: the number of that job.  next_job: that job, while the machine waits for pieces.
    last_job: the job on the machine, or the one that it has finished last, while it waits.
    unit: the unit that the current job processes; None where it makes something new.
    """

    __slots__ = ("last_job", "machine", "next_job", "next_number", "ready_pieces", "stage", "unit")

    def __init__(self, stage: Stage, machine: Machine) -> None:
        self.stage, self.machine = stage, machine
        self.ready_pieces: dict[str, list[Piece]] = {source: [] for source in stage.sources}
        self.next_number, self.next_job = machine.job.number + 1, machine.job
        self.last_job = machine.job
        self.unit: Piece | None = None

    def assume_initial_pieces(self) -> None:
        """Record that the job on the machine has consumed pieces from before the flow."""
        bill, sources = self.stage.spec.bill(self.machine.job.kind.name), self.stage.sources
        pieces = [piece for key, how_many in bill.items() for piece in sources[key].initial_pieces(how_many)]
        self._consume(pieces, pieces[0] if pieces and self.stage.spec.processes else None)
        self.machine.job = self.machine.job._replace(consumed_json=_ids_json(pieces))

    def finish_job(self, job: Job, now_ms: int) -> None:
        """Pass on the finished piece, then start the next job; either may have to wait."""
        self.next_number, self.last_job = job.number + 1, job
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
        for key, how_many in self._bill().items():
            self._collect(key, how_many, now_ms)
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
        ready = self.ready_pieces[piece.maker.key]
        ready.append(piece)
        if len(ready) == self._bill()[piece.maker.key]:
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
            self.machine.start_job(job := self._draw_job(now_ms), now_ms)
            self._set_reason(None, now_ms)
            self._change_over(job, now_ms)

    def remove(self) -> None:
        """Leave the flow with a machine that no longer exists; count the pieces on it as removed."""
        self._stop_waiting()
        _count_removed(self.stage.output.remove(self))
        _count_removed(chain.from_iterable(self.ready_pieces.values()))

    def return_pieces(self) -> None:
        """Return the reserved pieces that come from stages which are no sources any more."""
        ready = self.ready_pieces
        self.ready_pieces = {key: ready.get(key, []) for key in self.stage.sources}
        for key, pieces in ready.items():
            if pieces and key not in self.ready_pieces:
                pieces[0].maker.take_back(pieces)

    def _collect(self, key: str, how_many: int, now_ms: int) -> None:
        """Reserve the available pieces of a stage, and wait for the rest."""
        ready, source = self.ready_pieces[key], self.stage.sources[key]
        while len(ready) < how_many and (piece := source.output.take(now_ms)):
            ready.append(piece)
        if len(ready) < how_many:
            source.output.waiting_for_piece[self] = None

    def _lacks_pieces(self) -> bool:
        return any(self in source.output.waiting_for_piece for source in self.stage.sources.values())

    def _bill(self) -> Mapping[str, int]:
        return self.stage.spec.bill(self.next_job.kind.name)

    def _draw_job(self, now_ms: int, kind: str = "") -> Job:
        return self.machine.draw_job(self.next_number, now_ms, self.last_job, kind)

    def _start_repair(self, piece: Piece, now_ms: int) -> None:
        """Start a job of the kind that this stage has done to the piece before; it is outside the lots."""
        before = piece.kinds.get(self.stage.key)
        job = outside(self._draw_job(now_ms, before.name if before else ""), self.last_job)
        kind = before or job.kind
        id_json = kind.id_head + job.id_json.removeprefix(job.kind.id_head)
        self._start_job(job._replace(kind=kind, id_json=id_json), [piece], piece, now_ms)

    def _start_new_job(self, now_ms: int) -> None:
        runtime = self.machine.runtime
        if runtime.jobs_depend and self.next_job.started_ms != now_ms:  # on what may have changed in the wait
            self.next_job = self._draw_job(now_ms, self.next_job.kind.name)
        pieces = [self.ready_pieces[key].pop(0) for key, how_many in self._bill().items() for _ in range(how_many)]
        # What influences jobs does so as they start, and not as they begin to wait for pieces.
        job = self._draw_job(now_ms) if self.machine.runtime.influences else self.next_job
        self._start_job(job, pieces, pieces[0] if self.stage.spec.processes else None, now_ms)

    def _start_job(self, job: Job, pieces: Sequence[Piece], unit: Piece | None, now_ms: int) -> None:
        self._stop_waiting()
        self._consume(pieces, unit)
        self.last_job = job._replace(started_ms=now_ms, consumed_json=_ids_json(pieces))
        self.machine.start_job(self.last_job, now_ms)
        self._change_over(job, now_ms)  # before the wait ends, so that the machine does not produce between the two
        self._set_reason(None, now_ms)

    def _change_over(self, job: Job, now_ms: int) -> None:
        """Begin with the changeover before a job, if there is one."""
        if job.series.setup_ms:
            self.machine.interrupt(CHANGEOVER, job.series.setup_ms, now_ms)
            self.machine.runtime.on_rescheduled(self.machine)

    def _consume(self, pieces: Sequence[Piece], unit: Piece | None) -> None:
        self.unit = unit
        for piece in pieces:
            piece.maker.counts["consumed"] += 1

    def _wait_for(self, reason: State, shown_job: Job, now_ms: int) -> None:
        """Wait for a reason. shown_job: the job that messages report meanwhile."""
        self.machine.start_job(shown_job._replace(number=self.next_number, cycle_ms=1), now_ms)
        self._set_reason(reason, now_ms)

    def _stop_waiting(self) -> None:
        for buffer in (self.stage.rework, *(source.output for source in self.stage.sources.values())):
            buffer.waiting_for_piece.pop(self, None)

    def _set_reason(self, reason: State | None, now_ms: int) -> None:
        if reason:
            self.machine.suspend(reason, now_ms)
        for other in (BLOCKED, STARVED):
            if other is not reason:
                self.machine.resume(other, now_ms)


def _count_removed(pieces: Iterable[Piece]) -> None:
    for piece in pieces:
        piece.maker.counts["removed"] += 1


def _ids_json(pieces: Sequence[Piece]) -> bytes:
    return b"[%b]" % b",".join(piece.id_json for piece in pieces)
