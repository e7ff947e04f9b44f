"""The journal: what was done to the plant, by whom and when; the newest entries, and all that was done in a file.

A line of the file is a command with its plant time, as `run --commands` reads it: so a run that people acted on can be
had again where there is no ground truth file, as with several workers.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import orjson

from edge.control.inbox import Command
from edge.timestamps import rfc3339

MOST_ENTRIES: Final = 1000
_MOST_KEYS, _MOST_KEY_CHARACTERS, _MOST_CHARACTERS = 20, 100, 2000


@dataclass(frozen=True, slots=True)
class Entry:
    """What was done, or refused.

    number: counted from 1.  time: when, in Unix seconds.  at_ms: in plant time; None where it was refused.
    by: whoever wanted it.  answer: what was then so.  error: why it was refused, in one line.
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
    """Keeps the newest entries. wall_clock: Unix seconds.  write: writes a line of the file, if there is one.

    counts: commands by the way that they came, such as `http`, and whether they were executed or refused.
    """

    def __init__(self, wall_clock: Callable[[], float], write: Callable[[bytes], None] | None = None) -> None:
        self._wall_clock, self._write = wall_clock, write
        self._entries = deque[Entry](maxlen=MOST_ENTRIES)
        self._count = 0
        self.counts = Counter[tuple[str, str]]()

    def executed(self, command: Command, by: str, at_ms: int, answer: Mapping[str, object] | None = None) -> None:
        """Note what was done."""
        self._keep(command, by, at_ms=at_ms, answer=answer)
        if self._write is not None:
            self._write(orjson.dumps({"at": rfc3339(at_ms), **command, "by": by}) + b"\n")

    def refused(self, command: Command, by: str, error: str) -> None:
        """Note what was refused; of a command that may be anything only what is short."""
        self._keep(_shortened(command), by, error=error[:_MOST_CHARACTERS])

    def entries(self, before: int | None = None) -> Sequence[Entry]:
        """Return the entries, the newest first. before: only those with a lower number."""
        return [each for each in reversed(self._entries) if before is None or each.number < before]

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
        self.counts[by.partition(" ")[0], "refused" if at_ms is None else "executed"] += (
            command.get("command") != "reload"
        )
        self._entries.append(Entry(self._count, self._wall_clock(), by, command, at_ms, answer, error))


def _shortened(command: Command) -> Command:
    """Return a command without what would fill the memory: nested values, long texts, more keys than any has."""
    brief = {key[:_MOST_KEY_CHARACTERS]: _brief(value) for key, value in islice(command.items(), _MOST_KEYS)}
    return command if brief == command else brief


def _brief(value: object) -> object:
    if isinstance(value, str):
        return value[:_MOST_CHARACTERS]
    return value if value is None or isinstance(value, int | float) else "..."
