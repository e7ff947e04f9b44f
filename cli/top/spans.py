"""Lines for a terminal: pieces of text, each with the role that gives it its colour."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

Role = Literal["plain", "title", "label", "good", "warn", "bad", "muted", "accent"]

_ANSI: Final[dict[Role, str]] = {
    "plain": "",
    "title": "1",
    "label": "1",
    "good": "32",
    "warn": "33",
    "bad": "1;31",
    "muted": "2",
    "accent": "36",
}
"""Role -> parameters of SGR (ECMA-48, 8.3.117): the terminal's own colours, so that they suit its background."""


class Span(NamedTuple):
    """A piece of a line; the text has no control characters."""

    text: str
    role: Role = "plain"


Line = tuple[Span, ...]


def line(*pieces: Span | str) -> Line:
    """Return a line of pieces; a text has no role."""
    return tuple(each if isinstance(each, Span) else Span(each) for each in pieces)


def width(text: str) -> int:
    """Return the columns that a text takes: wide characters have two, marks upon others none."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """Return a text that takes at most so many columns, with an ellipsis where some of it is left out."""
    if width(text) <= columns:
        return text
    kept, used = "", 1
    for character in text:
        used += _columns(character)
        if used > columns:
            break
        kept += character
    return f"{kept}…" if columns > 0 else ""


def cell(text: str, columns: int, *, right: bool = False) -> str:
    """Return a text that takes exactly so many columns."""
    shown = cut(text, columns)
    space = " " * (columns - width(shown))
    return space + shown if right else shown + space


def fitted(pieces: Iterable[Span], columns: int) -> Line:
    """Return a line that takes at most so many columns."""
    fits: list[Span] = []
    left = columns
    for text, role in pieces:
        shown = cut(text, left)
        if shown:
            fits.append(Span(shown, role))
        left -= width(shown)
        if shown != text:
            break
    return tuple(fits)


def plain(pieces: Sequence[Span]) -> str:
    """Return the text of a line."""
    return "".join(text for text, _ in pieces).rstrip()


def coloured(pieces: Sequence[Span]) -> str:
    """Return the text of a line with the control sequences of its colours."""
    return "".join(f"\x1b[{_ANSI[role]}m{text}\x1b[0m" if _ANSI[role] else text for text, role in pieces).rstrip()
