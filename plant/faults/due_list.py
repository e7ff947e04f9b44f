"""What is to happen to a machine at certain times, in order."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from typing import NamedTuple


class Due(NamedTuple):
    """Something that is to happen. at: a time, or an amount of producing.  order: of what is due at the same time.

    act: which of the things that can happen.  cause: the name of the fault or wear.  number: which of several.
    """

    at: float
    order: int
    act: str
    cause: str
    number: int = 0


class DueList:
    """Due things in their order; there are few at a time."""

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due: list[Due] = []

    def __bool__(self) -> bool:
        return bool(self._due)

    @property
    def first(self) -> Due:
        """The one that is due next; there is one."""
        return self._due[0]

    def copy(self) -> DueList:
        """Return another list of the same."""
        other = DueList()
        other._due = self._due.copy()
        return other

    def add(self, due: Due) -> None:
        """Add one."""
        insort(self._due, due)

    def pop(self) -> Due:
        """Remove and return the one that is due next."""
        return self._due.pop(0)

    def remove(self, is_unwanted: Callable[[Due], bool]) -> None:
        """Remove those that will not happen."""
        self._due = [each for each in self._due if not is_unwanted(each)]
