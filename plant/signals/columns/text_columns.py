"""The JSON of a signal in many rows, from tables of texts: no number is formatted for its row.

The text before a signal, such as `,"temperature":`, is part of the tables.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from plant.signals.columns.column_arithmetic import Integers
from plant.signals.laws.json_text import JsonText, json_text
from plant.signals.laws.signal_laws import Choice, Law, Measured, NumberedText, TextByCondition

MOST_TEXTS: Final = 1 << 14
"""The most texts of a table, about a megabyte."""

FINEST_TABLE: Final = 10_000
"""The finest last decimal, 1 / 10,000, that has a table of its own: 0.00001 is 1e-05 in JSON."""

Texts = npt.NDArray[np.object_]


class TextColumns(Protocol):
    """Writes a signal."""

    def of(self, digits: Integers) -> list[list[bytes]]:
        """Return one or two lists of texts; the texts of a row, one after the other, are the JSON of the signal."""


def text_columns(law: Law, head: bytes) -> TextColumns:
    """Return what writes a signal. head: the text before it."""
    text = json_text(law)
    if isinstance(law, Choice | TextByCondition):
        return _Table(text, head, 0, len(law.texts) - 1)
    if isinstance(law, NumberedText):
        return _EachByItself(text, head)
    missing = law.missing if isinstance(law, Measured) else None
    if isinstance(law, Measured) and law.high - law.low < MOST_TEXTS:
        return _Table(text, head, law.low if missing is None else missing, law.high)
    if missing is not None:
        return _EachByItself(text, head)
    if law.unit <= FINEST_TABLE:
        return _WholeAndFraction(head, law.unit)
    return _EachByItself(text, head)


class _Table:
    """All values of a signal."""

    __slots__ = ("_low", "_texts")

    def __init__(self, text: JsonText, head: bytes, low: int, high: int) -> None:
        self._low, self._texts = low, _table([head + text(digits) for digits in range(low, high + 1)])

    def of(self, digits: Integers) -> list[list[bytes]]:
        return [self._texts.take(digits - self._low).tolist()]


class _WholeAndFraction:
    """Whole numbers with the sign, and the decimals after them, each from a table. unit: 1 / unit is the last one."""

    __slots__ = ("_fractions", "_head", "_negative", "_positive", "_unit")

    def __init__(self, head: bytes, unit: int) -> None:
        self._head, self._unit = head, unit
        self._positive, self._negative = _table([head + b"0"]), _table([head + b"-0"])
        places = len(str(unit)) - 1
        self._fractions = _table([b".%b" % (b"%0*d" % (places, part)).rstrip(b"0") for part in range(unit)])
        self._fractions[0] = b".0" if places else b""

    def of(self, digits: Integers) -> list[list[bytes]]:
        whole, fraction = np.divmod(np.abs(digits), self._unit)
        wholes = self._wholes(whole, digits < 0)
        return [wholes, self._fractions.take(fraction).tolist()] if self._unit > 1 else [wholes]

    def _wholes(self, whole: Integers, is_negative: npt.NDArray[np.bool]) -> list[bytes]:
        greatest = int(whole.max(initial=0))
        if greatest >= MOST_TEXTS:
            signs = np.where(is_negative, b"-", b"").tolist()
            return [b"%b%b%d" % (self._head, sign, each) for sign, each in zip(signs, whole.tolist(), strict=True)]
        if greatest >= len(self._positive):
            self._positive, self._negative = (self._grown(sign, greatest) for sign in (b"", b"-"))
        texts = self._positive.take(whole)
        if is_negative.any():
            texts[is_negative] = self._negative.take(whole[is_negative])
        found: list[bytes] = texts.tolist()
        return found

    def _grown(self, sign: bytes, greatest: int) -> Texts:
        size = min(MOST_TEXTS, 2 << greatest.bit_length())
        return _table([b"%b%b%d" % (self._head, sign, each) for each in range(size)])


class _EachByItself:
    """Numbers of which there are too many for tables."""

    __slots__ = ("_head", "_text")

    def __init__(self, text: JsonText, head: bytes) -> None:
        self._text, self._head = text, head

    def of(self, digits: Integers) -> list[list[bytes]]:
        head, text = self._head, self._text
        return [[head + text(each) for each in digits.tolist()]]


def _table(texts: list[bytes]) -> Texts:
    table = np.empty(len(texts), dtype=np.object_)
    table[:] = texts
    return table
