"""A checkpoint of a plant: everything in it that can change, captured so that it can be restored.

To apply a configuration changes many objects and may fail halfway. To capture the plant and restore it is cheaper than
to build a second plant beside the first: a machine is captured as one tuple of its attributes, objects stay where they
are in memory, and only a change that failed costs a restore.
What can change are the objects of our own classes, and the lists, mappings, queues and arrays that they refer to.
Tuples count as values: no object may be reachable through a tuple alone.
The classes on the hot path have __slots__: Python 3.11 reads the attributes of an object more slowly once its __dict__
has been read, which would make every message after a change cost a tenth more.
"""

from __future__ import annotations

import sys
from array import array
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache, partial
from operator import attrgetter
from traceback import clear_frames
from types import FunctionType, MethodType
from typing import Any, Final

from pydantic import BaseModel

from plant.faults.conditions import MachineConditions
from plant.faults.due_list import DueList
from plant.machines.machine import Machine

_Restore = Callable[[], None]
_Captured = tuple[_Restore, Iterable[Any]]
"""How to restore an object, and the objects that it refers to."""

_VALUES: Final = (tuple, bytes, type, BaseModel, BaseException, FunctionType, MethodType)
_PARENT_PACKAGE: Final = __name__.partition("plant.")[0]
_MODULE_PREFIXES: Final = (f"{_PARENT_PACKAGE}plant.", f"{_PARENT_PACKAGE}messages")
"""Modules whose objects are captured; in an installation there is a package above them."""
_machine_attributes: Final = attrgetter(*Machine.__slots__)
_condition_attributes: Final = attrgetter(*MachineConditions.__slots__)


class Checkpoint:
    """The state of `root` and of every object reachable from it; `restore` may be called any number of times."""

    def __init__(self, root: object) -> None:
        self._restores: list[_Restore] = []
        self._captured_ids: set[int] = set()
        self._unvisited = [root]
        while self._unvisited:
            self._capture(self._unvisited.pop())

    def restore(self) -> None:
        """Set every captured object back to its state at the checkpoint."""
        _release_views()
        for restore in self._restores:
            restore()

    def _capture(self, thing: Any) -> None:
        kind: Any = type(thing)
        capture = _capture_for(kind)
        if capture is None or id(thing) in self._captured_ids:
            return
        self._captured_ids.add(id(thing))
        restore, referenced = capture(thing)
        self._restores.append(restore)
        self._visit(list(referenced))

    def _visit(self, things: list[Any]) -> None:
        """Queue what can change. Most containers have only numbers and texts, which a look at their types shows."""
        kinds = set(map(type, things))
        if Machine in kinds:
            self._capture_machines([thing for thing in things if type(thing) is Machine])
        if any(map(_capture_for, kinds - {Machine})):
            self._unvisited.extend(thing for thing in things if type(thing) is not Machine)

    def _capture_machines(self, machines: list[Machine]) -> None:
        """Capture a fleet at once: 100,000 machines cost as much as all other objects together.

        They share their machine type runtime, which is captured once.
        """
        if self._captured_ids.issuperset(map(id, machines)):
            return
        self._captured_ids.update(map(id, machines))
        self._restores.append(partial(_restore_machines, machines, [*map(_machine_attributes, machines)]))
        self._unvisited.extend({id(machine.runtime): machine.runtime for machine in machines}.values())
        self._capture_conditions([machine.conditions for machine in machines if machine.conditions is not None])

    def _capture_conditions(self, conditions: list[MachineConditions]) -> None:
        """Capture the conditions of a fleet at once: object by object they would cost ten times as much as the rest."""
        self._captured_ids.update(map(id, conditions))
        self._restores.append(partial(_restore_conditions, conditions, [*map(_copied_conditions, conditions)]))


def _release_views() -> None:
    """Release what the frames of an exception that is being handled refer to: an array cannot shrink while in view."""
    error = sys.exception()
    while error is not None:
        clear_frames(error.__traceback__)
        error = error.__context__


def _restore_machines(machines: list[Machine], captured: list[tuple[Any, ...]]) -> None:
    for machine, now, before in zip(machines, map(_machine_attributes, machines), captured, strict=True):
        if now != before:
            for name, value in zip(Machine.__slots__, before, strict=True):
                setattr(machine, name, value)


def _copied_conditions(conditions: MachineConditions) -> tuple[Any, ...]:
    return tuple(map(_copied, _condition_attributes(conditions)))


def _copied(value: Any) -> Any:
    return value.copy() if type(value) in (dict, DueList) else value


def _restore_conditions(conditions: list[MachineConditions], captured: list[tuple[Any, ...]]) -> None:
    for each, before in zip(conditions, captured, strict=True):
        for name, value in zip(MachineConditions.__slots__, before, strict=True):
            setattr(each, name, _copied(value))


def _capture_object(thing: Any) -> _Captured:
    before = _attributes_of(thing)

    def restore() -> None:
        now = _attributes_of(thing)
        for name in now.keys() - before.keys():
            delattr(thing, name)
        for name, value in before.items():
            if name not in now or now[name] is not value:
                setattr(thing, name, value)

    return restore, before.values()


def _attributes_of(thing: Any) -> dict[str, Any]:
    """Return the attributes of an object by name, from __dict__ and __slots__."""
    names = (*getattr(thing, "__dict__", ()), *getattr(type(thing), "__slots__", ()))
    return {name: getattr(thing, name) for name in names if hasattr(thing, name)}


def _capture_sequence(thing: Any) -> _Captured:
    """Capture a list, or an array of numbers."""
    before = thing[:]
    return lambda: thing.__setitem__(slice(None), before), before if isinstance(thing, list) else ()


def _capture_deque(thing: deque[Any]) -> _Captured:
    before = [*thing]

    def restore() -> None:
        thing.clear()
        thing.extend(before)

    return restore, before


def _capture_dict(thing: dict[Any, Any]) -> _Captured:
    before = dict(thing)

    def restore() -> None:
        thing.clear()
        thing.update(before)

    return restore, (*before, *before.values())


_CAPTURES: Final[dict[type, Callable[[Any], _Captured]]] = {
    list: _capture_sequence,
    array: _capture_sequence,
    deque: _capture_deque,
    dict: _capture_dict,
}


@cache
def _capture_for(kind: Any) -> Callable[[Any], _Captured] | None:
    """Return how to capture an object of that type; None where it cannot change, or its class is not ours."""
    container = next((capture for base, capture in _CAPTURES.items() if issubclass(kind, base)), None)
    ours = kind.__module__.startswith(_MODULE_PREFIXES) and not issubclass(kind, _VALUES)
    return container or (_capture_object if ours else None)
