"""Commands with their times, read from a file: a list of them, or the ground truth file of another run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from math import inf
from operator import itemgetter
from pathlib import Path
from typing import Final

import orjson

from plant.interventions.commands import CommandRefused, parse

_MOST_ERRORS: Final = 20
_MARK: Final = b'"command"'
_AT, _AFTER, _TYPE = "at", "after_seconds", "type"
_RECORDED: Final = "command"
"""The type of the lines in a ground truth file that are commands, and the key of a command's name."""

Timed = tuple[int, Mapping[str, object]]
"""A command, and its time in milliseconds since 1970."""


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


def read_commands(path: Path, start: float) -> CommandLog:
    """Return the commands of a file, from the start of the run on. start: in seconds since 1970.

    Lines of other types, as a ground truth file has them, are ignored. Raises CommandFileError with every wrong line.
    """
    found: list[Timed] = []
    errors: list[str] = []
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if _MARK not in line:
                    continue
                try:
                    command = _command(line, start)
                except ValueError as error:
                    errors.append(f"line {number}: {error}")
                    continue
                if command is not None:
                    found.append(command)
    except OSError as error:
        raise CommandFileError(f"cannot read {path}: {error.strerror}") from None
    if errors:
        more = f"\n  and {len(errors) - _MOST_ERRORS} more" if len(errors) > _MOST_ERRORS else ""
        lines = "\n  ".join(errors[:_MOST_ERRORS])
        raise CommandFileError(f"{path} has lines that are no commands:\n  {lines}{more}")
    if early := [each for each, _ in found if each < round(start * 1000)]:
        raise CommandFileError(f"{len(early)} commands of {path} are before the start of the run")
    return CommandLog(found)


def _command(line: bytes, start: float) -> Timed | None:
    """Return the command in a line; None for a line of another type. ValueError for a wrong one."""
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error}") from None
    if not isinstance(entry, dict):
        raise ValueError("must be a JSON object")  # noqa: TRY004
    if entry.get(_TYPE, _RECORDED) != _RECORDED or _RECORDED not in entry:
        return None
    at_ms = _time_ms(entry, start)
    command = {key: value for key, value in entry.items() if key not in (_AT, _AFTER, _TYPE)}
    try:
        parse(command)
    except CommandRefused as error:
        raise ValueError(str(error)) from None
    return at_ms, command


def _time_ms(entry: Mapping[str, object], start: float) -> int:
    if (_AT in entry) == (_AFTER in entry):
        raise ValueError("needs either at or after_seconds")
    after = entry.get(_AFTER)
    if after is not None:
        if isinstance(after, bool) or not isinstance(after, int | float) or not 0 <= after < inf:
            raise ValueError("after_seconds: must be a number, 0 or more")
        return round((start + after) * 1000)
    try:
        moment = datetime.fromisoformat(str(entry[_AT]))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("at: must be a time with its offset, such as 2026-01-05T08:00:00Z")
    return round(moment.timestamp() * 1000)
