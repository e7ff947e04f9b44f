"""Stations: the machines of one type with a buffer behind them, and how pieces go from one to the next.

A machine that has finished a job puts the piece into the buffer behind it, or stands still with it, blocked, until
there is room. Then it takes what its next job needs, or stands still, starved, until it has it; what is there already
lies ready at the machine. A piece that did not turn out well goes back to where it is made good again, before all
others, or is scrap. Whoever came first is served first, so what happens next follows from what happened before, and
from nothing else. All times are milliseconds of plant time.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

from plant.definition.flow_config import FlowSpec
from plant.machines.jobs import MS_A_JOB_NUMBER, NO_JOB, Job, JobKind
from plant.machines.machine import Machine
from plant.machines.machine_type_runtime import MachineTypeRuntime
from plant.machines.states import BLOCKED, STARVED, State
from plant.random_stream import RandomStream

ENDLESS: Final = 2**62
CNC, PRINTER, WELDING, PAINTING, TESTING = "cnc_machine", "printer_3d", "welding", "painting", "testing"
UNITS: Final = (PAINTING, TESTING)
"""Stations that do something to a unit; the others make something new."""


class Piece(NamedTuple):
    """Something made: a part, or a unit as it left welding, painting or a test.

    maker: the station that made it.  kinds: by station, the kind of job that was done to it: a repair does it again.
    reworks: how often it was sent back.
    """

    id_json: bytes
    maker: Stage
    kinds: Mapping[str, JobKind]
    reworks: int


class Buffer:
    """Room for pieces between two stations, first in first out.

    takers: machines that wait for a piece from here.  givers: machines that wait for room here, each with its piece.
    Both in the order in which they came. There is no taker while there is a piece, and no giver while there is room.
    """

    __slots__ = ("givers", "pieces", "places", "takers")

    def __init__(self, places: int) -> None:
        self.places = places
        self.pieces: deque[Piece] = deque()
        self.takers: dict[Workstation, None] = {}
        self.givers: deque[tuple[Workstation, Piece]] = deque()

    def put(self, giver: Workstation, piece: Piece, now_ms: int) -> bool:
        """Whether the piece could leave its machine, because someone waits for it or there is room."""
        if self.takers:
            next(iter(self.takers)).receive(piece, self, now_ms)
        elif len(self.pieces) < self.places:
            self.pieces.append(piece)
        else:
            self.givers.append((giver, piece))
            return False
        return True

    def take(self, now_ms: int) -> Piece | None:
        """The piece that has been here longest, if there is any."""
        if not self.pieces:
            return None
        piece = self.pieces.popleft()
        self.refill(now_ms)
        return piece

    def refill(self, now_ms: int) -> None:
        """Let in the pieces of blocked machines, as far as there is room."""
        while self.givers and len(self.pieces) < self.places:
            giver, piece = self.givers.popleft()
            self.pieces.append(piece)
            giver.go_on(now_ms)

    def forget(self, workstation: Workstation) -> list[Piece]:
        """The machine is gone, and with it the piece that it wanted to put here, if any."""
        self.takers.pop(workstation, None)
        lost = [piece for giver, piece in self.givers if giver is workstation]
        self.givers = deque(each for each in self.givers if each[0] is not workstation)
        return lost


class Stage:
    """The machines of one type, the buffer behind them, and `again`: the pieces that wait to be made good here.

    sources: the stations whose pieces it takes; `bills` has how many of each, by kind of job.
    repairs: by result, where a piece goes that is not good; others are scrap.
    counts: what became of the pieces made here.
    """

    def __init__(self, key: str, seed: int | str, shard: tuple[int, int], begin_ms: int) -> None:
        self.key = key
        self.out, self.again = Buffer(0), Buffer(ENDLESS)
        self.sources: Sequence[Stage] = ()
        self.repairs: Mapping[str, Buffer] = {}
        self.workstations: dict[int, Workstation] = {}
        self.bills: Mapping[str, Mapping[Stage, int]] = {}
        self.most_reworks = 0
        self.counts = Counter[str]()
        self._runtime: MachineTypeRuntime | None = None
        self._stock, (self._stock_number, self._shards) = RandomStream(seed, f"{key}/stock"), shard
        self._began = begin_ms // MS_A_JOB_NUMBER % 10**10

    def follow(self, spec: FlowSpec, machines: Sequence[Machine]) -> list[Workstation]:
        """Have these machines and no others, by these numbers; the posts of those that are new."""
        self.out.places, self.most_reworks = getattr(spec.buffers, self.key), spec.most_reworks
        self._runtime = machines[0].runtime if machines else None
        if self._runtime:
            self._runtime.start_next = self._start_next
            self.bills = {kind: self._bill(spec, kind) for kind in self._runtime.spec.job_kinds}
        before = {workstation.machine: workstation for workstation in self.workstations.values()}
        new = [Workstation(self, machine) for machine in machines if machine not in before]
        kept = [before.pop(machine) for machine in machines if machine in before]
        for gone in before.values():
            gone.leave()
        self.workstations = {workstation.machine.number: workstation for workstation in (*kept, *new)}
        return new

    def go_on(self, now_ms: int) -> None:
        """Numbers have changed: there may be room now, or what was lacking."""
        self.out.refill(now_ms)
        for workstation in tuple(self.again.takers):
            workstation.retry(now_ms)

    def hand_on(self, giver: Workstation, piece: Piece, result: str, now_ms: int) -> bool:
        """Whether a finished piece could leave its machine: only a good one may have to wait."""
        self.counts["made"] += 1
        repair = self.repairs.get(result)
        if result in giver.machine.runtime.declared.good:
            return self.out.put(giver, piece, now_ms)
        if repair and piece.reworks < self.most_reworks:
            return repair.put(giver, piece._replace(reworks=piece.reworks + 1), now_ms)
        self.counts["scrapped"] += 1
        return True

    def initial_pieces(self, how_many: int) -> list[Piece]:
        """Pieces made before the line began; none if there is no machine that could have made them.

        A number that starts with a 0 stands in their ids where others have that of the machine.
        """
        runtime = self._runtime
        return [self._old(runtime) for _ in range(how_many)] if runtime else []

    def piece_totals(self) -> tuple[int, int, int, int, int]:
        """How many of the pieces made here are made, consumed, scrapped, shipped and removed."""
        count = self.counts
        return count["made"], count["consumed"], count["scrapped"], count["shipped"], count["removed"]

    def _old(self, runtime: MachineTypeRuntime) -> Piece:
        number, self._stock_number = self._stock_number, self._stock_number + self._shards
        kind = runtime.jobs.draw(self._stock, 0, number, 0).kind
        id_json = b'%b0%d%010d"' % (kind.id_head, number, self._began)
        self.counts["made"] += 1
        return Piece(id_json, self, {self.key: kind}, 0)

    def _bill(self, spec: FlowSpec, kind: str) -> Mapping[Stage, int]:
        parts = spec.parts_of(kind) if self.key == WELDING else {source.key: 1 for source in self.sources}
        return {source: parts[source.key] for source in self.sources if source.key in parts}

    def _start_next(self, machine: Machine, now_ms: int) -> None:
        self.workstations[machine.number].finish_job(machine.finished, now_ms)


class Workstation:
    """A machine's place in the flow.

    kit: pieces that lie ready for its next job, by the station that made them.  number: that job's.
    ahead: that job, while the machine waits for its kit.
    unit: what the job on the machine is done to; None where it makes a new part or assembly.
    """

    __slots__ = ("ahead", "kit", "machine", "number", "station", "unit")

    def __init__(self, station: Stage, machine: Machine) -> None:
        self.station, self.machine = station, machine
        self.kit: dict[Stage, list[Piece]] = {source: [] for source in station.sources}
        self.number, self.ahead = machine.job.number + 1, machine.job
        self.unit: Piece | None = None

    def assume_kit(self) -> None:
        """Say that the job on the machine was begun with pieces from before the flow."""
        bill = self.station.bills.get(self.machine.job.kind.name, {})
        pieces = [piece for source, how_many in bill.items() for piece in source.initial_pieces(how_many)]
        self._consume(pieces, pieces[0] if pieces and self.station.key in UNITS else None)
        self.machine.job = self.machine.job._replace(consumed_json=_list(pieces))

    def finish_job(self, job: Job, now_ms: int) -> None:
        """Let the finished piece go where it belongs and begin the next job, as far as either can be."""
        self.number = job.number + 1
        kinds, reworks = (self.unit.kinds, self.unit.reworks) if self.unit else ({}, 0)
        piece = Piece(job.id_json, self.station, {**kinds, self.station.key: job.kind}, reworks)
        if self.station.hand_on(self, piece, job.result.name, now_ms):
            self.go_on(now_ms)
        else:
            self._wait(BLOCKED, job, now_ms)

    def go_on(self, now_ms: int) -> None:
        """The machine is empty: begin the next job, a repair before all others, or wait for what it takes."""
        repair = self.station.again.take(now_ms)
        if repair:
            self._repair(repair, now_ms)
            return
        self.ahead = self._drawn(now_ms)
        for source, how_many in self._bill().items():
            self._collect(source, how_many, now_ms)
        if self._is_short():
            self.station.again.takers[self] = None
            self._wait(STARVED, NO_JOB, now_ms)
        else:
            self._work(now_ms)

    def receive(self, piece: Piece, buffer: Buffer, now_ms: int) -> None:
        """A piece for which the machine has waited."""
        if buffer is self.station.again:
            self._repair(piece, now_ms)
            return
        self.kit[piece.maker].append(piece)
        if len(self.kit[piece.maker]) == self._bill()[piece.maker]:
            del buffer.takers[self]
        if not self._is_short():
            self._work(now_ms)

    def retry(self, now_ms: int) -> None:
        """What the machine lacks may be there now, or it may lack something else."""
        self._stop_waiting()
        self.go_on(now_ms)

    def detach(self, now_ms: int) -> None:
        """There is no flow any more: a machine that waited begins the next job."""
        if self.machine.suspension and {BLOCKED, STARVED} & set(self.machine.suspension.reasons):
            self.machine.begin(self._drawn(now_ms), now_ms)
            self._set_reason(None, now_ms)

    def leave(self) -> None:
        """The machine is gone, with the finished pieces on it."""
        self._stop_waiting()
        for piece in (*self.station.out.forget(self), *chain.from_iterable(self.kit.values())):
            piece.maker.counts["removed"] += 1

    def _collect(self, source: Stage, how_many: int, now_ms: int) -> None:
        """Take what is there of a station's pieces, and wait for the rest."""
        lying = self.kit[source]
        while len(lying) < how_many and (piece := source.out.take(now_ms)):
            lying.append(piece)
        if len(lying) < how_many:
            source.out.takers[self] = None

    def _is_short(self) -> bool:
        return any(self in source.out.takers for source in self.station.sources)

    def _bill(self) -> Mapping[Stage, int]:
        return self.station.bills[self.ahead.kind.name]

    def _drawn(self, now_ms: int) -> Job:
        return self.machine.runtime.jobs.draw(self.machine.stream, self.machine.number, self.number, now_ms)

    def _repair(self, piece: Piece, now_ms: int) -> None:
        """Do again what was done here to the piece."""
        job = self._drawn(now_ms)
        kind = piece.kinds.get(self.station.key, job.kind)
        id_json = kind.id_head + job.id_json.removeprefix(job.kind.id_head)
        self._begin(job._replace(kind=kind, id_json=id_json), [piece], piece, now_ms)

    def _work(self, now_ms: int) -> None:
        pieces = [self.kit[source].pop(0) for source, how_many in self._bill().items() for _ in range(how_many)]
        self._begin(self.ahead, pieces, pieces[0] if self.station.key in UNITS else None, now_ms)

    def _begin(self, job: Job, pieces: Sequence[Piece], unit: Piece | None, now_ms: int) -> None:
        self._stop_waiting()
        self._consume(pieces, unit)
        self.machine.begin(job._replace(started_ms=now_ms, consumed_json=_list(pieces)), now_ms)
        self._set_reason(None, now_ms)

    def _consume(self, pieces: Sequence[Piece], unit: Piece | None) -> None:
        self.unit = unit
        for piece in pieces:
            piece.maker.counts["consumed"] += 1

    def _wait(self, reason: State, seen: Job, now_ms: int) -> None:
        """Stand still; what is seen of a job is what lies on the machine."""
        self.machine.begin(seen._replace(number=self.number, cycle_ms=1), now_ms)
        self._set_reason(reason, now_ms)

    def _stop_waiting(self) -> None:
        for buffer in (self.station.again, *(source.out for source in self.station.sources)):
            buffer.takers.pop(self, None)

    def _set_reason(self, reason: State | None, now_ms: int) -> None:
        if reason:
            self.machine.suspend(reason, now_ms)
        for other in (BLOCKED, STARVED):
            if other is not reason:
                self.machine.resume(other, now_ms)


def _list(pieces: Sequence[Piece]) -> bytes:
    return b"[%b]" % b",".join(piece.id_json for piece in pieces)
