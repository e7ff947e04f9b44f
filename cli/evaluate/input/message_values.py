"""Read the numbers in messages: by source and in order of time, each with its field.

Memory is bounded, whatever the order of the lines (see cli.verify.input.record_store), except for one source at a time.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Final, NamedTuple

from cli.verify.forms.message_finder import MessageFinder
from cli.verify.forms.message_keys import ClassInfo, flattened
from cli.verify.forms.message_lines import parse_line
from cli.verify.forms.message_values import milliseconds
from cli.verify.input.record_store import RecordStore
from cli.verify.input.reference import InvalidInput, open_file, read_lines
from edge.redaction import without_credentials

_MACHINE, _TIME = "machine_id", "timestamp"
_USUAL: Final = frozenset({_MACHINE, "station_id", _TIME})


class Series(NamedTuple):
    """The numbers in one field of a machine's messages, in order of time. times: milliseconds since 1970."""

    machine_id: str
    field: str
    times: list[int]
    values: list[float]


class MessageValues:
    """The numbers in the messages of machines.

    messages: how many have a machine and a time.  unreadable: lines that are no messages.
    """

    def __init__(self, finder: MessageFinder, pattern: str) -> None:
        self._finder, self._pattern = finder, pattern
        self._store = RecordStore()
        self._machines: dict[str, str] = {}
        self._fields: dict[str, bool] = {}
        self.messages = self.unreadable = self.lines = 0

    def read(self, lines: Iterable[bytes]) -> None:
        """Read more lines."""
        for line in lines:
            self.lines += 1
            try:
                message, _, topic = parse_line(line)
                self._add(message, topic)
            except ValueError:
                self.unreadable += 1

    def series(self) -> Iterator[Series]:
        """Yield the series of each field of each source."""
        for source, machine_id in self._machines.items():
            fields: dict[str, Series] = {}
            for time_ms, _, (values,) in self._store.records(source):
                for field, value in values.items():
                    series = fields.setdefault(field, Series(machine_id, field, [], []))
                    series.times.append(time_ms)
                    series.values.append(value)
            yield from fields.values()

    def _add(self, message: Mapping[str, object], topic: str | None) -> None:
        if found := self._finder.find(message, topic):
            if found.time_ms is not None:
                self._keep(
                    found.machine_id,
                    found.info.source(found.machine_id),
                    found.time_ms,
                    self._numbers(found.values, _not_measured(found.info)),
                )
            return
        machine_id, timestamp = message.get(_MACHINE), message.get(_TIME)
        if isinstance(machine_id, str) and isinstance(timestamp, str):
            self._keep(machine_id, machine_id, milliseconds(timestamp), self._numbers(flattened(message), _USUAL))

    def _keep(self, machine_id: str, source: str, time_ms: int, numbers: dict[str, float]) -> None:
        self.messages += 1
        if numbers:
            self._machines.setdefault(source, machine_id)
            self._store.add(source, (time_ms, self.lines, (numbers,)))

    def _numbers(self, values: Mapping[str, object], others: frozenset[str]) -> dict[str, float]:
        numbers = ((place, value) for place, value in values.items() if place not in others)
        return {
            place: float(value)
            for place, value in numbers
            if isinstance(value, int | float) and not isinstance(value, bool) and self._is_wanted(place)
        }

    def _is_wanted(self, place: str) -> bool:
        if place not in self._fields:
            self._fields[place] = fnmatchcase(place, self._pattern)
        return self._fields[place]


def read_messages(where: str, finder: MessageFinder, pattern: str) -> MessageValues:
    """Read the numbers of a file's messages, `-` for standard input. Raise InvalidInput where there are none.

    pattern: of the fields that are read.
    """
    values, shown_name = MessageValues(finder, pattern), without_credentials(where)
    try:
        with ExitStack() as stack:
            values.read(read_lines(_stream(where, stack), shown_name))
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"cannot read {shown_name}: {getattr(error, 'strerror', None) or error}") from None
    if not values.messages:
        raise InvalidInput(
            f"{shown_name}: no message of a machine in {values.lines:,} lines: {values.unreadable:,} unreadable"
        )
    return values


def _stream(where: str, stack: ExitStack) -> IO[bytes]:
    return sys.stdin.buffer if where == "-" else stack.enter_context(open_file(Path(where)))


def _not_measured(info: ClassInfo) -> frozenset[str]:
    """Return the places of a class whose numbers say which message it is, not how the machine is."""
    keys = info.keys
    return frozenset({info.timestamp, keys.machine_id, keys.station, keys.sequence, *info.constants})
