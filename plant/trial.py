"""Trying a change: it is made, and may still be taken back as if it had never been."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from plant.checkpoint import Checkpoint
from plant.oee import Books
from plant.telemetry import FinishedJob, Listener, StateInterval

_Told = tuple[Listener, StateInterval | FinishedJob]


class Trial:
    """What is done to a plant from here on, until it is kept or taken back. Listeners hear of it when it is kept.

    root: what holds all of the plant.  books: of its machines, which tell listeners.
    """

    def __init__(self, root: object, books: Sequence[Books]) -> None:
        self._before = Checkpoint(root)
        self._listeners = [(each, each.listener) for each in books if each.listener is not None]
        self._untold: list[_Told] = []
        for each, listener in self._listeners:
            each.listener = partial(self._keep_for, listener)

    def keep(self) -> None:
        """Let it be: listeners are told what has happened meanwhile."""
        for books, listener in self._listeners:
            books.listener = listener
        for tell, event in self._untold:
            tell(event)

    def take_back(self) -> None:
        """Have everything be as it was; nobody hears of what has happened."""
        self._before.restore()

    def _keep_for(self, listener: Listener, event: StateInterval | FinishedJob) -> None:
        self._untold.append((listener, event))
