"""What YAML 1.1 reads otherwise than it was typed: 010 is 8 to it, 1:30 is 90, no is false.

PyYAML reads YAML 1.1 (https://yaml.org/type/), of which YAML 1.2 has dropped all this; an author who knows neither
means what stands there. A number is taken only if everybody reads it alike. `no` is told of where a text was wanted.
"""

from __future__ import annotations

import re
from typing import Final

from plant.definition.errors import cut

_PLAIN: Final = re.compile(r"[-+]?(0|[1-9][0-9]*|[0-9]+\.[0-9]*([eE][-+]?[0-9]+)?|\.[0-9]+([eE][-+]?[0-9]+)?)")
_OCTAL: Final = re.compile(r"[-+]?0[0-7_]+")
_NO_NUMBER: Final = re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE)


def misread(text: str, value: object) -> str | None:
    """The rule that a bare number breaks, with what to write, if YAML reads it as another one than it looks like.

    text: as typed.  value: what YAML makes of it.
    """
    if not isinstance(value, int | float) or _PLAIN.fullmatch(text) or _NO_NUMBER.fullmatch(text):
        return None
    return f"is read by YAML as the number {value}: write {_meant(text, value)}, or {cut(text)} for a name or a time"


def misread_nothing(text: str) -> str:
    """The same of a bare word for nothing."""
    return f"is read by YAML as nothing: write {cut(text)} for a name, or leave it out"


def typed(text: str, value: object) -> str:
    """The end of a sentence on a flag where a text was wanted: what was typed, and what to write."""
    return f" (YAML reads a bare {text} as {str(value).lower()}: write {cut(text)})"


def _meant(text: str, value: float) -> str:
    """The number as everybody reads it: 010 without its noughts, all else as what YAML makes of it."""
    if not _OCTAL.fullmatch(text):
        return str(value)
    digits = text.lstrip("+-").replace("_", "").lstrip("0")
    return f"{'-' * text.startswith('-')}{digits or '0'}"
