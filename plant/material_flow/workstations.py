"""Workstations: how a machine takes pieces, waits, works, and passes its piece on.

A machine that has finished a job puts the piece into the buffer behind it, or is blocked with it until there is room.
Then it takes the pieces that its next job needs, or is starved until it has them; pieces that it has already are
reserved for it. A piece whose result is not good goes to the rework buffer of the stage that repairs it, which is
served before all other work, or it is scrap. Buffers serve machines in the order in which they started to wait, so the
flow is deterministic. All times are milliseconds of plant time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from plant.jobs.jobs import ANY_JOB, NO_JOB, Job, Wanted
from plant.machines.job_series import outside
from plant.machines.machine import Machine
from plant.machines.states import BLOCKED, CHANGEOVER, STARVED, State
from plant.material_flow.buffers import Buffer, Piece, count_removed
from plant.material_flow.demand import LotUnit

if TYPE_CHECKING:
    from plant.material_flow.stages import Stage


class Workstation:
    """A machine's place in the flow.

    ready_pieces: pieces reserved for its next job, by the key of the stage that made them.
    next_number: the number of that job.  next_job: that job, while the machine waits for pieces.
    last_job: the job on the machine, or the one that it has finished last, while it waits.
    unit: the unit that the current job processes; None where it makes something new.
    in_work, next_unit: the places in lots of the unit that it makes or processes for an order, and of the next one that
    begins here, if there are any.  in_row: jobs of the kind of the last one, one after the other.
    """

    __slots__ = (
        "in_row",
        "in_work",
        "last_job",
        "machine",
        "next_job",
        "next_number",
        "next_unit",
        "ready_pieces",
        "stage",
        "unit",
    )

    def __init__(self, stage: Stage, machine: Machine) -> None:
        self.stage, self.machine = stage, machine
        self.ready_pieces: dict[str, list[Piece]] = {source: [] for source in stage.sources}
        self.next_number, self.next_job = machine.job.number + 1, machine.job
        self.last_job = machine.job
        self.unit: Piece | None = None
        self.in_work: LotUnit | None = None
        self.next_unit: LotUnit | None = None
        self.in_row = 1

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
        piece = Piece(job.id_json, self.stage, {**kinds, self.stage.key: job.kind}, reworks, self.in_work)
        self.in_work = None
        if self.stage.route(self, piece, job.result.name, now_ms):
            self.start_next_job(now_ms)
        else:
            self._wait_for(BLOCKED, job, now_ms)

    def start_next_job(self, now_ms: int) -> None:
        """Start the next job on the empty machine, repairs first, or wait for its pieces.

        A machine that is stopped takes nothing: nobody knows when it is started, and an order would wait for that.
        """
        if self.is_stopped:
            self._wait_starved(now_ms)
            return
        repair = self.stage.rework.take(now_ms)
        if repair:
            self._start_repair(repair, now_ms)
            return
        if self._has_order():
            self.next_job = self._draw_job(now_ms, self._wanted(self.next_unit))
            for key, how_many in self._bill().items():
                self._collect(key, how_many, now_ms)
        if self._lacks_pieces():
            self._wait_starved(now_ms)
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

    @property
    def is_stopped(self) -> bool:
        """Whether a command has stopped the machine."""
        return self.machine.is_stopped

    def go_on(self, now_ms: int) -> None:
        """Start the next job of a machine that a command has started again, if it had none to do."""
        if self in self.stage.rework.waiting_for_piece:
            self.retry(now_ms)

    def retry(self, now_ms: int) -> None:
        """Start the next job, or wait again, after something has changed."""
        self._stop_waiting()
        self.start_next_job(now_ms)

    def detach(self, now_ms: int) -> None:
        """Leave the flow, which has ended: a machine that waited starts its next job."""
        if self.machine.suspension and {BLOCKED, STARVED} & set(self.machine.suspension.reasons):
            self.machine.start_job(job := self._draw_job(now_ms, ANY_JOB), now_ms)
            self._change_over(job, now_ms)
            self._set_reason(None, now_ms)

    def remove(self) -> None:
        """Leave the flow with a machine that no longer exists; count the pieces on it as removed."""
        self._stop_waiting()
        count_removed(self.stage.output.remove(self))
        count_removed(chain.from_iterable(self.ready_pieces.values()))
        if self.stage.demand is not None:
            self.stage.demand.give_back(self.in_work)
            if self.next_unit is not None:
                self.stage.demand.give_back(self.next_unit, 1 + self.next_unit.lot.size - self.next_unit.position)

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
        while len(ready) < how_many and (piece := source.output.take(now_ms, self._preference())):
            ready.append(piece)
        if len(ready) < how_many:
            source.output.waiting_for_piece[self] = None

    def _lacks_pieces(self) -> bool:
        """Return whether it waits for pieces, or for an order."""
        demand = self.stage.demand
        return any(self in source.output.waiting_for_piece for source in self.stage.sources.values()) or (
            demand is not None and self in demand.waiting
        )

    def _bill(self) -> Mapping[str, int]:
        return self.stage.spec.bill(self.next_job.kind.name)

    def _draw_job(self, now_ms: int, wanted: Wanted) -> Job:
        return self.machine.draw_job(self.next_number, now_ms, self.last_job, wanted)

    def _wanted(self, unit: LotUnit | None) -> Wanted:
        """Return what is certain of a job on a unit that is made for an order, if there is one."""
        if unit is None or not unit.is_open:
            return ANY_JOB
        series = unit.series(self.stage.key)
        return Wanted(series.kind, series)

    def _has_order(self) -> bool:
        """Return whether there is an order to work for, where units begin; otherwise wait for one."""
        demand = self.stage.demand
        if demand is None or not demand.begins_at(self.stage):
            return True
        if self.next_unit is None or not self.next_unit.is_open:
            lot = demand.next_lot(self)
            self.next_unit = LotUnit(lot, 1) if lot else None
        if self.next_unit is None:
            demand.waiting[self] = None
        return self.next_unit is not None

    def _preference(self) -> Callable[[Piece], bool] | None:
        """Return which pieces to take before others: those that need no changeover, for as long as a lot may be."""
        lots = self.machine.runtime.machine_type.lots
        if self.stage.demand is None or lots is None or not self.stage.spec.processes or self.in_row >= lots.size[1]:
            return None
        kind = _set_up_for(self.last_job)
        return lambda piece: self._wanted(piece.unit).kind == kind

    def _start_repair(self, piece: Piece, now_ms: int) -> None:
        """Start a job of the kind that this stage has done to the piece before; it is outside the lots."""
        before = piece.kinds.get(self.stage.key)
        job = outside(self._draw_job(now_ms, Wanted(before.name if before else "")), self.last_job)
        kind = before or job.kind
        id_json = kind.id_head + job.id_json.removeprefix(job.kind.id_head)
        self.in_work = piece.unit
        self._start_job(job._replace(kind=kind, id_json=id_json), [piece], piece, now_ms)

    def _start_new_job(self, now_ms: int) -> None:
        pieces = [self.ready_pieces[key].pop(0) for key, how_many in self._bill().items() for _ in range(how_many)]
        processed = pieces[0] if self.stage.spec.processes else None
        self.in_work = processed.unit if processed else self.next_unit
        self._start_job(self._job_to_start(now_ms), pieces, processed, now_ms)
        self.next_unit = self.next_unit.after() if self.next_unit else None

    def _job_to_start(self, now_ms: int) -> Job:
        """Return the next job as it is now: what influences jobs does so as they start, not as they begin to wait."""
        runtime, wanted = self.machine.runtime, self._wanted(self.in_work)
        if wanted is not ANY_JOB or runtime.influences:
            return self._draw_job(now_ms, wanted)
        if runtime.jobs_depend and self.next_job.started_ms != now_ms:  # on what may have changed in the wait
            return self._draw_job(now_ms, Wanted(self.next_job.kind.name))
        return self.next_job

    def _start_job(self, job: Job, pieces: Sequence[Piece], unit: Piece | None, now_ms: int) -> None:
        self._stop_waiting()
        self._consume(pieces, unit)
        self.in_row = self.in_row + 1 if _set_up_for(job) == _set_up_for(self.last_job) else 1
        self.last_job = job._replace(started_ms=now_ms, consumed_json=_ids_json(pieces))
        self.machine.start_job(self.last_job, now_ms)
        self._change_over(job, now_ms)  # before the wait ends, so that the machine does not produce between the two
        self._set_reason(None, now_ms)

    def _change_over(self, job: Job, now_ms: int) -> None:
        """Begin with the changeover before a job, if there is one, as it ends its last one or before it ends a wait."""
        if job.series.setup_ms:
            self.machine.interrupt(CHANGEOVER, job.series.setup_ms, now_ms)

    def _consume(self, pieces: Sequence[Piece], unit: Piece | None) -> None:
        self.unit = unit
        for piece in pieces:
            piece.maker.counts["consumed"] += 1

    def _wait_starved(self, now_ms: int) -> None:
        self.stage.rework.waiting_for_piece[self] = None
        self._wait_for(STARVED, NO_JOB, now_ms)

    def _wait_for(self, reason: State, shown_job: Job, now_ms: int) -> None:
        """Wait for a reason, or go on waiting. shown_job: the job that messages report meanwhile."""
        shown_job = shown_job._replace(number=self.next_number, cycle_ms=1)
        if shown_job != self.machine.job:
            self.machine.start_job(shown_job, now_ms)
        self._set_reason(reason, now_ms)

    def _stop_waiting(self) -> None:
        for buffer in (self.stage.rework, *(source.output for source in self.stage.sources.values())):
            buffer.waiting_for_piece.pop(self, None)
        if self.stage.demand is not None:
            self.stage.demand.waiting.pop(self, None)

    def _set_reason(self, reason: State | None, now_ms: int) -> None:
        if reason:
            self.machine.suspend(reason, now_ms)
        for other in (BLOCKED, STARVED):
            if other is not reason:
                self.machine.resume(other, now_ms)


def _set_up_for(job: Job) -> str:
    """Return the kind that a machine is set up for: that of the job on it, but of the lot while it repairs a piece."""
    return job.series.kind or job.kind.name


def _ids_json(pieces: Sequence[Piece]) -> bytes:
    return b"[%b]" % b",".join(piece.id_json for piece in pieces)
