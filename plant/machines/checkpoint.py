"""The way back: all that can change in a plant, kept as it is now.

A change of structure goes through many hands and may fail in the middle. To keep what there is and put it back is
cheaper than to build a second plant beside the first: a machine is one tuple of what it holds, everything stays where
it lies in memory, and only who has failed pays for the return.
What can change are the objects of our own classes, and the lists, mappings, queues and tables that they hold. Tuples
are taken for values: nobody may be reachable through a tuple alone.
Classes that rows pass through have __slots__: Python 3.11 reads an object's attributes more slowly once somebody has
looked at its __dict__, which would make every row after a change a tenth dearer.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache, partial
from operator import attrgetter
from types import FunctionType, MethodType
from typing import Any, Final

from pydantic import BaseModel

from plant.machines.machine import Machine

_Restore = Callable[[], None]
_Kept = tuple[_Restore, Iterable[Any]]
"""How to put a thing back, and what it holds."""

_VALUES: Final = (tuple, bytes, type, BaseModel, BaseException, FunctionType, MethodType)
_ABOVE: Final = __name__.partition("plant.")[0]
_OURS: Final = (f"{_ABOVE}plant.", f"{_ABOVE}messages")
"""How the modules begin whose objects are kept; where the program is installed there is a package above them."""
_held_by_machine: Final = attrgetter(*Machine.__slots__)


class Checkpoint:
    """What `root` and all that hangs on it are now; `restore` brings that back, as often as it is called."""

    def __init__(self, root: object) -> None:
        self._restores: list[_Restore] = []
        self._seen: set[int] = set()
        self._ahead = [root]
        while self._ahead:
            self._keep(self._ahead.pop())

    def restore(self) -> None:
        """Put everything back."""
        for restore in self._restores:
            restore()

    def _keep(self, thing: Any) -> None:
        kind: Any = type(thing)
        keep = _keeper(kind)
        if keep is None or id(thing) in self._seen:
            return
        self._seen.add(id(thing))
        restore, held = keep(thing)
        self._restores.append(restore)
        self._look_into(list(held))

    def _look_into(self, things: list[Any]) -> None:
        """Most hold numbers and texts alone: to know that takes a look at their types."""
        kinds = set(map(type, things))
        if Machine in kinds:
            self._keep_machines([thing for thing in things if type(thing) is Machine])
        if any(map(_keeper, kinds - {Machine})):
            self._ahead.extend(thing for thing in things if type(thing) is not Machine)

    def _keep_machines(self, machines: list[Machine]) -> None:
        """A fleet at once. They share a model; a hundred thousand of them cost as much as all the rest together."""
        if self._seen.issuperset(map(id, machines)):
            return
        self._seen.update(map(id, machines))
        self._restores.append(partial(_put_back, machines, [*map(_held_by_machine, machines)]))
        self._ahead.extend({id(machine.runtime): machine.runtime for machine in machines}.values())


def _put_back(machines: list[Machine], held: list[tuple[Any, ...]]) -> None:
    for machine, now, before in zip(machines, map(_held_by_machine, machines), held, strict=True):
        if now != before:
            for name, value in zip(Machine.__slots__, before, strict=True):
                setattr(machine, name, value)


def _keep_object(thing: Any) -> _Kept:
    held = _held_by(thing)

    def restore() -> None:
        now = _held_by(thing)
        for name in now.keys() - held.keys():
            delattr(thing, name)
        for name, value in held.items():
            if name not in now or now[name] is not value:
                setattr(thing, name, value)

    return restore, held.values()


def _held_by(thing: Any) -> dict[str, Any]:
    """What an object holds, by name."""
    names = (*getattr(thing, "__dict__", ()), *getattr(type(thing), "__slots__", ()))
    return {name: getattr(thing, name) for name in names if hasattr(thing, name)}


def _keep_sequence(thing: Any) -> _Kept:
    """A list, or a table of numbers."""
    was = thing[:]
    return lambda: thing.__setitem__(slice(None), was), was if isinstance(thing, list) else ()


def _keep_deque(thing: deque[Any]) -> _Kept:
    was = [*thing]

    def restore() -> None:
        thing.clear()
        thing.extend(was)

    return restore, was


def _keep_dict(thing: dict[Any, Any]) -> _Kept:
    was = dict(thing)

    def restore() -> None:
        thing.clear()
        thing.update(was)

    return restore, (*was, *was.values())


_KEEPERS: Final[dict[type, Callable[[Any], _Kept]]] = {
    list: _keep_sequence,
    array: _keep_sequence,
    deque: _keep_deque,
    dict: _keep_dict,
}


@cache
def _keeper(kind: Any) -> Callable[[Any], _Kept] | None:
    """How to keep a thing of that type; None where it cannot change, or is not ours."""
    known = next((keep for base, keep in _KEEPERS.items() if issubclass(kind, base)), None)
    ours = kind.__module__.startswith(_OURS) and not issubclass(kind, _VALUES)
    return known or (_keep_object if ours else None)
