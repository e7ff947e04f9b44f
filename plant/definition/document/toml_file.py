"""Reads TOML as the same kind of document as YAML: the content of a file, with the line of each place.

The library reads TOML, but tells no lines, so a scan of headers and keys finds them. It comes first, as it also sees
what is nested too deeply or has too many values, which would cost much.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Final

from plant.definition.document.errors import Place
from plant.definition.document.yaml_file import MAX_DEPTH, MAX_NUMBER_LENGTH, MAX_VALUES, Document, UnreadableError

_STRING: Final = (
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})', r"'''.*?'''(?:'{0,2})", r'"(?:\\.|[^"\\\n])*"', r"'[^'\n]*'",
)  # fmt: skip
_KEY: Final = r'(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|' + r"'[^'\n]*')"
_KEYS: Final = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_FIRST: Final = re.compile(
    rf"(?:[ \t\r]*(?:#[^\n]*)?\n)*[ \t]*(?:\[\[?[ \t]*{_KEYS}[ \t]*\]\]?[ \t\r]*(?:#[^\n]*)?(?:\n|\Z)|{_KEYS}[ \t]*=)"
)
_YAML_KEY: Final = re.compile(r"(?:[ \t\r]*(?:#[^\n]*)?\n)*[ \t]*(?:---|[^\s#=\[]+[ \t]*:(?:\s|\Z))")
_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_ONE_KEY: Final = re.compile(_KEY)
_TEXT: Final = re.compile("|".join(_STRING), re.DOTALL)
_BARE: Final = re.compile(r"[^,\]}#\n]+")
_WHERE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def is_toml(text: str, name: str) -> bool:
    """Return whether a text is TOML: by its first line, or by the name of its file where that line may be either.

    A plant's YAML begins with `key:`, TOML with `[section]` or `key =`.
    """
    return bool(_FIRST.match(text)) or (name.endswith(".toml") and not _YAML_KEY.match(text))


def parse(text: str) -> Document:
    """Return the document in a text; UnreadableError with the first error."""
    text = text.replace("\r\n", "\n")
    lines = _Scan(text).lines()
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(*_syntax_error(str(error), text, lines)) from error
    if not data:
        raise UnreadableError(1, (), "is empty")
    return Document(data, lines, [], {}, is_yaml=False)


def _syntax_error(said: str, text: str, lines: Mapping[Place, int]) -> tuple[int, Place, str]:
    """Return line, place and rule of what the library says. The place is the last one that begins up to the line."""
    found = _WHERE.search(said)
    line = int(found[1]) if found and found[1] else text.rstrip().count("\n") + 1
    nearest = max(each for each in lines.values() if each <= line)
    place = [each for each in lines if lines[each] == nearest][-1]
    return line, place, f"is not valid TOML: {_WHERE.sub('', said)[:200]}"


class _Stop(Exception):
    """The text is no TOML from here on, which the library puts into words."""


class _Scan:
    """Finds the line of each place."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._breaks = [found.start() for found in re.finditer("\n", text)]
        self._lines: dict[Place, int] = {(): 1}
        self._last_of: dict[Place, int] = {}

    def lines(self) -> dict[Place, int]:
        """Return the lines; UnreadableError where it is too deep or too long."""
        table: Place = ()
        try:
            while self._peek():
                if self._text.startswith("[", self._at):
                    table = self._header()
                else:
                    self._pair(table)
        except _Stop:
            pass
        return self._lines

    def _peek(self) -> str:
        """Return the next character that means something, and go there; "" at the end."""
        self._match(_BLANK)
        return self._text[self._at : self._at + 1]

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise _Stop
        self._at = found.end()
        return found[0]

    def _expect(self, text: str) -> None:
        if not self._text.startswith(text, self._at):
            raise _Stop
        self._at += len(text)

    def _header(self) -> Place:
        is_list = self._text.startswith("[[", self._at)
        self._at += 1 + is_list
        *above, last = self._keys()
        place: Place = ()
        for key in above:
            place = self._current((*place, key))
        place = (*place, last)
        self._begin(place)
        if is_list:
            self._last_of[place] = self._last_of.get(place, -1) + 1
            self._begin(self._current(place))
        self._expect("]]" if is_list else "]")
        return self._current(place)

    def _current(self, place: Place) -> Place:
        """Return a place that a header names; of a list of tables its last one."""
        self._begin(place)
        return (*place, self._last_of[place]) if place in self._last_of else place

    def _pair(self, table: Place) -> None:
        place = table
        for key in self._keys():
            place = (*place, key)
            self._begin(place)
        self._expect("=")
        self._value(place)

    def _keys(self) -> Iterator[str]:
        """Yield the parts of a key, up to what follows it."""
        for _ in range(MAX_DEPTH + 2):
            self._match(_SPACE)
            yield _plain(self._match(_ONE_KEY))
            self._match(_SPACE)
            if not self._text.startswith(".", self._at):
                return
            self._at += 1
        raise self._too_deep()

    def _value(self, place: Place) -> None:
        self._match(_SPACE)
        first = self._text[self._at : self._at + 1]
        if not first:
            raise _Stop
        self._begin(place)
        if first == "[":
            self._list(place)
        elif first == "{":
            self._table(place)
        elif first in ("'", '"'):
            self._match(_TEXT)
        elif len(number := self._match(_BARE).rstrip()) > MAX_NUMBER_LENGTH:
            rule = f"must not be a number of {len(number):,} characters"
            raise UnreadableError(self._line(), place, rule)

    def _list(self, place: Place) -> None:
        self._at += 1
        number = 0
        while self._peek() != "]":
            self._value((*place, number))
            number += 1
            if self._peek() == ",":
                self._at += 1
        self._at += 1

    def _table(self, place: Place) -> None:
        self._at += 1
        while self._peek() != "}":
            self._pair(place)
            if self._peek() == ",":
                self._at += 1
        self._at += 1

    def _begin(self, place: Place) -> None:
        """Note the line of a place, where it is new."""
        if len(place) > MAX_DEPTH:
            raise self._too_deep()
        self._lines.setdefault(place, self._line())
        if len(self._lines) > MAX_VALUES:
            raise UnreadableError(self._line(), place, f"must have at most {MAX_VALUES:,} values")

    def _too_deep(self) -> UnreadableError:
        return UnreadableError(self._line(), (), f"must not be nested deeper than {MAX_DEPTH} levels")

    def _line(self) -> int:
        return bisect_left(self._breaks, self._at) + 1


def _plain(key: str) -> str:
    """Return a key without its quotes."""
    if key[0] == '"' and "\\" in key:
        try:
            ((found, _),) = tomllib.loads(f"{key} = 0").items()
        except ValueError:
            raise _Stop from None
        return found
    return key[1:-1] if key[0] in "\"'" else key
