"""Values that YAML 1.1 reads differently from how they look: 010 as 8, 1:30 as 90, no as false.

PyYAML reads YAML 1.1 (https://yaml.org/type/); YAML 1.2 has removed all of these rules, and authors expect what they
typed. A number is accepted only if both versions read it alike. `no` is reported where a text is expected.
"""

from __future__ import annotations

import re
from typing import Final

from plant.definition.document.errors import quote

_PLAIN: Final = re.compile(r"[-+]?(0|[1-9][0-9]*|[0-9]+\.[0-9]*([eE][-+]?[0-9]+)?|\.[0-9]+([eE][-+]?[0-9]+)?)")
_OCTAL: Final = re.compile(r"[-+]?0[0-7_]+")
_NO_NUMBER: Final = re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE)


def misread_number(text: str, value: object) -> str | None:
    """Return the broken rule, and what to write, if YAML reads a bare number as another one; otherwise None.

    text: as typed.  value: as read by YAML.
    """
    if not isinstance(value, int | float) or _PLAIN.fullmatch(text) or _NO_NUMBER.fullmatch(text):
        return None
    intended = _intended_number(text, value)
    return f"is read by YAML as the number {value}: write {intended}, or {quote(text)} for a name or a time"


def misread_null(text: str) -> str:
    """Return the broken rule, and what to write, for a bare word that YAML reads as null."""
    return f"is read by YAML as null: write {quote(text)} for a name, or leave it out"


def flag_hint(text: str, value: object) -> str:
    """Return a hint on a word that YAML has read as a flag where a text is expected: what was typed, what to write."""
    return f" (YAML reads a bare {text} as {str(value).lower()}: write {quote(text)})"


def _intended_number(text: str, value: float) -> str:
    """Return the number that was probably meant: 010 without its zeros, any other as read by YAML."""
    if not _OCTAL.fullmatch(text):
        return str(value)
    digits = text.lstrip("+-").replace("_", "").lstrip("0")
    return f"{'-' * text.startswith('-')}{digits or '0'}"
