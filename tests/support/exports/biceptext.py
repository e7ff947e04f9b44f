"""A reader of the part of Bicep that is exported: literals, and the names of what is declared."""

from __future__ import annotations

import re
from typing import Any

_TOKEN = re.compile(r"'((?:[^'\\\n]|\\.)*)'|([{}\[\]:])|([A-Za-z_]\w*)|(-?\d+)|([ \n]+)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "'": "'", "\\": "\\", "$": "$"}
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}


def declared(text: str) -> set[str]:
    """The parameters, variables and resources of a file."""
    return set(re.findall(r"^(?:param|var|resource) (\w+)", text, re.MULTILINE))


def value_of(text: str, variable: str) -> Any:
    """The literal that a variable is set to; ValueError where it is none."""
    start = re.search(rf"^var {variable} = ", text, re.MULTILINE)
    assert start is not None
    return _Reader(text, start.end()).value()


class _Reader:
    """Bicep's own rules: no commas, a line for each entry, `'` around text, `${` only escaped."""

    def __init__(self, text: str, position: int) -> None:
        self.text, self.position = text, position

    def value(self) -> Any:
        """The value that begins here."""
        match = self._next()
        if match[2] == "{":
            return self._object()
        if match[2] == "[":
            return self._array()
        return _scalar(match)

    def _next(self) -> re.Match[str]:
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            raise ValueError(f"no Bicep: {self.text[self.position : self.position + 40]!r}")
        self.position = match.end()
        return self._next() if match[5] else match

    def _peek(self) -> str:
        before = self.position
        match = self._next()
        self.position = before
        return match[0]

    def _object(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._peek() != "}":
            key = self._next()
            assert self._next()[2] == ":"
            found[_scalar(key) if key[1] is not None else key[3]] = self.value()
        self._next()
        return found

    def _array(self) -> list[Any]:
        found = []
        while self._peek() != "]":
            found.append(self.value())
        self._next()
        return found


def _scalar(match: re.Match[str]) -> Any:
    if match[1] is not None:
        if re.search(r"(?<!\\)\$\{", match[1]):
            raise ValueError(f"an expression in text: {match[1]!r}")
        return re.sub(r"\\(.)", lambda escape: _ESCAPES[escape[1]], match[1])
    return _WORDS[match[3]] if match[3] else int(match[4])
