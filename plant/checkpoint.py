"""The way back: all that can change in a plant, kept as it is now.

A change of structure goes through many hands and may fail in the middle. To keep what there is and put it back is
cheaper than to build a second plant beside the first: a machine is one tuple of what it holds, everything stays where
it lies in memory, and only who has failed pays for the return.
What can change are the objects of our own classes, and the lists, mappings, queues and tables that they hold. Tuples are
taken for values: nobody may be reachable through a tuple alone.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from operator import attrgetter
from types import FunctionType, MethodType
from typing import Any, Final

from pydantic import BaseModel

from plant.machine import Machine

_Restore = Callable[[], None]
_VALUES: Final = (tuple, bytes, type, BaseModel, BaseException, FunctionType, MethodType)
_held_by_machine: Final = attrgetter(*Machine.__slots__)


class Checkpoint:
    """What `root` and all that hangs on it are now; `restore` brings that back, as often as it is called."""

    def __init__(self, root: object) -> None:
        self._restores: list[_Restore] = []
        self._met = {id(root)}
        self._ahead: list[Any] = []
        self._keep_object(root)
        while self._ahead:
            self._keep(self._ahead.pop())

    def restore(self) -> None:
        """Put everything back."""
        for restore in self._restores:
            restore()

    def _keep(self, thing: Any) -> None:
        keep = _keeper(type(thing))
        if keep is not None and id(thing) not in self._met:
            self._met.add(id(thing))
            keep(self, thing)

    def _keep_object(self, thing: Any) -> None:
        held = _held_by(thing)
        self._ahead.extend(held.values())

        def restore() -> None:
            now = _held_by(thing)
            for name in now.keys() - held.keys():
                delattr(thing, name)
            for name, value in held.items():
                if now.get(name) is not value:
                    setattr(thing, name, value)

        self._restores.append(restore)

    def _keep_list(self, thing: list[Any]) -> None:
        was = thing.copy()
        if thing and type(thing[0]) is Machine:
            self._keep_machines(thing)
        else:
            self._look_into(thing)
        self._restores.append(lambda: thing.__setitem__(slice(None), was))

    def _keep_deque(self, thing: deque[Any]) -> None:
        was = tuple(thing)
        self._look_into(thing)

        def restore() -> None:
            thing.clear()
            thing.extend(was)

        self._restores.append(restore)

    def _keep_dict(self, thing: dict[Any, Any]) -> None:
        was = dict(thing)
        self._look_into(thing)
        self._look_into(thing.values())

        def restore() -> None:
            thing.clear()
            thing.update(was)

        self._restores.append(restore)

    def _keep_array(self, thing: array[Any]) -> None:
        was = thing[:]
        self._restores.append(lambda: thing.__setitem__(slice(None), was))

    def _keep_machines(self, machines: Sequence[Machine]) -> None:
        """A fleet at once. They share a model; a hundred thousand of them cost as much as all the rest together."""
        if self._met.issuperset(map(id, machines)):
            return
        self._met.update(map(id, machines))
        self._ahead.extend({id(machine.model): machine.model for machine in machines}.values())
        was = [*map(_held_by_machine, machines)]
        kept = [*machines]

        def restore() -> None:
            for machine, now, before in zip(kept, map(_held_by_machine, kept), was, strict=True):
                if now != before:
                    for name, value in zip(Machine.__slots__, before, strict=True):
                        setattr(machine, name, value)

        self._restores.append(restore)

    def _look_into(self, things: Iterable[Any]) -> None:
        """Most hold numbers and texts alone: to know that takes a look at their types."""
        if any(_keeper(kind) is not None for kind in set(map(type, things))):
            self._ahead.extend(things)


def _held_by(thing: Any) -> dict[str, Any]:
    """What an object holds, by name."""
    names = (*getattr(thing, "__dict__", ()), *getattr(type(thing), "__slots__", ()))
    return {name: getattr(thing, name) for name in names if hasattr(thing, name)}


@cache
def _keeper(kind: type) -> Callable[[Checkpoint, Any], None] | None:
    """How to keep a thing of that type; None where it cannot change, or is not ours."""
    if kind in _KEEPERS:
        return _KEEPERS[kind]
    base = next((keep for base, keep in _KEEPERS.items() if issubclass(kind, base)), None)
    ours = kind.__module__.partition(".")[0] in ("plant", "messages") and not issubclass(kind, _VALUES)
    return base or (Checkpoint._keep_object if ours else None)


_KEEPERS: Final[dict[type, Callable[[Checkpoint, Any], None]]] = {
    Machine: lambda checkpoint, machine: checkpoint._keep_machines([machine]),
    list: Checkpoint._keep_list,
    dict: Checkpoint._keep_dict,
    deque: Checkpoint._keep_deque,
    array: Checkpoint._keep_array,
}
