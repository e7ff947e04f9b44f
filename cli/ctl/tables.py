"""Answers of the control API as lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


def shown_answer(action: str, document: object) -> list[str]:
    """Return the lines of an answer."""
    if not isinstance(document, Mapping):
        return [str(document)]
    if action in _LISTS:
        key, columns = _LISTS[action]
        entries = document.get(key, [])
        rows = [[_cell(entry, name) for name in columns.values()] for entry in entries]
        more = ["... and more: --limit N lists them" if action == "journal" else "... and more"]
        return [*table([*columns], rows), *(more if document.get("next") else [])]
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


def tree(values: Mapping[str, object], indent: str = "") -> Iterable[str]:
    """Yield the lines of an object, what is inside another one further in."""
    width = max((len(key) for key, value in values.items() if not _is_nested(value)), default=0)
    for key, value in values.items():
        if isinstance(value, Mapping) and _is_nested(value):
            yield f"{indent}{key}:"
            yield from tree(value, indent + "  ")
        else:
            yield f"{indent}{key.ljust(width)}  {_line(value)}"


def _line(value: object) -> str:
    return pairs(value) or "none" if isinstance(value, Mapping) else short(value)


def _is_nested(value: object) -> bool:
    return isinstance(value, Mapping) and any(isinstance(each, Mapping | list) for each in value.values())


def _cell(entry: Mapping[str, object], name: str) -> str:
    value = entry.get(name)
    if name == "command" and isinstance(value, Mapping):
        return pairs({key: each for key, each in value.items() if key != "content"})
    if name == "job" and isinstance(value, Mapping):
        return " ".join(filter(None, (short(value.get("kind")), _percent(value.get("progress")))))
    if name == "outcome":
        return str(entry["error"]) if "error" in entry else f"done at {entry.get('at')}"
    return short(value) if value not in (None, [], {}) else "-"


def _percent(share: object) -> str:
    return f"{share:.0%}" if isinstance(share, int | float) else ""


def _name(value: object) -> str:
    """Return what a list shows of an entry: its name, where it has one."""
    if isinstance(value, Mapping):
        return str(value.get("name") or value.get("fault") or value.get("alarm") or pairs(value))
    return str(value)
