"""A truth file: JSON lines of the run, its machines, and all that happened, of which any stretch can be cut out.

The file is read once, from its beginning to its end, in a bounded memory (see cli.verify.input.record_store).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, Final

import orjson

from cli.verify.input.events import Job, Stay
from cli.verify.input.record_store import RecordStore
from cli.verify.input.reference import (
    LONGEST_LINE,
    Reference,
    Span,
    Sums,
    Truth,
    Unreadable,
    fetch,
    lines_of,
    named,
    opened,
    summed_up,
)
from cli.verify.input.rows import DISPATCH, ORDER, USUAL_GOOD, TypeNames, milliseconds
from cli.verify.input.timeline import Terms, Timeline
from plant.telemetry import PLANNED_STOP

_Entry = dict[str, Any]
_NAMES_OF_JOB: Final = itemgetter("job_id", "kind", "result")
_LONGEST_ANSWER: Final = 256 * 2**20
"""Bytes: half a million machines."""

_APART: Final = frozenset({"type", "at"})


class GroundTruth:
    """What a truth file says. Where it was not closed, what is known ends with the first machine's last stay.

    timelines: of each machine.  totals: the exact sums of each machine over the run, where the file has them.
    """

    can_be_cut = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self.timelines: dict[str, Timeline] = {}
        self.types: dict[str, TypeNames] = {}
        self._stays, self._jobs, self._orders = RecordStore(), RecordStore(), RecordStore()
        self._known_ms: dict[str, int] = {}
        self._described: dict[str, _Entry] = {}
        self._totals: dict[str, tuple[int, Truth]] = {}
        self._start_ms, self._place = 0, 0
        self._end_ms: int | None = None
        self._is_dated = False
        with opened(path) as file:
            self._read(file)
        end_ms = self._end_ms
        here = {each: known for each, known in self._known_ms.items() if math.isinf(self.timelines[each].last.until_ms)}
        self.span: Span = (self._start_ms, min(here.values(), default=self._start_ms) if end_ms is None else end_ms)

    @property
    def knows_orders(self) -> bool:
        """Whether orders and dispatches are in the file."""
        return self._is_dated

    def stays(self, machine_id: str) -> Iterator[Stay]:
        """A machine's stays in order."""
        return (Stay(from_ms, *values) for from_ms, _, values in self._stays.records(machine_id))

    def jobs(self, machine_id: str) -> Iterator[Job]:
        """A machine's finished jobs in order."""
        make = Job._make
        return (make((finished_ms, *values)) for finished_ms, _, values in self._jobs.records(machine_id))

    def orders(self, event: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Orders, or dispatches: when, and what their rows say."""
        return ((time_ms, orjson.loads(text)) for time_ms, _, (text,) in self._orders.records(event))

    def machines(self, since_ms: int, until_ms: int) -> Mapping[str, Truth]:
        """What each machine that was there did after one moment and up to another."""
        found = ((each, self._truth(each, since_ms, until_ms)) for each in self.timelines)
        return {machine_id: truth for machine_id, truth in found if truth.elapsed_ms > 0}

    def _truth(self, machine_id: str, since_ms: int, until_ms: int) -> Truth:
        """The sums of a stretch, by stays and jobs; over the whole run those that the file itself ends with."""
        if self._are_totals_of(machine_id, since_ms, until_ms):
            return self._totals[machine_id][1]
        summed = _Summed(self.timelines[machine_id].last, since_ms, until_ms)
        jobs = self.jobs(machine_id)
        job = next(jobs, None)
        for stay in self.stays(machine_id):
            summed.enter(stay)
            while job is not None and job.finished_ms <= stay.to_ms:
                summed.finish(job, stay)
                job = next(jobs, None)
            summed.leave(stay)
        return summed.truth(machine_id)

    def _are_totals_of(self, machine_id: str, since_ms: int, until_ms: int) -> bool:
        """Whether the sums that the file ends with are those of a stretch: all the machine's time, in one piece."""
        at_ms, _ = self._totals.get(machine_id, (None, None))
        whole = (since_ms, until_ms) == self.span == (self._start_ms, at_ms)
        return whole and len(self.timelines[machine_id].lives) == 1

    # reading

    def _read(self, file: IO[bytes]) -> None:
        readers: Mapping[str, Callable[[_Entry], None]] = {
            "run": self._run,
            "machine_type": self._machine_type,
            "machine": self._machine,
            "gone": self._gone,
            "interval": self._interval,
            "job": self._job,
            ORDER: self._event,
            DISPATCH: self._event,
            "totals": self._total,
        }
        for line in lines_of(file, self._path):
            self._place += 1
            entry = self._entry(line)
            reader = readers.get(entry.get("type", ""))
            if self._place == 1 and reader != self._run:
                raise Unreadable(f"{self._path}: no truth file: it does not begin with the start of a run")
            if reader:
                try:
                    reader(entry)
                except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                    raise Unreadable(f"{self._path}:{self._place}: no entry of a truth file: {error!r}") from None

    def _entry(self, line: bytes) -> _Entry:
        """A line's entry; nothing where it is the last one, cut short."""
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:
            if line.endswith(b"\n"):
                raise Unreadable(f"{self._path}:{self._place}: not JSON") from None
            return {}
        return entry if isinstance(entry, dict) else {}

    def _run(self, entry: _Entry) -> None:
        try:
            self._start_ms = milliseconds(entry["start"])
            self._end_ms = milliseconds(entry["end"]) if entry.get("end") else self._end_ms
        except (KeyError, TypeError, ValueError):
            raise Unreadable(f"{self._path}: no truth file: it does not begin with the start of a run") from None

    def _machine_type(self, entry: _Entry) -> None:
        self.types[str(entry["kind"])] = named(entry)

    def _machine(self, entry: _Entry) -> None:
        self._is_dated = self._is_dated or "at" in entry
        since_ms = milliseconds(entry["at"]) if "at" in entry else self._start_ms
        terms = Terms(
            since_ms,
            math.inf,
            _positive(entry, "period_seconds") * 1000,
            _positive(entry, "ideal_cycle_seconds"),
            str(entry["producing_state"]),
            kind := str(entry["kind"]),
            entry.get("station_id"),
            self.types[kind].good if kind in self.types else USUAL_GOOD,
        )
        machine_id = entry["machine_id"]
        self._described[machine_id] = entry
        self._known_ms.setdefault(machine_id, since_ms)
        timeline = self.timelines.setdefault(machine_id, Timeline())
        timeline.begin(terms)
        if "at" not in entry and timeline.last.since_ms == since_ms and len(timeline.lives[0].terms) > 1:
            what = "its period or ideal cycle changed, and an older version did not write when: make the file anew"
            raise Unreadable(f"{self._path}:{self._place}: {machine_id}: {what}")

    def _gone(self, entry: _Entry) -> None:
        self.timelines[entry["machine_id"]].end(milliseconds(entry["at"]))

    def _interval(self, entry: _Entry) -> None:
        machine_id, from_ms, to_ms = entry["machine_id"], milliseconds(entry["from"]), milliseconds(entry["to"])
        if not self._is_dated and self._known_ms[machine_id] == self._start_ms < from_ms:
            self.timelines[machine_id].move(from_ms)
        self._known_ms[machine_id] = to_ms
        self._stays.add(machine_id, (from_ms, self._place, (to_ms, str(entry["state"]))))

    def _job(self, entry: _Entry) -> None:
        machine_id, finished_ms = entry["machine_id"], milliseconds(entry["finished"])
        job_id, kind, result = _NAMES_OF_JOB(entry)
        cycle_seconds = float(entry["cycle_time_seconds"])
        ideal = entry.get("ideal_cycle_seconds")  # an older version did not write it
        ideal_seconds = self.timelines[machine_id].last.ideal_seconds if ideal is None else float(ideal)
        consumed = entry.get("consumed_ids")
        consumed = None if consumed is None else tuple(map(str, consumed))
        values = (
            str(job_id),
            str(kind),
            cycle_seconds,
            ideal_seconds,
            str(result),
            entry.get("issues_found"),
            consumed,
        )
        self._jobs.add(machine_id, (finished_ms, self._place, values))

    def _event(self, entry: _Entry) -> None:
        if not isinstance(entry["order_id"], str):
            raise TypeError("no text in order_id")
        said = {name: value for name, value in entry.items() if name not in _APART}
        self._orders.add(entry["type"], (milliseconds(entry["at"]), self._place, (orjson.dumps(said),)))

    def _total(self, entry: _Entry) -> None:
        machine_id = entry["machine_id"]
        self._totals[machine_id] = milliseconds(entry["at"]), summed_up({**entry, **self._described[machine_id]})


class _Summed:
    """The sums of a stretch of time, as stays and jobs come in order.

    A job is credited with its ideal time as it is worked: with the part of its cycle that lies in the stretch, by the
    machine's own clock, which goes while it produces.
    """

    def __init__(self, terms: Terms, since_ms: int, until_ms: int) -> None:
        self._terms, self._since_ms, self._until_ms = terms, since_ms, until_ms
        self._clock_ms = self._begins_ms = 0.0
        self._since_clock_ms, self._until_clock_ms = 0.0, math.inf
        self._to_ms: int | None = None
        self.elapsed_ms = self.producing_ms = self.ideal_ms = 0.0
        self.states: dict[str, float] = {}
        self.jobs = self.good = 0

    def enter(self, stay: Stay) -> None:
        """Begin a stay: its time, and what the machine's own clock shows where the stretch begins and ends."""
        if self._to_ms != stay.from_ms:
            self._begins_ms = self._clock_ms  # a new life
        self._to_ms = stay.to_ms
        inside_ms = min(stay.to_ms, self._until_ms) - max(stay.from_ms, self._since_ms)
        if inside_ms > 0:
            self.elapsed_ms += inside_ms
            self.states[stay.state] = self.states.get(stay.state, 0.0) + inside_ms
        if stay.from_ms <= self._since_ms:
            self._since_clock_ms = self._at(self._since_ms, stay)
        if stay.from_ms <= self._until_ms:
            self._until_clock_ms = self._at(self._until_ms, stay)

    def finish(self, job: Job, stay: Stay) -> None:
        """Count a job that finishes in the stay, and credit it."""
        if self._since_ms < job.finished_ms <= self._until_ms:
            self.jobs += 1
            self.good += job.result in self._terms.good
        cycle_ms, ends_ms = job.cycle_seconds * 1000, self._at(job.finished_ms, stay)
        begins_ms = max(ends_ms - cycle_ms, self._begins_ms, self._since_clock_ms)
        if cycle_ms > 0 and job.finished_ms > self._since_ms:
            part_ms = min(ends_ms, self._until_clock_ms) - begins_ms
            self.ideal_ms += max(0.0, part_ms) * job.ideal_seconds * 1000 / cycle_ms
        elif job.finished_ms > self._since_ms and job.finished_ms <= self._until_ms:
            self.ideal_ms += job.ideal_seconds * 1000

    def leave(self, stay: Stay) -> None:
        """The stay is over."""
        self._clock_ms = self._at(stay.to_ms, stay)

    def truth(self, machine_id: str) -> Truth:
        """All that."""
        terms = self._terms
        return Truth(
            machine_id,
            terms.kind,
            terms.period_ms / 1000,
            terms.ideal_seconds,
            terms.producing,
            self.elapsed_ms,
            self.elapsed_ms - self.states.get(PLANNED_STOP, 0.0),
            self.states.get(terms.producing, 0.0),
            self.ideal_ms,
            self.jobs,
            self.good,
            self.states,
        )

    def _at(self, time_ms: int, stay: Stay) -> float:
        """The machine's own clock at a moment of a stay."""
        produces = stay.state == self._terms.producing
        return self._clock_ms + produces * max(0, min(time_ms, stay.to_ms) - stay.from_ms)


def load(where: str) -> Reference:
    """The truth in a file of either form, or at a URL of `/oee`; Unreadable where there is none."""
    if where.startswith(("http://", "https://")):
        return fetch(where)
    path = Path(where)
    try:
        with opened(path) as file:
            first = file.readline(LONGEST_LINE)
            if not _begins_run(first):
                return Sums.parse(_bounded(first + file.read(_LONGEST_ANSWER), where), where)
        return GroundTruth(path)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"cannot read {where}: {getattr(error, 'strerror', None) or error}") from None


def _bounded(answer: bytes, where: str) -> bytes:
    if len(answer) >= _LONGEST_ANSWER:
        raise Unreadable(f"{where}: more than {_LONGEST_ANSWER >> 20} MiB: neither a truth file nor the answer of /oee")
    return answer


def _begins_run(line: bytes) -> bool:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(entry, dict) and entry.get("type") == "run"


def _positive(entry: Mapping[str, Any], name: str) -> float:
    number = float(entry[name])
    if not 0 < number < math.inf:
        raise ValueError(f"{name} {number}")
    return number
