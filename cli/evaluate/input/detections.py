"""Read the detections of an anomaly detector: CSV with a header, or JSON lines, recognised by their content.

Detections are stored as columns, so a million of them take some 40 MB.
"""

from __future__ import annotations

import csv
import math
import sys
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import IO, Final, NamedTuple

import orjson

from cli.evaluate.input.line_errors import LineErrors
from cli.evaluate.input.times import BrokenRule, time_ms
from cli.verify.input.reference import InvalidInput, open_file, read_lines
from edge.redaction import shown, without_credentials

_MACHINE: Final = ("machine", "machine_id")
_MOMENT: Final = ("time", "timestamp")
_HEADER_RULE: Final = "the header must name machine, and either from and to, or time"
NO_NAME: Final = -1
"""Of a detection that does not say which fault it is."""


class DetectionColumns(NamedTuple):
    """Detections as read, a column each.

    machines: their names, to which `machine` points.  begin, end: milliseconds since 1970, both inclusive.
    score: NaN without one.  names: of faults, to which `name` points; NO_NAME without one.
    """

    machines: list[str]
    machine: array[int]
    begin: array[int]
    end: array[int]
    score: array[float]
    names: list[str]
    name: array[int]


class _Numbering:
    """Numbers names in the order in which they come."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        return self._numbers.setdefault(name, len(self._numbers))

    @property
    def names(self) -> list[str]:
        return [*self._numbers]


class Collector:
    """Collects detections into columns."""

    def __init__(self) -> None:
        self._machines, self._names = _Numbering(), _Numbering()
        self._machine, self._name = array("q"), array("q")
        self._begin, self._end, self._score = array("q"), array("q"), array("d")

    def add(self, machine: str, begin: int, end: int, score: float = math.nan, name: str | None = None) -> None:
        """Add a detection."""
        self._machine.append(self._machines.number(machine))
        self._begin.append(begin)
        self._end.append(end)
        self._score.append(score)
        self._name.append(NO_NAME if name is None else self._names.number(name))

    def columns(self) -> DetectionColumns:
        """Return the columns."""
        whole = self._machines.names, self._machine, self._begin, self._end, self._score
        return DetectionColumns(*whole, self._names.names, self._name)


def read_detections(where: str) -> DetectionColumns:
    """Read a file, `-` for standard input. Raise InvalidInput with all errors in its lines."""
    shown_name = "standard input" if where == "-" else without_credentials(where)
    errors, collector = LineErrors(shown_name), Collector()
    try:
        with ExitStack() as stack:
            _read(read_lines(_stream(where, stack), shown_name), collector, errors)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"cannot read {shown_name}: {getattr(error, 'strerror', None) or error}") from None
    errors.raise_any()
    return collector.columns()


def _stream(where: str, stack: ExitStack) -> IO[bytes]:
    return sys.stdin.buffer if where == "-" else stack.enter_context(open_file(Path(where)))


def _read(lines: Iterator[bytes], collector: Collector, errors: LineErrors) -> None:
    for blank, line in enumerate(lines):
        if content := line.removeprefix(b"\xef\xbb\xbf").strip():
            records = _json_records if content.startswith((b"{", b"[")) else _csv_records
            rest = chain((line.removeprefix(b"\xef\xbb\xbf"),), lines)
            _add_all(records(rest, blank, errors), collector, errors)
            return


def _add_all(records: Iterable[tuple[int, Mapping[str, object]]], collector: Collector, errors: LineErrors) -> None:
    for number, record in records:
        try:
            collector.add(*_detection(record))
        except BrokenRule as error:
            errors.add(number, str(error))


def _json_records(lines: Iterable[bytes], blank: int, errors: LineErrors) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, line in enumerate(lines, blank + 1):
        if not line.strip():
            continue
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            errors.add(number, "not JSON: write one object a line")
            continue
        if isinstance(found, dict):
            yield number, found
        else:
            errors.add(number, "not a JSON object: write one a line")


def _csv_records(lines: Iterable[bytes], blank: int, errors: LineErrors) -> Iterator[tuple[int, Mapping[str, object]]]:
    reader = csv.reader(line.decode("utf-8", "replace") for line in lines)
    try:
        header = [each.strip() for each in next(reader)]
        if not _is_header(header):
            errors.add(blank + reader.line_num, f"{_HEADER_RULE}: it is {shown(','.join(header))}")
            return
        for cells in reader:
            if len(cells) > len(header) or 0 < len(cells) < len(header):
                errors.add(blank + reader.line_num, f"{len(cells)} values, and {len(header)} columns in the header")
            elif cells:
                yield blank + reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        errors.add(blank + reader.line_num, f"not CSV: {error}")


def _is_header(header: list[str]) -> bool:
    names = set(header)
    return not names.isdisjoint(_MACHINE) and ({"from", "to"} <= names or not names.isdisjoint(_MOMENT))


def _detection(record: Mapping[str, object]) -> tuple[str, int, int, float, str | None]:
    """Return a detection. Raise BrokenRule with the rule that it breaks."""
    machine = _first(record, _MACHINE)
    if not isinstance(machine, str):
        raise BrokenRule("machine is missing" if machine is None else f"machine must be text, not {shown(machine)}")
    begin, end = _span(record)
    return machine, begin, end, _score(record), _fault(record)


def _span(record: Mapping[str, object]) -> tuple[int, int]:
    begins, ends = _first(record, ("from",)), _first(record, ("to",))
    if begins is None and ends is None:
        moment = _named("time", time_ms, _first(record, _MOMENT))
        return moment, moment
    begin, end = _named("from", time_ms, begins), _named("to", time_ms, ends)
    if end < begin:
        raise BrokenRule(f"to must not be before from: {shown(ends)} is before {shown(begins)}")
    return begin, end


def _named(key: str, read: Callable[[object], int], value: object) -> int:
    if value is None:
        raise BrokenRule("from and to, or time, are missing" if key == "time" else f"{key} is missing")
    try:
        return read(value)
    except BrokenRule as error:
        raise BrokenRule(f"{key} {error}") from None


def _score(record: Mapping[str, object]) -> float:
    value = _first(record, ("score",))
    if value is None:
        return math.nan
    try:
        score = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        score = math.nan
    if not math.isfinite(score):
        raise BrokenRule(f"score must be a finite number, not {shown(value)}")
    return score


def _fault(record: Mapping[str, object]) -> str | None:
    fault = _first(record, ("fault",))
    if fault is not None and not isinstance(fault, str):
        raise BrokenRule(f"fault must be text, not {shown(fault)}")
    return fault


def _first(record: Mapping[str, object], keys: Iterable[str]) -> object:
    """Return the value of the first of some keys that has one; a text without characters is none."""
    for key in keys:
        value = record.get(key)
        if isinstance(value, str):
            value = value.strip()
        if value is not None and value != "":
            return value
    return None
