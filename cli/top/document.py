"""A JSON document from the simulator, read as what each part should be: whatever else is there counts as unknown."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Final

from cli.top.words import UNKNOWN
from edge.redaction import printable

_LONGEST: Final = 400
"""Characters of a text that are kept: more than any line of a terminal shows."""

_DEEPEST: Final = 3
"""Levels of objects within objects that are written out."""


def clean(text: str) -> str:
    """Return a text from outside for a terminal: in one line, without control characters, and not endless."""
    return printable(text, _LONGEST)


class Node:
    """A part of a document. value: as it was in the JSON; None also where there is nothing."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def at(self, *path: str) -> Node:
        """Return what is below these keys."""
        value = self.value
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return Node(value)

    @property
    def is_there(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    @property
    def text(self) -> str:
        """The text, clean; empty where it is none."""
        return clean(self.value) if isinstance(self.value, str) else ""

    @property
    def number(self) -> float | None:
        """The number, if it is one, and finite."""
        value = self.value
        return value if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) else None

    @property
    def count(self) -> int:
        """The whole number; 0 where it is none."""
        return int(self.number or 0)

    @property
    def is_true(self) -> bool:
        """Whether it is `true`."""
        return self.value is True

    def entries(self) -> list[tuple[str, Node]]:
        """Return the keys of an object as they are, and what is below each; nothing where it is no object."""
        found = self.value if isinstance(self.value, Mapping) else {}
        return [(str(key), Node(value)) for key, value in found.items()]

    def items(self) -> list[Node]:
        """Return the parts of a list; nothing where it is none."""
        return [*map(Node, self.value)] if isinstance(self.value, list) else []

    def __str__(self) -> str:
        """Return a value in few words, clean."""
        return _words(self.value, _DEEPEST)


def _words(value: object, levels: int) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping | list) and not levels:
        return "…"
    if isinstance(value, Mapping):
        return " ".join(f"{clean(str(key))}={_words(each, levels - 1)}" for key, each in value.items())
    if isinstance(value, list):
        return ",".join(_words(each, levels - 1) for each in value)
    return UNKNOWN if value is None else clean(str(value))
