"""Logging: one line an event on stderr, as text or JSON, in UTC, with every secret redacted.

Redaction is done by the formatters, the last place that a text passes, so it covers every logger, level and traceback.
While an event loop runs, a thread writes: a log that nothing reads must not stop the process (`written_aside`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import sys
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

import orjson

from edge.background_writer import BackgroundWriter
from edge.redaction import clean, redact
from edge.settings.types import LogFormat, LogLevel


class TextFormatter(logging.Formatter):
    """`2026-11-20T21:33:00.123Z INFO  broker: message`; a record with a `block` prints that alone, as it is."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        block = getattr(record, "block", None)
        if block is not None:
            return redact(str(block))
        level = _SHORT_LEVELS.get(record.levelname, record.levelname)
        worker = f"worker {number}: " if (number := getattr(record, "worker", None)) is not None else ""
        message = f"{worker}{record.getMessage()}{_trace(self, record, chr(10))}"
        return redact(f"{_stamp(record)} {level:<5} {record.name}: {message}")


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, message, the record's extra fields, and `exception` if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
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
# Fields that every record has; all others came by `extra`. The last four repeat other fields as text.
_RECORD_FIELDS = {*vars(logging.makeLogRecord({})), "message", "asctime", "block", "color_message"}
# Loggers of libraries and their lowest levels. paho's DEBUG writes CONNECT's properties, token included.
_FLOORS = {
    "paho": logging.INFO,
    "asyncio": logging.INFO,
    "urllib3": logging.INFO,
    "uvicorn": logging.WARNING,
    "uvicorn.error": logging.CRITICAL,
}


def set_up(
    level: LogLevel, form: LogFormat, stream: TextIO | None = None, json: Callable[[], logging.Formatter] | None = None
) -> None:
    """Send all logging to `stream` (stderr), replacing earlier handlers; libraries have their lowest levels.

    json: makes what formats records as JSON, in place of JsonFormatter.
    """
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter((json or JsonFormatter)() if form is LogFormat.JSON else TextFormatter())
    threshold = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=threshold, handlers=[handler], force=True)
    for name, floor in _FLOORS.items():
        logging.getLogger(name).setLevel(max(threshold, floor))
    logging.getLogger("uvicorn.access").disabled = True
    logging.captureWarnings(capture=True)


def log_as_worker(number: int) -> None:
    """Mark everything that is logged from now on as a worker's: before its text, or as the field `worker`."""
    mark_records(lambda: {"worker": number})


def mark_records(fields: Callable[[], Mapping[str, object]]) -> None:
    """Give each record that is logged from now on further fields, which JSON shows. fields: returns them."""

    def mark(record: logging.LogRecord) -> bool:
        vars(record).update(fields())
        return True

    for handler in logging.getLogger().handlers:
        handler.addFilter(mark)


@contextlib.contextmanager
def written_aside(last_seconds: float = 1.0) -> Iterator[None]:
    """Have a thread write what is logged meanwhile, except to a file, which does not block.

    last_seconds: how long to wait at the end until all is written.
    """
    handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, _Handler)]
    for handler in handlers:
        handler.write_aside()
    try:
        yield
    finally:
        for handler in handlers:
            handler.write_directly(last_seconds)


def flush(seconds: float) -> None:
    """Wait up to `seconds` until everything that was logged is written."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _Handler):
            handler.flush_aside(seconds)


_MOST_WAITING_BYTES = 256 * 1024
"""Of lines that nothing has read: about two thousand. The oldest are dropped for new ones, and counted in a line."""


class _Handler(logging.StreamHandler[TextIO]):
    """Writes records. Of one that cannot be written only the template is shown, as its arguments may be secret."""

    _aside: BackgroundWriter | None = None

    def write_aside(self) -> None:
        """Have a thread write from now on, if the stream may block."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            descriptor = self.stream.fileno()
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                self._aside = BackgroundWriter(descriptor, _MOST_WAITING_BYTES, self._dropped_line)

    def write_directly(self, last_seconds: float) -> None:
        """Write as usual again, unless lines are still waiting after `last_seconds`: that would block."""
        if self._aside is not None and self._aside.flush(last_seconds):
            self._aside.close()
            self._aside = None

    def flush_aside(self, seconds: float) -> None:
        """Wait up to `seconds` until the thread has written everything."""
        if self._aside is not None:
            self._aside.flush(seconds)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or have it written."""
        if self._aside is None:
            super().emit(record)
            return
        try:
            self._write(self.format(record))
        except Exception:  # noqa: BLE001 - as every handler of the standard library
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base class's name
        with contextlib.suppress(OSError, ValueError):
            self._write(redact(f"cannot write a record logger={record.name} template={record.msg!r}"))

    def _write(self, line: str) -> None:
        if self._aside is None:
            self.stream.write(f"{line}\n")
        else:
            self._aside.offer(_encoded(line))

    def _dropped_line(self, count: int) -> bytes:
        text = "standard error was not read, so lines of the log were dropped lines=%d"
        record = logging.LogRecord("app", logging.WARNING, __file__, 0, text, (count,), None)
        self.filter(record)
        return _encoded(self.format(record))


def _encoded(line: str) -> bytes:
    return f"{line}\n".encode(errors="backslashreplace")


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
class _Suppressed:
    """The events of one kind that are not logged for a while."""

    until: float
    count: int = 0


class RateLimited:
    """Logs events of the same kind at most once in `seconds`; the next line has the number of those between.

    clock: seconds, monotonic.  Call `flush` regularly, so that the last ones are counted in a line too.
    """

    def __init__(self, logger: logging.Logger, seconds: float, clock: Callable[[], float]) -> None:
        self._logger, self._seconds, self._clock = logger, seconds, clock
        self._suppressed: dict[Hashable, _Suppressed] = {}

    def log(self, level: int, kind: Hashable, message: str, *args: object) -> None:
        """Log the event, or count it where its kind was logged less than `seconds` ago."""
        now = self._clock()
        known = self._suppressed.get(kind)
        if known is not None and now < known.until:
            known.count += 1
            return
        count = known.count if known else 0
        self._suppressed[kind] = _Suppressed(now + self._seconds)
        suffix = f" (suppressed={count} since the last line)" if count else ""
        self._logger.log(level, "%s%s", message % args if args else message, suffix)

    def flush(self) -> None:
        """Log how many events were suppressed, for each kind whose time is over."""
        now = self._clock()
        for kind, known in list(self._suppressed.items()):
            if now >= known.until:
                del self._suppressed[kind]
                if known.count:
                    self._logger.warning("similar events kind=%s suppressed=%d", kind, known.count)
