"""Read a ground truth file: JSON lines of the run, its machines, and all events, with totals of any span.

The file is read once, in a bounded memory (see cli.verify.input.record_store). This module shares no code with the one
that writes it; the format is the table in docs/oee.md.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import orjson

from cli.verify.forms.message_keys import TypeInfo
from cli.verify.forms.message_values import milliseconds
from cli.verify.forms.type_history import TypeHistory
from cli.verify.input.energy_records import EnergyTruth
from cli.verify.input.events import FinishedJob, StateInterval
from cli.verify.input.received_messages import DISPATCH, ORDER
from cli.verify.input.record_store import RecordStore
from cli.verify.input.reference import (
    LONGEST_ANSWER,
    LONGEST_LINE,
    InvalidInput,
    MachineTotals,
    OeeAnswer,
    Reference,
    Span,
    fetch_oee,
    machine_totals,
    open_file,
    read_lines,
)
from cli.verify.input.span_totals import SpanTotals, cut
from cli.verify.input.timeline import MachineParameters, Timeline, ideal_cycles
from cli.verify.input.truth_rules import Sequence, problem
from edge.redaction import without_credentials

_Entry = dict[str, Any]
_NAMES_OF_JOB: Final = itemgetter("job_id", "kind", "result")
_NOT_CONTENT: Final = frozenset({"type", "at"})


class FaultLosses(NamedTuple):
    """What faults and wear have cost in the run: stopped time, jobs that were changed, and bad ones of these."""

    stopped_ms: int = 0
    jobs: int = 0
    bad_jobs: int = 0


class GroundTruth:
    """The content of a ground truth file. If it was not closed, its span ends with the earliest last state interval.

    timelines: the parameters of each machine over time.
    types: how to read the messages of each machine type over time.  losses: what faults and wear have cost.
    energy: what machines have used.
    """

    can_be_cut = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self.timelines: dict[str, Timeline] = {}
        self.types: dict[str, TypeHistory] = {}
        self.losses = FaultLosses()
        self.energy = EnergyTruth()
        self._intervals, self._jobs, self._orders = RecordStore(), RecordStore(), RecordStore()
        self._known_until_ms: dict[str, int] = {}
        self._descriptions: dict[str, _Entry] = {}
        self._new_types: dict[str, TypeInfo] = {}
        self._totals: dict[str, tuple[int, MachineTotals]] = {}
        self._start_ms, self._line_number = 0, 0
        self._end_ms: int | None = None
        self._has_times = self._is_closed = False
        self._sequence = Sequence()
        with open_file(path) as file:
            self._read(file)
        self.types = {kind: history.in_classes() for kind, history in self.types.items()}
        end_ms = self._end_ms
        here = {
            each: known
            for each, known in self._known_until_ms.items()
            if math.isinf(self.timelines[each].last.until_ms)
        }
        self.span: Span = (self._start_ms, min(here.values(), default=self._start_ms) if end_ms is None else end_ms)

    @property
    def has_orders(self) -> bool:
        """Whether the file has orders and dispatches, which older versions did not write."""
        return self._has_times

    def intervals(self, machine_id: str) -> Iterator[StateInterval]:
        """Return a machine's state intervals in order of time."""
        return (StateInterval(from_ms, *values) for from_ms, _, values in self._intervals.records(machine_id))

    def jobs(self, machine_id: str) -> Iterator[FinishedJob]:
        """Return a machine's finished jobs in order of time."""
        make = FinishedJob._make
        return (make((finished_ms, *values)) for finished_ms, _, values in self._jobs.records(machine_id))

    def orders(self, event: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Return orders, or dispatches: time, and content of the message."""
        return ((time_ms, orjson.loads(text)) for time_ms, _, (text,) in self._orders.records(event))

    def machines(self, since_ms: int, until_ms: int) -> Mapping[str, MachineTotals]:
        """Return the totals of each machine that existed after one moment and up to another."""
        found = ((each, self._totals_of(each, since_ms, until_ms)) for each in self.timelines)
        return {machine_id: totals for machine_id, totals in found if totals.elapsed_ms > 0}

    def _totals_of(self, machine_id: str, since_ms: int, until_ms: int) -> MachineTotals:
        """Return the totals of a span, from intervals and jobs; over the whole run, those at the end of the file."""
        if self._totals_cover(machine_id, since_ms, until_ms):
            return self._totals[machine_id][1]
        timeline = self.timelines[machine_id]
        summed = SpanTotals(timeline, since_ms, until_ms)
        jobs = self.jobs(machine_id)
        job = next(jobs, None)
        for interval in chain.from_iterable(map(partial(cut, timeline), self.intervals(machine_id))):
            summed.enter(interval)
            while job is not None and job.finished_ms <= interval.to_ms:
                summed.finish(job, interval)
                job = next(jobs, None)
            summed.leave(interval)
        return summed.totals(machine_id)

    def _totals_cover(self, machine_id: str, since_ms: int, until_ms: int) -> bool:
        """Return whether a span is the whole run, the machine existed without a break, and was measured in one way.

        The simulator measures the whole run by the states that now produce, or are planned stops.
        """
        at_ms, _ = self._totals.get(machine_id, (None, None))
        whole = (since_ms, until_ms) == self.span == (self._start_ms, at_ms)
        timeline = self.timelines[machine_id]
        measures = {(each.producing, each.planned_stops, each.good) for each in timeline}
        return whole and len(timeline.presences) == len(measures) == 1

    # reading

    def _read(self, file: IO[bytes]) -> None:
        readers: Mapping[str, Callable[[_Entry], None]] = {
            "run": self._finish,
            "machine_type": self._machine_type,
            "machine": self._machine,
            "gone": self._gone,
            "interval": self._interval,
            "job": self._job,
            "energy": lambda entry: self.energy.add(entry, self._line_number),
            ORDER: self._order,
            DISPATCH: self._order,
            "totals": self._machine_totals,
        }
        for line in read_lines(file, self._path):
            self._line_number += 1
            entry = self._entry(line)
            try:
                if self._line_number == 1:
                    self._begin(entry)
                elif entry is not None:
                    self._process(entry, readers)
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                raise self._invalid(f"invalid line of a ground truth file: {problem(error, entry or {})}") from None

    def _begin(self, entry: _Entry | None) -> None:
        """Process the first line."""
        no_truth = InvalidInput(f"{self._path}: not a ground truth file: the first line is not of type run")
        if entry is None or entry.get("type") != "run":
            raise no_truth
        try:
            self._start_ms = milliseconds(entry["start"])
            self._end_ms = milliseconds(entry["end"]) if entry.get("end") else None
        except (KeyError, TypeError, ValueError):
            raise no_truth from None

    def _process(self, entry: _Entry, readers: Mapping[str, Callable[[_Entry], None]]) -> None:
        if self._is_closed:
            raise ValueError("nothing may follow the end of the run")
        if reader := readers.get(entry.get("type", "")):
            reader(entry)

    def _finish(self, entry: _Entry) -> None:
        """Process the line that ends the run: the ground truth is complete."""
        if milliseconds(entry["start"]) != self._start_ms:
            raise ValueError("another run begins")
        self._end_ms, self._is_closed = milliseconds(entry["end"]), True
        for machine_id in self._sequence.machines:
            self._sequence.reaches(machine_id, self._end_ms)

    def _invalid(self, what: str) -> InvalidInput:
        return InvalidInput(f"{self._path}:{self._line_number}: {what}")

    def _entry(self, line: bytes) -> _Entry | None:
        """Parse a line; None where it is the last one and incomplete."""
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:
            if line.endswith(b"\n"):
                raise self._invalid("not JSON") from None
            return None
        if not isinstance(entry, dict):
            raise self._invalid("not a JSON object")
        return entry

    def _machine_type(self, entry: _Entry) -> None:
        """Note what holds from the next line with a moment on: that of a machine which then exists, or is gone."""
        kind = str(entry["machine_type"])
        self._new_types[kind] = TypeInfo.of(entry, kind)

    def _types_from(self, since_ms: int) -> None:
        for kind, info in self._new_types.items():
            self.types.setdefault(kind, TypeHistory()).add(since_ms, info)
        self._new_types.clear()

    def _machine(self, entry: _Entry) -> None:
        self._has_times = self._has_times or "at" in entry
        since_ms = milliseconds(entry["at"]) if "at" in entry else self._start_ms
        self._types_from(since_ms)
        kind = str(entry["machine_type"])
        parameters = MachineParameters(
            since_ms,
            math.inf,
            math.inf if entry["period_seconds"] is None else _positive(entry, "period_seconds") * 1000,
            _ideal_seconds(entry),
            str(entry["producing_state"]),
            kind,
            entry.get("station_id"),
            ideal_cycles=ideal_cycles(entry),
        )
        if kind in self.types:
            parameters = parameters.of_type(self.types[kind].last)
        machine_id = entry["machine_id"]
        self._descriptions[machine_id] = entry
        self._known_until_ms.setdefault(machine_id, since_ms)
        if "at" in entry:
            self._sequence.appears(machine_id, since_ms)
        timeline = self.timelines.setdefault(machine_id, Timeline())
        timeline.add(parameters)
        if "at" not in entry and timeline.last.since_ms == since_ms and len(timeline.presences[0].parameters) > 1:
            problem = "its period or ideal cycle changed, and an older version did not write when: write the file again"
            raise self._invalid(f"{machine_id}: {problem}")

    def _gone(self, entry: _Entry) -> None:
        machine_id, at_ms = entry["machine_id"], milliseconds(entry["at"])
        self._types_from(at_ms)
        self.timelines[machine_id].end(at_ms)
        self._sequence.disappears(machine_id, at_ms)

    def _interval(self, entry: _Entry) -> None:
        machine_id, from_ms, to_ms = entry["machine_id"], milliseconds(entry["from"]), milliseconds(entry["to"])
        timeline = self.timelines[machine_id]
        if not self._has_times and self._known_until_ms[machine_id] == self._start_ms < from_ms:
            timeline.move_start(from_ms)
        self._sequence.interval(machine_id, from_ms, to_ms)
        self._known_until_ms[machine_id] = to_ms
        if entry.get("cause") and entry["state"] != timeline.last.producing:
            self.losses = self.losses._replace(stopped_ms=self.losses.stopped_ms + to_ms - from_ms)
        self._intervals.add(machine_id, (from_ms, self._line_number, (to_ms, str(entry["state"]), entry.get("reason"))))

    def _job(self, entry: _Entry) -> None:
        machine_id, finished_ms = entry["machine_id"], milliseconds(entry["finished"])
        timeline = self.timelines[machine_id]
        job_id, kind, result = _NAMES_OF_JOB(entry)
        cycle_seconds = float(entry["cycle_time_seconds"])
        ideal = entry.get("ideal_cycle_seconds")  # older versions did not write it
        ideal_seconds = timeline.last.ideal_seconds if ideal is None else float(ideal)
        consumed = entry.get("consumed_ids")
        consumed = None if consumed is None else tuple(map(str, consumed))
        named = str(job_id), str(kind), cycle_seconds, ideal_seconds, str(result)
        values = (*named, entry.get("issues_found"), consumed, *map(entry.get, ("reason", "lot", "order")))
        self._sequence.job(machine_id, str(job_id), finished_ms)
        if entry.get("causes"):
            bad = str(result) not in timeline.last.good
            self.losses = self.losses._replace(jobs=self.losses.jobs + 1, bad_jobs=self.losses.bad_jobs + bad)
        self._jobs.add(machine_id, (finished_ms, self._line_number, values))

    def _order(self, entry: _Entry) -> None:
        if not isinstance(entry["order_id"], str):
            raise TypeError("no text in order_id")
        content = {name: value for name, value in entry.items() if name not in _NOT_CONTENT}
        self._orders.add(entry["type"], (milliseconds(entry["at"]), self._line_number, (orjson.dumps(content),)))

    def _machine_totals(self, entry: _Entry) -> None:
        machine_id = entry["machine_id"]
        self._totals[machine_id] = (
            milliseconds(entry["at"]),
            machine_totals({**entry, **self._descriptions[machine_id]}),
        )


def load(where: str) -> Reference:
    """Load the reference from a ground truth file, an answer of `/oee` in a file, or its URL. Raise InvalidInput."""
    if where.lower().startswith(("http://", "https://")):
        return fetch_oee(where)
    path, where = Path(where), without_credentials(where)
    try:
        with open_file(path) as file:
            first = file.readline(LONGEST_LINE)
            if _is_message(first):
                raise InvalidInput(f"{where}: messages, not ground truth: they come first, without --truth")
            if not _is_run_entry(first):
                return OeeAnswer.parse(_bounded(first + file.read(LONGEST_ANSWER), where), where)
        return GroundTruth(path)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"cannot read {where}: {getattr(error, 'strerror', None) or error}") from None


def _bounded(answer: bytes, where: str) -> bytes:
    if len(answer) >= LONGEST_ANSWER:
        raise InvalidInput(
            f"{where}: more than {LONGEST_ANSWER >> 20} MiB: neither a ground truth file nor an answer of /oee"
        )
    return answer


def _is_run_entry(line: bytes) -> bool:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(entry, dict) and entry.get("type") == "run"


def _is_message(line: bytes) -> bool:
    """Return whether a line is a message, also as a dry run or `mosquitto_sub -v` write it."""
    try:
        entry = orjson.loads(line[max(0, line.find(b"{")) :])
    except orjson.JSONDecodeError:
        return False
    return isinstance(entry, dict) and ("payload" in entry or {"timestamp", "machine_id"} <= entry.keys())


def _ideal_seconds(entry: Mapping[str, Any]) -> float:
    """Return the ideal cycle; 0 for a machine that makes nothing."""
    return 0.0 if entry["ideal_cycle_seconds"] == 0 else _positive(entry, "ideal_cycle_seconds")


def _positive(entry: Mapping[str, Any], name: str) -> float:
    number = float(entry[name])
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be above 0, not {number:g}")
    return number
