"""Read labels from a ground truth file: its faults, with the machines and the time of the run.

This module shares no code with the one that writes the file; the format is the table in docs/oee.md. Other lines are
read for their times alone, which end a run that was not closed.
"""

from __future__ import annotations

import contextlib
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from cli.evaluate.input.line_errors import LineErrors
from cli.verify.forms.message_finder import MessageFinder
from cli.verify.forms.message_keys import TypeInfo
from cli.verify.forms.message_values import milliseconds
from cli.verify.forms.type_history import TypeHistory, forms
from cli.verify.input.reference import InvalidInput, open_file, read_lines
from cli.verify.input.truth_rules import problem
from edge.redaction import shown, without_credentials

_Entry = dict[str, Any]
_TIMES: Final = ("end", "to", "finished", "at", "from", "start")
"""Keys of times, those first that are the latest of their line."""

_WEAR: Final = "wear"
"""The cause of a label of wear."""


class Label(NamedTuple):
    """An episode of a fault, or of wear. Times in milliseconds since 1970, both inclusive.

    severity: None if the line has none.  signal: the name of the signal of a fault of a sensor, otherwise None.
    is_open: whether it was still active at the end of the run.  is_wear: whether it is wear, and no fault.
    """

    machine_id: str
    fault: str
    from_ms: int
    to_ms: int
    severity: float | None = None
    signal: str | None = None
    is_open: bool = False
    is_wear: bool = False


@dataclass(slots=True)
class Truth:
    """The content of a ground truth file that labels need.

    start_ms, end_ms: of the run.  is_closed: whether the file has the end of the run; otherwise it ends with the latest
    time in the file.  machines: machine id -> type and station.  types: how to read messages of each type over time.
    """

    start_ms: int = 0
    end_ms: int = 0
    is_closed: bool = False
    labels: list[Label] = field(default_factory=list)
    machines: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    types: dict[str, TypeHistory] = field(default_factory=dict)

    def message_finder(self) -> MessageFinder:
        """Return what finds the machine of a message."""
        places = Counter(self.machines.values())
        at_places = {place: each for each, place in self.machines.items() if places[place] == 1}
        kinds = {machine_id: kind for machine_id, (kind, _) in self.machines.items()}
        histories = {kind: history.in_classes() for kind, history in self.types.items()}
        return MessageFinder(
            forms(histories, attrgetter("classes")),
            lambda machine_id, _time_ms: kinds.get(machine_id),
            lambda place, _time_ms: at_places.get(place),
        )


def read_truth(where: str) -> Truth:
    """Read a ground truth file, compressed by gzip or not. Raise InvalidInput with all errors in its lines."""
    shown_name = without_credentials(where)
    try:
        with open_file(Path(where)) as file:
            return _Reader(shown_name).read(read_lines(file, shown_name))
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"cannot read {shown_name}: {getattr(error, 'strerror', None) or error}") from None


class _Reader:
    def __init__(self, where: str) -> None:
        self._where, self._errors = where, LineErrors(where)
        self._truth = Truth()
        self._has_begun = False
        self._last_ms = 0
        self._open: list[int] = []
        self._readers: Mapping[str, Callable[[_Entry], None]] = {
            "run": self._finish,
            "machine_type": self._machine_type,
            "machine": self._machine,
            "fault": self._fault,
        }

    def read(self, lines: Iterable[bytes]) -> Truth:
        """Read all lines."""
        for number, line in enumerate(lines, 1):
            entry: object = None
            try:
                entry = orjson.loads(line)
                self._process(number, entry)
            except orjson.JSONDecodeError:
                if number == 1:
                    raise self._no_truth() from None
                if line.strip() and line.endswith(b"\n"):  # the last line of an aborted run may be incomplete
                    self._errors.add(number, "not JSON")
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                reason = problem(error, entry if isinstance(entry, dict) else {})
                self._errors.add(number, f"invalid line of a ground truth file: {reason}")
        self._errors.raise_any()
        if not self._has_begun:
            raise self._no_truth()
        return self._whole()

    def _process(self, number: int, entry: object) -> None:
        if number == 1:
            self._begin(entry)
        elif not isinstance(entry, dict):
            raise ValueError("not a JSON object")
        elif self._truth.is_closed:
            raise ValueError("nothing may follow the end of the run")
        else:
            self._last_ms = max(self._last_ms, _latest_ms(entry))
            if reader := self._readers.get(str(entry.get("type"))):
                reader(entry)

    def _no_truth(self) -> InvalidInput:
        return InvalidInput(f"{self._where}: not a ground truth file: the first line is not of type run")

    def _begin(self, entry: object) -> None:
        try:
            if not isinstance(entry, dict) or entry["type"] != "run":
                raise self._no_truth()
            self._truth.start_ms = self._last_ms = milliseconds(entry["start"])
            self._has_begun = True
        except (KeyError, TypeError, ValueError):
            raise self._no_truth() from None

    def _finish(self, entry: _Entry) -> None:
        if milliseconds(entry["start"]) != self._truth.start_ms:
            raise ValueError("another run begins")
        self._truth.end_ms, self._truth.is_closed = milliseconds(entry["end"]), True

    def _machine_type(self, entry: _Entry) -> None:
        kind = str(entry["machine_type"])
        self._truth.types.setdefault(kind, TypeHistory()).add(self._last_ms, TypeInfo.of(entry, kind))

    def _machine(self, entry: _Entry) -> None:
        self._truth.machines[_text(entry, "machine_id")] = str(entry["machine_type"]), entry.get("station_id")

    def _fault(self, entry: _Entry) -> None:
        is_open = entry.get("open") is True
        from_ms = milliseconds(entry["from"])
        to_ms = from_ms if is_open and entry.get("to") is None else milliseconds(entry["to"])
        if to_ms < from_ms:
            raise ValueError(f"to must not be before from: {entry['to']} is before {entry['from']}")
        signal = None if entry.get("signal") is None else _text(entry, "signal")
        if is_open and entry.get("to") is None:
            self._open.append(len(self._truth.labels))
        names = _text(entry, "machine_id"), _text(entry, "fault")
        is_wear = entry.get("cause") == _WEAR
        self._truth.labels.append(Label(*names, from_ms, to_ms, _severity(entry), signal, is_open, is_wear))

    def _whole(self) -> Truth:
        """Return what was read; labels without an end reach to the end of the run."""
        truth = self._truth
        if not truth.is_closed:
            truth.end_ms = self._last_ms
        for place in self._open:
            label = truth.labels[place]
            truth.labels[place] = label._replace(to_ms=max(label.from_ms, truth.end_ms))
        truth.labels.sort(key=lambda each: (each.machine_id, each.from_ms, each.to_ms, each.fault))
        return truth


def _latest_ms(entry: _Entry) -> int:
    """Return the latest time of a line; 0 where it has none, whatever else its keys mean."""
    for key in _TIMES:
        with contextlib.suppress(ValueError, TypeError):
            return milliseconds(entry.get(key, ""))
    return 0


def _text(entry: _Entry, key: str) -> str:
    text = entry[key]
    if not isinstance(text, str) or not text:
        raise ValueError(f"{key} must be text, not {shown(text)}")
    return text


def _severity(entry: _Entry) -> float | None:
    severity = entry.get("severity")
    if severity is None:
        return None
    if isinstance(severity, bool) or not isinstance(severity, int | float) or not 0 < severity < math.inf:
        raise ValueError(f"severity must be a number above 0, not {shown(severity)}")
    return float(severity)
