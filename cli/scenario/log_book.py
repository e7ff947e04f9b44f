"""The log of a scenario: warnings on standard error, and all of it for the report."""

from __future__ import annotations

import logging
from typing import Final, Self

from edge.observability.logs import set_up
from edge.redaction import redact
from edge.settings.loader import Settings

_MOST_LINES: Final = 5000


class LogBook(logging.Handler):
    """Keeps the lines of a log without their times, so that they are the same in each run; the first ones, if many."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: list[str] = []
        self._left_out = 0

    @classmethod
    def set_up(cls, settings: Settings, *, warnings_only: bool) -> Self:
        """Have all logging kept, and written to standard error. warnings_only: nothing less than that is written."""
        set_up(settings.log_level, settings.log_format)
        root, book = logging.getLogger(), cls()
        for handler in root.handlers:
            handler.setLevel(max(root.level, logging.WARNING) if warnings_only else root.level)
        root.addHandler(book)
        root.setLevel(min(root.level, logging.INFO))
        return book

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        if len(self._lines) >= _MOST_LINES:
            self._left_out += 1
            return
        self._lines.append(redact(f"{record.levelname} {record.name}: {record.getMessage()}"))

    def text(self) -> str:
        """Return all lines."""
        more = [f"and {self._left_out:,} more lines"] if self._left_out else []
        return "\n".join([*self._lines, *more])
