"""Jobs that depend on those before: in orders and lots of one kind, and after a stop.

A lot has a size that is drawn evenly, and so has an order a number of lots. The kind of an order is drawn by weight,
whatever the last one was: so each kind has its share of the orders. An order of another kind begins with a changeover,
whose length is drawn from the range of the pair. A machine begins in an order and a lot as one would meet them at a
random moment: larger ones more often, at any of their jobs.
The first jobs after a stop have other cycles and results. All times are milliseconds of plant time.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from plant.definition.jobs.variation import LotsType, StartUpType
from plant.definition.machine_types.machine_type import MachineType
from plant.jobs.jobs import NO_SERIES, NULL, Job, JobInfluence, Jobs, Series, Wanted, combined, milliseconds
from plant.machines.job_stops import waiting_ms
from plant.machines.shifts import Operators
from plant.random_stream import RandomStream, between, whole_between

if TYPE_CHECKING:
    from plant.machines.machine import Machine

_USUAL: Final = JobInfluence(1.0, {})


class Lots:
    """The lots of a machine type, to draw from."""

    __slots__ = ("_jobs", "_type")

    def __init__(self, lots: LotsType, jobs: Jobs) -> None:
        self._type, self._jobs = lots, jobs

    def begin(self, machine_id: bytes, stream: RandomStream, number: int) -> Series:
        """Return where a machine begins. number: of its first job.  machine_id: as JSON."""
        size_at, position_at, kind_at, _ = stream.draws(b"lot met", number)
        lots_at, more_at, _, _ = stream.draws(b"order met", number)
        size, lots = _size_met(*self._type.size, size_at), _size_met(*self._type.per_order, lots_at)
        kind = self._jobs.pick_kind(kind_at, in_progress=True)
        series = Series(
            lot=number,
            size=size,
            position=1 + int(position_at * size),
            kind=kind.name,
            order=number,
            more_lots=int(more_at * lots),
        )
        return _named(series, machine_id)

    def after(self, before: Job, machine_id: bytes, stream: RandomStream, number: int) -> Series:
        """Return where the job after `before` stands. number: its own."""
        series = before.series
        if series.position < series.size and series.kind in self._jobs.kinds:
            return _named(series._replace(position=series.position + 1, setup_ms=0), machine_id)
        size_at, kind_at, setup_at, lots_at = stream.draws(b"lot", number)
        series = series._replace(lot=number, size=whole_between(*self._type.size, size_at), position=1, setup_ms=0)
        if series.more_lots and series.kind in self._jobs.kinds:
            return _named(series._replace(more_lots=series.more_lots - 1), machine_id)
        kind = self._jobs.pick_kind(kind_at).name
        setup_ms = self._setup_ms(before, kind, setup_at)
        more_lots = whole_between(*self._type.per_order, lots_at) - 1
        return _named(series._replace(kind=kind, setup_ms=setup_ms, order=number, more_lots=more_lots), machine_id)

    def placed(self, series: Series, before: Job, stream: RandomStream, number: int) -> Series:
        """Return the place of a job in a lot that came with its piece, with the changeover to the kind of that lot."""
        kind = series.kind if series.kind in self._jobs.kinds else ""
        _, _, setup_at, _ = stream.draws(b"lot", number)
        setup_ms = self._setup_ms(before, kind, setup_at) if kind else 0
        return series._replace(kind=kind, setup_ms=setup_ms)

    def _setup_ms(self, before: Job, kind: str, uniform: float) -> int:
        """Return the length of the changeover to a kind, for a uniform number in [0, 1)."""
        seconds = self._type.changeover(before.series.kind or before.kind.name, kind)
        return round(1000 * between(*seconds, uniform)) if seconds else 0


class StartUp:
    """What is different for the first jobs after a stop."""

    __slots__ = ("_after_stop_ms", "_type")

    def __init__(self, start_up: StartUpType) -> None:
        self._type, self._after_stop_ms = start_up, milliseconds(start_up.after_stop_seconds)

    def place(self, series: Series, before: Job, now_ms: int) -> Series:
        """Return where a job that starts now stands after a stop. series: its own, so far with that of the job before.

        The machine has stopped for the time since the job before began that it has not worked on it, or waited before
        it: less load changes how many jobs there are, and nothing about each.
        """
        worked_ms = before.series.setup_ms + before.series.wait_ms + before.cycle_ms
        stopped_ms = now_ms - before.started_ms - worked_ms + series.setup_ms
        after_stop = 1 if stopped_ms >= self._after_stop_ms else before.series.after_stop + 1
        return series._replace(after_stop=after_stop)

    def influence(self, after_stop: int) -> JobInfluence:
        """Return how a job differs: the first one fully, the following ones less and less, linearly."""
        part = max(0.0, 1 - (after_stop - 1) / self._type.jobs)
        results = {name: 1 + (times - 1) * part for name, times in self._type.results.items()}
        return JobInfluence(1 + (self._type.cycle - 1) * part, results) if part else _USUAL


class JobSeries:
    """Draws the jobs of machines whose jobs depend on those before."""

    __slots__ = ("_jobs", "_lots", "_operators", "_start_up")

    def __init__(self, machine_type: MachineType, jobs: Jobs, operators: Operators | None = None) -> None:
        self._jobs, self._operators = jobs, operators
        self._lots = Lots(machine_type.lots, jobs) if machine_type.lots else None
        self._start_up = StartUp(machine_type.start_up) if machine_type.start_up else None

    def begin(self, machine: Machine, number: int, cycle_at: float, now_ms: int) -> Job:
        """Return the job with which a machine begins; the caller sets when it started."""
        series = self._lots.begin(machine.id_json, machine.stream, number) if self._lots else NO_SERIES
        kind = self._jobs.kinds.get(series.kind)
        job = self._jobs.draw_in_progress(machine.stream, machine.number, number, cycle_at, kind)
        return self._operated(job._replace(series=series), machine, now_ms)

    def draw(
        self, machine: Machine, number: int, now_ms: int, before: Job, influence: JobInfluence | None, wanted: Wanted
    ) -> Job:
        """Return the job of that number, which starts now after the one before. wanted: what is certain of it."""
        series = self._place(machine, number, before, wanted)
        if machine.state.fate is not None:  # a stop that has ended the last job: the changeover is made meanwhile
            series = series._replace(setup_ms=0)
        if self._start_up:
            series = self._start_up.place(series, before, now_ms)._replace(wait_ms=waiting_ms(machine, now_ms))
            influence = combined(influence or _USUAL, self._start_up.influence(series.after_stop))
        drawn = self._jobs.kinds.get(wanted.kind or series.kind)
        job = self._jobs.draw(machine.stream, machine.number, number, now_ms, influence, drawn)
        return self._operated(job._replace(series=series), machine, now_ms)

    def _place(self, machine: Machine, number: int, before: Job, wanted: Wanted) -> Series:
        """Return where a job stands in its lot and its order, if there are any."""
        if self._lots is None:
            return NO_SERIES
        if wanted.series is not None:
            return self._lots.placed(wanted.series, before, machine.stream, number)
        return self._lots.after(before, machine.id_json, machine.stream, number)

    def _operated(self, job: Job, machine: Machine, now_ms: int) -> Job:
        """Return a job with who works at it."""
        if self._operators is None:
            return job
        return job._replace(series=job.series._replace(operator_json=self._operators.json_at(machine.stream, now_ms)))


def outside(job: Job, before: Job) -> Job:
    """Return a job that is in no lot, between two jobs of the lot of the one before; the same without any."""
    if before.series is job.series:
        return job
    carried = before.series._replace(
        after_stop=job.series.after_stop, setup_ms=0, operator_json=job.series.operator_json
    )
    return job._replace(series=carried._replace(id_json=NULL, size_json=NULL, position_json=NULL, order_json=NULL))


def _size_met(fewest: int, most: int, uniform: float) -> int:
    """Return the size of what is met at a random moment: the probability of each size is in proportion to it."""
    area = uniform * (fewest + most) * (most - fewest + 1) / 2
    below = fewest * (fewest - 1) // 2
    return fewest + bisect_right(range(fewest, most), area, key=lambda size: size * (size + 1) // 2 - below)


def _named(series: Series, machine_id: bytes) -> Series:
    """Return a place in a lot with what messages report of it and of its order. machine_id: as JSON."""
    head = machine_id[1:-1]
    return series._replace(
        id_json=b'"LOT-%b-%d"' % (head, series.lot),
        size_json=b"%d" % series.size,
        position_json=b"%d" % series.position,
        order_json=b'"WO-%b-%d"' % (head, series.order),
    )
