"""Answers of the control API as lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

_LISTS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "machines": (
        "machines",
        {"MACHINE": "machine_id", "TYPE": "machine_type", "STATE": "state", "SINCE": "since", "JOB": "job",
         "FAULTS": "faults", "ALARMS": "alarms"},
    ),
    "types": (
        "machine_types",
        {"TYPE": "machine_type", "MACHINES": "count", "ENABLED": "enabled", "STATES": "states",
         "FAULTS": "faults", "SET POINTS": "set_points"},
    ),
    "journal": (
        "entries",
        {"NUMBER": "number", "TIME": "time", "BY": "by", "COMMAND": "command", "OUTCOME": "outcome"},
    ),
}  # fmt: skip
"""Action -> the key of its list, and its columns."""

_MOST_IN_A_LINE: Final = 12
"""Values of an object that are shown in one line."""


def shown_answer(action: str, document: object) -> list[str]:
    """Return the lines of an answer."""
    if not isinstance(document, Mapping):
        return [str(document)]
    if action in _LISTS:
        key, columns = _LISTS[action]
        entries = document.get(key, [])
        rows = [[_cell(entry, name) for name in columns.values()] for entry in entries]
        more = ["... and more: with --limit N, N of them are listed"] if document.get("next") else []
        return [*table([*columns], rows), *more] if rows else ["none"]
    if {"at", "answer"} <= document.keys():
        return [f"{document['at']}  {pairs(document['answer'])}"]
    return [*tree(document)]


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows below their titles, in columns."""
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (titles, *rows))
    return [line.rstrip() for line in lines]


def pairs(values: object) -> str:
    """Return an object as `key=value`, as log lines have it."""
    if not isinstance(values, Mapping):
        return str(values)
    return " ".join(f"{key}={short(value)}" for key, value in values.items())


def short(value: object) -> str:
    """Return a value in few characters."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ",".join(f"{key}:{short(each)}" for key, each in value.items()) or "none"
    if isinstance(value, list):
        return ",".join(map(_name, value)) or "none"
    return "-" if value is None else str(value)


def tree(values: Mapping[str, object]) -> Iterator[str]:
    """Yield the lines of an object: short values in two columns, then what has parts of its own, each below its key."""
    parts = {key: value for key, value in values.items() if _has_parts(value)}
    yield from _columns({key: value for key, value in values.items() if key not in parts})
    for key, value in parts.items():
        yield f"{key}:"
        yield from (f"  {line}" for line in _part(value))


def _columns(values: Mapping[str, object]) -> Iterator[str]:
    width = max(map(len, values), default=0)
    for key, value in values.items():
        yield f"{key.ljust(width)}  {_line(value)}"


def _part(value: object) -> Iterable[str]:
    """Yield the lines of a value that has parts: a table where they are alike."""
    rows = _rows(value)
    if not rows:
        return _columns(value) if isinstance(value, Mapping) else [short(value)]
    names = [*dict.fromkeys(name for row in rows for name in row)]
    told = [name for name in names if any(row.get(name) not in (None, [], {}) for row in rows)]
    return table([name.upper() for name in told], [[short(row.get(name)) for name in told] for row in rows])


def _rows(value: object) -> list[Mapping[str, object]]:
    """Return the objects in a value, if it has nothing else, each with its key where it has one."""
    if isinstance(value, list):
        return [each for each in value if isinstance(each, Mapping)]
    if isinstance(value, Mapping) and all(isinstance(each, Mapping) for each in value.values()):
        return [{"name": key, **each} for key, each in value.items()]
    return []


def _line(value: object) -> str:
    return pairs(value) or "none" if isinstance(value, Mapping) else short(value)


def _has_parts(value: object) -> bool:
    """Return whether a value needs lines of its own."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(each, Mapping) for each in value)
    nested = isinstance(value, Mapping) and any(isinstance(each, Mapping | list) for each in value.values())
    return nested or (isinstance(value, Mapping) and len(value) > _MOST_IN_A_LINE)


def _cell(entry: Mapping[str, object], name: str) -> str:
    value = entry.get(name)
    if name == "command" and isinstance(value, Mapping):
        return pairs({key: each for key, each in value.items() if key != "content"})
    if name == "job" and isinstance(value, Mapping):
        return " ".join(filter(None, (short(value.get("kind")), _percent(value.get("progress")))))
    if name == "outcome":
        return _first_line(str(entry["error"])) if "error" in entry else f"done at {entry.get('at')}"
    return short(value) if value not in (None, [], {}) else "-"


def _first_line(error: str) -> str:
    """Return what fits into a row of an error that may have a line for each mistake in a YAML."""
    first, *others = error.splitlines() or [""]
    return f"{first} (and {len(others)} more: --json has all)" if others else first


def _percent(share: object) -> str:
    return f"{share:.0%}" if isinstance(share, int | float) else ""


def _name(value: object) -> str:
    """Return what a list shows of an entry: its name, where it has one."""
    if isinstance(value, Mapping):
        return str(value.get("name") or value.get("fault") or value.get("alarm") or pairs(value))
    return str(value)
