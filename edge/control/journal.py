"""The journal: what was done to the plant, by whom and when; the newest entries, and all that was done in a file.

A line of the file is a command with its plant time, as `run --commands` reads it: so a run that people acted on can be
had again where there is no ground truth file, as with several workers.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedWriter, RawIOBase
from itertools import islice
from typing import BinaryIO, Final

import orjson

from edge.control.inbox import Command
from edge.timestamps import rfc3339

log = logging.getLogger("app")

MOST_ENTRIES: Final = 1000
_LONGEST_COMMAND, _LONGEST_NAME, _LONGEST_ERROR = 1000, 100, 1000
"""What is kept of an entry, so that all of them take little memory: bytes of JSON, and characters."""
BY_FILE: Final = "file"
"""Whoever gives the commands of a file."""

_NO_RUN: Final[Mapping[str, object]] = {}

Note = Callable[[Command, str, int, Mapping[str, object] | None], None]
"""Notes what was done: the command, by whom, when in plant time, and what was then so."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What was done, or refused.

    number: counted from 1.  time: when, in Unix seconds.  at_ms: in plant time; None where it was refused.
    by: whoever wanted it.  command: of a long one only its name and its length, `bytes`, of a nested one its name.
    answer: what was then so.  error: why it was refused.
    """

    number: int
    time: float
    by: str
    command: Command
    at_ms: int | None = None
    answer: Mapping[str, object] | None = None
    error: str | None = None

    def described(self) -> dict[str, object]:
        """Return it as plain data, without what is not so."""
        outcome: dict[str, object] = {"error": self.error} if self.at_ms is None else {"at": rfc3339(self.at_ms)}
        if self.answer is not None:
            outcome["answer"] = dict(self.answer)
        return {
            "number": self.number,
            "time": rfc3339(round(self.time * 1000)),
            "by": self.by,
            "command": dict(self.command),
            **outcome,
        }


class Journal:
    """Keeps the newest entries. wall_clock: Unix seconds.  file: where all that is done is written, if anywhere.

    run: what the file says of the run before that.  complete: whether the file has all of it.
    counts: commands by the way that they came, such as `http`, and whether they were executed or refused.
    """

    def __init__(
        self,
        wall_clock: Callable[[], float],
        file: BinaryIO | BufferedWriter[RawIOBase] | None = None,
        run: Mapping[str, object] = _NO_RUN,
    ) -> None:
        self.complete = True
        self._wall_clock, self._file = wall_clock, file
        self._entries = deque[Entry](maxlen=MOST_ENTRIES)
        self._count = 0
        self.counts = Counter[tuple[str, str]]()
        with contextlib.suppress(OSError):  # not a regular file
            if file is not None:
                file.truncate(0)
        self._write({"type": "run", **run})

    def executed(self, command: Command, by: str, at_ms: int, answer: Mapping[str, object] | None = None) -> None:
        """Note what was done."""
        self._keep(command, by, at_ms=at_ms, answer=answer)
        self._write({"at": rfc3339(at_ms), **command, "by": by})

    def refused(self, command: Command, by: str, error: str) -> None:
        """Note what was refused."""
        self._keep(command, by, error=error)

    def entries(self, before: int | None = None, machine_id: str | None = None) -> Sequence[Entry]:
        """Return the entries, the newest first.

        before: only those with a lower number.  machine_id: only commands to this machine.
        """
        return [
            each
            for each in reversed(self._entries)
            if (before is None or each.number < before)
            and (machine_id is None or each.command.get("machine_id") == machine_id)
        ]

    @property
    def count(self) -> int:
        """The number of all entries that there were, which is that of the newest."""
        return self._count

    def newest(self, most: int) -> Sequence[Entry]:
        """Return the newest entries, the newest first."""
        return [*islice(reversed(self._entries), most)]

    def close(self) -> None:
        """Close the file; nothing is written any more."""
        file, self._file = self._file, None
        if file is None or not self.complete:
            return  # otherwise what could not be written would be written again
        try:
            file.close()
        except OSError as error:
            self._give_up(error)

    def _write(self, line: Mapping[str, object]) -> None:
        """Write a line of the file; what cannot be written is logged once, and nothing is written any more."""
        if self._file is None or not self.complete:
            return
        try:
            self._file.write(orjson.dumps(line) + b"\n")
            self._file.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.complete = False
        log.error("journal is incomplete: cannot write to it reason=%s", error.strerror)

    def _keep(
        self,
        command: Command,
        by: str,
        *,
        at_ms: int | None = None,
        answer: Mapping[str, object] | None = None,
        error: str | None = None,
    ) -> None:
        self._count += 1
        outcome = "refused" if at_ms is None else "executed"
        self.counts[by.partition(" ")[0], outcome] += command.get("command") != "reload"
        error = error and error[:_LONGEST_ERROR]
        self._entries.append(Entry(self._count, self._wall_clock(), by, _shortened(command), at_ms, answer, error))


def _shortened(command: Command) -> Command:
    """Return a command as it is, or only which one and how long where it is long, as another configuration is.

    Of one with values inside values only which one: no command has them, and deep ones could be read, but not written.
    """
    if any(isinstance(value, dict | list) for value in command.values()):
        name = command.get("command")
        return {"command": name[:_LONGEST_NAME] if isinstance(name, str) else None}
    length = len(orjson.dumps(command))
    if length <= _LONGEST_COMMAND:
        return command
    return {"command": str(command.get("command"))[:_LONGEST_NAME], "bytes": length}
