"""How to read the messages of a machine type over time: a reload may give them other keys, classes and results."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Final, NamedTuple, Self

from cli.verify.forms.message_keys import ClassInfo, TypeInfo

_until: Final = attrgetter("until_ms")


class Edition(NamedTuple):
    """What is known of a machine type after one moment and up to another, in milliseconds since 1970."""

    since_ms: float
    until_ms: float
    info: TypeInfo


class TypeHistory:
    """The editions of a machine type, or of the types that a machine has had, added in order of time."""

    __slots__ = ("_editions",)

    def __init__(self, editions: Iterable[Edition] = ()) -> None:
        self._editions = [*editions]

    @classmethod
    def unchanged(cls, info: TypeInfo) -> Self:
        """Return that of a type which is always the same."""
        return cls([Edition(-math.inf, math.inf, info)])

    def add(self, since_ms: float, info: TypeInfo) -> None:
        """Add what is known from a moment on; what is known at first is also assumed of the time before."""
        if not self._editions:
            self._editions.append(Edition(-math.inf, math.inf, info))
        elif info != self.last:
            self._editions[-1] = self._editions[-1]._replace(until_ms=since_ms)
            self._editions.append(Edition(since_ms, math.inf, info))

    @property
    def editions(self) -> Sequence[Edition]:
        """All of them in order of time; none has the same as the one before."""
        return self._editions

    @property
    def last(self) -> TypeInfo:
        """The latest."""
        return self._editions[-1].info

    def at(self, time_ms: float) -> TypeInfo:
        """Return what holds at a moment."""
        if len(self._editions) == 1:
            return self._editions[0].info
        index = bisect_left(self._editions, time_ms, key=_until)
        return self._editions[min(index, len(self._editions) - 1)].info

    def between(self, since_ms: float, until_ms: float) -> Iterator[Edition]:
        """Yield the editions of a span, cut to it."""
        for each in self._editions:
            begins_ms, ends_ms = max(since_ms, each.since_ms), min(until_ms, each.until_ms)
            if begins_ms < ends_ms:
                yield Edition(begins_ms, ends_ms, each.info)

    def in_classes(self) -> Self:
        """Return the same with classes of messages in each edition, if one has any or they differ in their keys."""
        infos = [each.info for each in self._editions]
        if not any(each.classes for each in infos) and len({(each.keys, each.energy) for each in infos}) == 1:
            return self
        return type(self)(each._replace(info=each.info.in_classes()) for each in self._editions)


class Form(NamedTuple):
    """A class of messages of a machine type, and the time in which its messages are so."""

    kind: str
    info: ClassInfo
    since_ms: float
    until_ms: float

    @property
    def is_lasting(self) -> bool:
        """Whether its messages are so all the time."""
        return math.isinf(self.since_ms) and math.isinf(self.until_ms)

    def holds_at(self, time_ms: float | None, tolerance_ms: float = 0.0) -> bool:
        """Return whether its messages are so at a moment, or may be if that is not known."""
        return time_ms is None or self.since_ms - tolerance_ms < time_ms <= self.until_ms + tolerance_ms


def forms(types: Mapping[str, TypeHistory], classes_of: Callable[[TypeInfo], Sequence[ClassInfo]]) -> Iterator[Form]:
    """Yield the classes of all machine types; one that stays the same over several editions comes once."""
    for kind, history in types.items():
        current: list[Form] = []
        for since_ms, until_ms, info in history.editions:
            before = current
            current = [_form(kind, each, since_ms, until_ms, before) for each in classes_of(info)]
            yield from (each for each in before if not _is_in(each, current))
        yield from current


def _form(kind: str, info: ClassInfo, since_ms: float, until_ms: float, before: Sequence[Form]) -> Form:
    same = next((each for each in before if each.info == info), None)
    return Form(kind, info, since_ms if same is None else same.since_ms, until_ms)


def _is_in(form: Form, others: Sequence[Form]) -> bool:
    return any(each.info == form.info for each in others)
