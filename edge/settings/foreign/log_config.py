"""A logging configuration in TOML, as Python's dictConfig has it, and what of it is honoured here.

Lines go to standard error, redacted, whatever it says: no file that it names is opened.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from edge.blocking import read_small
from edge.redaction import printable
from edge.settings.types import LogFormat, LogLevel

_MOST_BYTES: Final = 65_536
_LEVELS: Final = {
    "NOTSET": LogLevel.DEBUG,
    "DEBUG": LogLevel.DEBUG,
    "INFO": LogLevel.INFO,
    "WARN": LogLevel.WARNING,
    "WARNING": LogLevel.WARNING,
    "ERROR": LogLevel.ERROR,
    "FATAL": LogLevel.ERROR,
    "CRITICAL": LogLevel.ERROR,
}


class LogConfig(NamedTuple):
    """What is honoured, as our variables, and lines for the log about the rest."""

    environ: Mapping[str, str]
    notes: tuple[str, ...]


def read_log_config(path: Path) -> LogConfig:
    """Return what a file says; ValueError with what is wrong with it."""
    try:
        data = tomllib.loads(read_small(path, _MOST_BYTES).decode())
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"is not valid TOML: {error}") from None
    root = _table(data, "root")
    level = str(root.get("level", "INFO")).upper()
    if level not in _LEVELS:
        raise ValueError(f"root.level: must be one of {', '.join(_LEVELS)}, not {level[:40]!r}")
    handlers = _table(data, "handlers")
    form = LogFormat.JSON if _is_json(data, handlers, root) else LogFormat.TEXT
    return LogConfig({"LOG_LEVEL": _LEVELS[level], "LOG_FORMAT": form}, (*_notes(data, handlers),))


def _table(data: Mapping[str, Any], name: str, within: str = "") -> Mapping[str, Any]:
    found = data.get(name, {})
    if not isinstance(found, dict):
        raise ValueError(f"{within}{printable(name)}: must be a table")  # noqa: TRY004 - of a file
    return found


def _handler(handlers: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _table(handlers, name, "handlers.")


def _is_json(data: Mapping[str, Any], handlers: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    """Return whether a handler of the root has a formatter whose name or class says JSON."""
    formatters = _table(data, "formatters")
    named = root.get("handlers", [*handlers])
    if not isinstance(named, list):
        raise ValueError("root.handlers: must be a list")  # noqa: TRY004 - of a file
    used = [_handler(handlers, name).get("formatter") for name in named if isinstance(name, str)]
    return any("json" in f"{name} {formatters.get(name, '')}".lower() for name in used if isinstance(name, str))


def _notes(data: Mapping[str, Any], handlers: Mapping[str, Any]) -> Iterator[str]:
    yield "log configuration: its level and its form (JSON or text) are in force, lines go to standard error"
    for name in handlers:
        file = _handler(handlers, name).get("filename")
        if file is not None:
            what, file = f"handlers.{printable(name)}", printable(str(file))
            yield f"log configuration: {what} is not opened; redirect standard error instead filename={file}"
    if loggers := ",".join(_table(data, "loggers")):
        yield f"log configuration: levels of single loggers are not in force loggers={printable(loggers)}"
