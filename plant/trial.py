"""A trial: a change of the plant that is made first, and then kept or taken back without a trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from plant.machines.checkpoint import Checkpoint
from plant.oee_accounting import OeeAccounts
from plant.orders import OrderBook

_Event = TypeVar("_Event")


class ConfigTrial:
    """All changes of a plant from now on, until they are kept or taken back. Listeners are called when they are kept.

    root: the object from which all of the plant is reachable.  accounts, order_book: what calls listeners.
    """

    def __init__(self, root: object, accounts: Sequence[OeeAccounts], order_book: OrderBook) -> None:
        self._checkpoint = Checkpoint(root)
        self._reattach_listeners: list[Callable[[], None]] = []
        self._postponed_calls: list[Callable[[], None]] = []
        for each in accounts:
            # A snapshot that is being read must not see the trial; taking back sets this attribute again.
            each.before_change = None
            if each.listener is not None:
                self._reattach_listeners.append(partial(setattr, each, "listener", each.listener))
                each.listener = partial(self._postpone, each.listener)
        if order_book.listener is not None:
            self._reattach_listeners.append(partial(setattr, order_book, "listener", order_book.listener))
            order_book.listener = partial(self._postpone, order_book.listener)

    def keep(self) -> None:
        """Keep the changes: call the listeners with what has happened meanwhile."""
        for reattach in self._reattach_listeners:
            reattach()
        for call in self._postponed_calls:
            call()

    def take_back(self) -> None:
        """Restore the plant as it was; listeners are not called."""
        self._checkpoint.restore()

    def _postpone(self, listener: Callable[[_Event], None], event: _Event) -> None:
        self._postponed_calls.append(partial(listener, event))
