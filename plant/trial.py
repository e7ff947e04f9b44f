"""Trying a change: it is made, and may still be taken back as if it had never been."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from plant.machines.checkpoint import Checkpoint
from plant.oee_accounting import OeeAccounts
from plant.orders import OrderBook

_Event = TypeVar("_Event")


class ConfigTrial:
    """What is done to a plant from here on, until it is kept or taken back. Listeners hear of it when it is kept.

    root: what holds all of the plant.  books, business: what in it tells listeners.
    """

    def __init__(self, root: object, accounts: Sequence[OeeAccounts], business: OrderBook) -> None:
        self._before = Checkpoint(root)
        self._listening: list[Callable[[], None]] = []
        self._untold: list[Callable[[], None]] = []
        for each in accounts:
            # Whoever looks at machines bit by bit sees none of this; a plant that is taken back has it again.
            each.before = None
            if each.listener is not None:
                self._listening.append(partial(setattr, each, "listener", each.listener))
                each.listener = partial(self._keep_for, each.listener)
        if business.listener is not None:
            self._listening.append(partial(setattr, business, "listener", business.listener))
            business.listener = partial(self._keep_for, business.listener)

    def keep(self) -> None:
        """Let it be: listeners are told what has happened meanwhile."""
        for listen_again in self._listening:
            listen_again()
        for tell in self._untold:
            tell()

    def take_back(self) -> None:
        """Have everything be as it was; nobody hears of what has happened."""
        self._before.restore()

    def _keep_for(self, listener: Callable[[_Event], None], event: _Event) -> None:
        self._untold.append(partial(listener, event))
