"""The pattern of the ids of a type's machines: over their number, or over their station.

A number distinguishes all machines. Stations are assigned in turn, so the second machine of a station has its round at
the end of the id: `press`, `press-2`, `press-3`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from string import Formatter
from typing import Final, NamedTuple

NUMBER, STATION = "number", "station"
_FORM: Final = re.compile(r"[^{}/+#]*(\{number(:0[1-9][0-9]?d)?\}|\{station\})[^{}/+#]*")
_DIGITS: Final = re.compile(r"[0-9]{1,99}")
"""A number in an id: as many digits as a pattern may ask for."""

_ANY_DIGIT: Final = "0123456789"
_FIRST_ROUND: Final = 2
"""The least number that stands at the end of an id."""


def checked(pattern: str) -> str:
    """Return a pattern; raise ValueError if it is none."""
    if not _FORM.fullmatch(pattern):
        raise ValueError(
            "must have {number}, or {number:02d} for two digits, or {station}, once; no other braces and no /, + or #"
        )
    return pattern


class Affixes(NamedTuple):
    """What all ids with some number have before it and after it."""

    head: str
    tail: str

    def may_share(self, other: Affixes) -> bool:
        """Return whether an id may have both, each with a number of its own."""
        long, short = (self, other) if len(self.head) >= len(other.head) else (other, self)
        if not long.head.startswith(short.head):
            return False
        more = long.head[len(short.head) :]
        digits = len(more) - len(more.lstrip(_ANY_DIGIT))
        if digits == len(more):
            return _is_more_digits(long.tail[::-1], short.tail[::-1])
        # The number of the shorter one ends within the longer head: its tail has the rest of that, and all after it.
        return any(Affixes(more[end:], long.tail).has(short.tail) for end in range(1, digits + 1))

    def has(self, machine_id: str) -> bool:
        """Return whether an id has a number between them."""
        digits = machine_id.removeprefix(self.head).removesuffix(self.tail)
        return len(digits) + len(self.head) + len(self.tail) == len(machine_id) and bool(_DIGITS.fullmatch(digits))


class IdPattern(NamedTuple):
    """A pattern of ids. text: over {number} or {station}.  first_number: that of the first machine.

    stations: assigned to the machines in turn.
    """

    text: str
    first_number: int = 1
    stations: tuple[str, ...] = ()

    @property
    def is_numbered(self) -> bool:
        """Whether each id has the number of its machine at a known place."""
        return f"{{{NUMBER}" in self.text

    @property
    def affixes(self) -> Affixes:
        """What is before and after the placeholder."""
        head, _, rest = self.text.partition("{")
        return Affixes(head, rest.partition("}")[2])

    @property
    def fixed_ids(self) -> Mapping[str, int]:
        """The ids of the first round, each with its number; none where they have numbers."""
        return {} if self.is_numbered else _fixed_ids(*self.affixes, self.stations)

    @property
    def numbered_ids(self) -> Iterator[Affixes]:
        """What ids with a number have around it."""
        if self.is_numbered:
            yield self.affixes
        yield from (Affixes(f"{machine_id}-", "") for machine_id in self.fixed_ids)

    def id_of(self, number: int) -> str:
        """Return the id of the type's n-th machine, counted from 1."""
        if self.is_numbered or not self.stations:
            return self.text.format(number=number - 1 + self.first_number, station="")
        before, place = divmod(number - 1, len(self.stations))
        machine_id = self.text.format(station=self.stations[place])
        return f"{machine_id}-{before + 1}" if before else machine_id

    def number_of(self, machine_id: str) -> int | None:
        """Return the number of the machine that has an id, whether there are so many or not; None if none can."""
        if self.is_numbered:
            head, tail = self.affixes
            digits = machine_id.removeprefix(head).removesuffix(tail)
            number = int(digits) - self.first_number + 1 if _DIGITS.fullmatch(digits) else 0
            return number if number > 0 and self.id_of(number) == machine_id else None
        fixed = self.fixed_ids
        if machine_id in fixed:
            return fixed[machine_id]
        head, _, digits = machine_id.rpartition("-")
        if head not in fixed or not _DIGITS.fullmatch(digits) or int(digits) < _FIRST_ROUND:
            return None
        number = (int(digits) - 1) * len(self.stations) + fixed[head]
        return number if self.id_of(number) == machine_id else None

    @property
    def parts(self) -> Iterator[tuple[str, str | None]]:
        """The literal texts of a numbered pattern, each with the form of the number after it, or None."""
        return ((head, (form or "") if name else None) for head, name, form, _ in Formatter().parse(self.text))


def may_share_an_id(one: IdPattern, other: IdPattern) -> bool:
    """Return whether two types may give two machines the same id."""
    if not set(one.fixed_ids).isdisjoint(other.fixed_ids):
        return True
    for its, theirs in ((one, other), (other, one)):
        numbered = [*theirs.numbered_ids]
        if theirs.is_numbered and any(each.has(machine_id) for machine_id in its.fixed_ids for each in numbered):
            return True
    if not one.is_numbered and not other.is_numbered:
        return any(_is_of_later_round(machine_id, other) for machine_id in one.fixed_ids) or any(
            _is_of_later_round(machine_id, one) for machine_id in other.fixed_ids
        )
    return any(its.may_share(theirs) for its in one.numbered_ids for theirs in other.numbered_ids)


def repeated_id(pattern: IdPattern) -> str | None:
    """Return the id of a station that is also that of a later machine of another one: `press-2` beside `press`."""
    return next((each for each in pattern.fixed_ids if _is_of_later_round(each, pattern)), None)


def _is_of_later_round(machine_id: str, pattern: IdPattern) -> bool:
    head, _, digits = machine_id.rpartition("-")
    return bool(_DIGITS.fullmatch(digits)) and head in pattern.fixed_ids


@lru_cache(maxsize=256)
def _fixed_ids(head: str, tail: str, stations: tuple[str, ...]) -> Mapping[str, int]:
    return {f"{head}{station}{tail}": number for number, station in enumerate(stations, 1)}


def _is_more_digits(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return long.startswith(short) and not long[len(short) :].strip(_ANY_DIGIT)
