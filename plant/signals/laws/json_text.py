"""The JSON text of a signal, from the whole number of its last decimal."""

from __future__ import annotations

import json
from collections.abc import Callable

from plant.signals.laws.signal_laws import Choice, Law, Measured, NumberedText, TextByCondition

JsonText = Callable[[int], bytes]
"""Returns the JSON text of a whole number of last decimals."""


def json_text(law: Law) -> JsonText:
    """Return what makes the JSON of a signal."""
    if isinstance(law, Choice | TextByCondition):
        return [json.dumps(text).encode() for text in law.texts].__getitem__
    if isinstance(law, NumberedText):
        return _numbered(law)
    number = number_text(law.unit)
    missing = law.missing if isinstance(law, Measured) else None
    return number if missing is None else lambda digits: b"null" if digits == missing else number(digits)


def _numbered(law: NumberedText) -> JsonText:
    """Return what makes a text with a number; null where that is null."""
    head, tail, number = json.dumps(law.head).encode()[:-1], json.dumps(law.tail).encode()[1:], json_text(law.law)
    missing = law.law.missing if isinstance(law.law, Measured) else None
    return lambda digits: b"null" if digits == missing else b"%b%b%b" % (head, number(digits), tail)


def number_text(unit: int) -> JsonText:
    """Return what makes the JSON of a number with 1 / unit as its last decimal: as json.dumps of the rounded number.

    The division gives the number that is nearest, of which json.dumps writes the shortest text that is nearest to it;
    with 15 digits that is the decimal number itself.
    """
    if unit == 1:
        return lambda digits: b"%d" % digits
    return lambda digits: float.__repr__(digits / unit).encode()
