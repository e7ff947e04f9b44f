"""Logging set-up: one line an event on stderr, for people or as JSON, in UTC, with every secret taken out.

Redaction sits in the formatters, the last place a text passes, so it holds for every logger, level and traceback.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

import orjson

from edge.redaction import clean, redact
from edge.settings.types import LogFormat, LogLevel


class TextFormatter(logging.Formatter):
    """`2026-11-20T21:33:00.123Z INFO  broker: message`; a record with a `block` prints that alone, as it is."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record for people."""
        block = getattr(record, "block", None)
        if block is not None:
            return redact(str(block))
        level = _SHORT_LEVELS.get(record.levelname, record.levelname)
        whose = f"worker {number}: " if (number := getattr(record, "worker", None)) is not None else ""
        message = f"{whose}{record.getMessage()}{_trace(self, record, chr(10))}"
        return redact(f"{_stamp(record)} {level:<5} {record.name}: {message}")


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, message, the record's extra fields, and `exception` if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record for machines."""
        entry = {
            "time": _stamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _RECORD_FIELDS},
        }
        if trace := _trace(self, record, ""):
            entry["exception"] = trace
        return orjson.dumps(clean(entry), default=_as_text).decode()


_SHORT_LEVELS = {"WARNING": "WARN", "CRITICAL": "FATAL"}
# What every record has; all else came by `extra`. The last four are text forms of what is already there.
_RECORD_FIELDS = {*vars(logging.makeLogRecord({})), "message", "asctime", "block", "color_message"}
# Loggers of libraries and the least level they may speak at. paho's DEBUG writes CONNECT's properties, token included.
_FLOORS = {"paho": logging.INFO, "asyncio": logging.INFO, "uvicorn": logging.WARNING, "uvicorn.error": logging.CRITICAL}


def set_up(level: LogLevel, form: LogFormat, stream: TextIO | None = None) -> None:
    """Send all logging to `stream` (stderr), replacing what was set up before; libraries only where they matter."""
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form is LogFormat.JSON else TextFormatter())
    threshold = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=threshold, handlers=[handler], force=True)
    for name, floor in _FLOORS.items():
        logging.getLogger(name).setLevel(max(threshold, floor))
    logging.getLogger("uvicorn.access").disabled = True
    logging.captureWarnings(capture=True)


def speak_as(number: int) -> None:
    """Mark all that is logged from now on as a worker's: before its text, or as the field `worker`."""

    def mark(record: logging.LogRecord) -> bool:
        record.worker = number
        return True

    for handler in logging.getLogger().handlers:
        handler.addFilter(mark)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes records; one that cannot be written is named by its bare template, as its arguments may be secret."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base class's name
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(redact(f"a record of logger {record.name} cannot be written: {record.msg!r}\n"))


def _stamp(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(formatter: logging.Formatter, record: logging.LogRecord, before: str) -> str:
    parts = [formatter.formatException(record.exc_info)] if record.exc_info else []
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "".join(before + part for part in parts)


def _as_text(value: object) -> str:
    return redact(str(value))


@dataclass(slots=True)
class _Kind:
    """The events of one kind that are held back."""

    silent_until: float
    held: int = 0


class RateLimited:
    """Logs events of the same kind at most once in `seconds`; the next line says how many were held back.

    clock: seconds, monotonic.  Call `flush` now and then, so that the last ones held back are told as well.
    """

    def __init__(self, logger: logging.Logger, seconds: float, clock: Callable[[], float]) -> None:
        self._logger, self._seconds, self._clock = logger, seconds, clock
        self._kinds: dict[Hashable, _Kind] = {}

    def log(self, level: int, kind: Hashable, message: str, *args: object) -> None:
        """Log the event, or count it where its kind has spoken less than `seconds` ago."""
        now = self._clock()
        known = self._kinds.get(kind)
        if known is not None and now < known.silent_until:
            known.held += 1
            return
        held = known.held if known else 0
        self._kinds[kind] = _Kind(now + self._seconds)
        suffix = f" ({held} more like the last one were held back)" if held else ""
        self._logger.log(level, "%s%s", message % args if args else message, suffix)

    def flush(self) -> None:
        """Tell of what was held back and whose silence is over."""
        now = self._clock()
        for kind, known in list(self._kinds.items()):
            if now >= known.silent_until:
                del self._kinds[kind]
                if known.held:
                    self._logger.warning("%s: %d more were held back", kind, known.held)
