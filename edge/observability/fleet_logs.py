"""Log lines as JSON with the keys of the simulator of sensors whose calls HTTP_COMPAT=fleet answers."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Final

import orjson

from edge.redaction import clean, redact

_NOBODY: Final = {"trace_id": "unknown-trace", "span_id": "unknown-span", "user_id": "unknown-user"}
"""What these keys have outside a span; of users the simulator knows nothing."""


class FleetJsonFormatter(logging.Formatter):
    """One object a line, always with the same keys; `traceback` is there only with an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        known = vars(record)
        entry = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
            "service": record.name,
            **{key: known.get(key, unknown) for key, unknown in _NOBODY.items()},
            "logger_name": record.name,
            "module": record.module,
            "function": record.funcName,
            "line": record.lineno,
            "process": record.process,
            "thread": record.thread,
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(clean(entry), default=lambda value: redact(str(value))).decode()
