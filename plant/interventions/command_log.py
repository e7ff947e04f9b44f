"""Commands with their times, read from a file: a list of them, or the ground truth file of another run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from math import inf
from operator import itemgetter
from pathlib import Path
from typing import Final

import orjson

from plant.definition.plant_config import PlantConfigError
from plant.interventions.commands import CommandRefused, Reload, parse

_MOST_ERRORS: Final = 20
_LONGEST_LINE: Final = 64 * 2**20
_MARK: Final = b'"command"'
_OF_RUN: Final = b'{"type":"run",'
_OF_TRUTH: Final = b'{"type":"'
"""How lines of a ground truth file begin: those without the mark need no closer look, as there are millions."""
_AT, _AFTER, _TYPE = "at", "after_seconds", "type"
_RECORDED: Final = "command"
"""The type of the lines in a ground truth file that are commands, and the key of a command's name."""

_ABOUT: Final = frozenset({_AT, _AFTER, _TYPE, "by"})
"""Keys of a line that are not the command's: a journal has who gave it."""

Timed = tuple[int, Mapping[str, object]]
"""A command, and its time in milliseconds since 1970."""


Span = tuple[float, float]


class CommandFileError(Exception):
    """A file of commands cannot be used; the text says why."""


class CommandLog:
    """Commands in order of time; those of the same millisecond in the order of the file."""

    def __init__(self, commands: list[Timed]) -> None:
        self._waiting = deque(sorted(commands, key=itemgetter(0)))

    def next_seconds(self) -> float:
        """Return the time of the next one, in seconds; inf if there is none."""
        return self._waiting[0][0] / 1000 if self._waiting else inf

    def due(self, now: float) -> Iterator[Mapping[str, object]]:
        """Remove and yield the commands up to a time in seconds."""
        while self.next_seconds() <= now:
            yield self._waiting.popleft()[1]


def read_commands(
    path: str | None,
    span: Span,
    load: Callable[[bytes], object],
    before: Sequence[Timed] = (),
    own: Collection[str] = (),
) -> CommandLog:
    """Return the commands of a file, from the start of the run on; none without a file.

    Lines of other types, as a ground truth file has them, are ignored. Raises CommandFileError with every wrong line.
    span: where the run begins, and the last moment, in seconds since 1970.
    load: reads the YAML of a reload; raises PlantConfigError.
    before: others, which come before those of the file at the same time.
    own: the names of commands that types of the plant have.
    """
    if path is None:
        return CommandLog([*before])
    found: list[Timed] = []
    errors: list[str] = []
    origin = ""
    try:
        with Path(path).open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), 1):
                try:
                    found += _command(line, span, load, own)
                except ValueError as error:
                    errors.append(f"line {number}: {error}")
                if number == 1:
                    origin = _origin(line)
                if len(line) == _LONGEST_LINE:
                    break
    except OSError as error:
        raise CommandFileError(f"cannot read {path}: {error.strerror}") from None
    if errors:
        more = f"\n  and {len(errors) - _MOST_ERRORS} more" if len(errors) > _MOST_ERRORS else ""
        lines = "\n  ".join(errors[:_MOST_ERRORS])
        raise CommandFileError(f"{path} has lines that are no commands of this run:\n  {lines}{more}{origin}")
    return CommandLog([*before, *found])


def _origin(first: bytes) -> str:
    """Return which run a ground truth or a journal is of, by its first line, in the flags that give it again."""
    try:
        run = orjson.loads(first) if first.startswith(_OF_RUN) else {}
    except orjson.JSONDecodeError:
        return ""
    values = {name: run.get(name) for name in ("start", "seed")}
    flags = " ".join(
        f"--{name} {text:.80}" for name, text in values.items() if isinstance(text, str) and _is_plain(text)
    )
    return f"\n  it is of a run with {flags}, and --commands needs the same" if flags else ""


def _is_plain(text: str) -> bool:
    return text.isprintable() and " " not in text


def _command(line: bytes, span: Span, load: Callable[[bytes], object], own: Collection[str]) -> Iterator[Timed]:
    """Yield the command in a line; none for an empty line, or one of another type. ValueError for a wrong one."""
    if _MARK not in line and (line.startswith(_OF_TRUTH) or not line.strip()):
        return
    if len(line) == _LONGEST_LINE:
        raise ValueError(f"is longer than {_LONGEST_LINE:,} bytes")
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error}") from None
    if not isinstance(entry, dict):
        raise ValueError("must be a JSON object")  # noqa: TRY004
    if entry.get(_TYPE, _RECORDED) != _RECORDED:
        return
    at_ms = _time_ms(entry, span)
    command = {key: value for key, value in entry.items() if key not in _ABOUT}
    try:
        asked = parse(command, own)
        if isinstance(asked, Reload):
            load(asked.content.encode())
    except (CommandRefused, PlantConfigError) as error:
        raise ValueError(str(error)) from None
    yield at_ms, command


def _time_ms(entry: Mapping[str, object], span: Span) -> int:
    start, last = span
    if (_AT in entry) == (_AFTER in entry):
        raise ValueError("needs either at or after_seconds")
    at = _after(entry[_AFTER], start) if _AFTER in entry else _moment(entry[_AT])
    if not start * 1000 - 1 < at * 1000 <= last * 1000:
        key = _AFTER if _AFTER in entry else _AT
        first = datetime.fromtimestamp(start, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        raise ValueError(f"{key}: must be in the time of the run, from its start on, {first}Z")
    return round(at * 1000)


def _after(after: object, start: float) -> float:
    if isinstance(after, bool) or not isinstance(after, int | float) or not 0 <= after < inf:
        raise ValueError("after_seconds: must be a number, 0 or more")
    return start + after


def _moment(at: object) -> float:
    try:
        moment = datetime.fromisoformat(str(at))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("at: must be a time with its offset, such as 2026-01-05T08:00:00Z")
    return moment.timestamp()
