"""A trial: a change of the plant that is made first, and then kept or taken back without a trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import ParamSpec, Protocol

from plant.faults.fault_log import FaultListener
from plant.machines.checkpoint import Checkpoint
from plant.oee_accounting import OeeAccounts
from plant.orders import OrderBook
from plant.truth.energy import EnergyListener
from plant.truth.events import Listener, OrderListener

_P = ParamSpec("_P")


class _Accounting(Protocol):
    accounts: OeeAccounts


class _Metering(Protocol):
    listener: EnergyListener | None


class _Parts(Protocol):
    """What is tried out: who listens to it, and what it accounts for."""

    listener: Listener | None
    fault_listener: FaultListener | None
    order_book: OrderBook

    @property
    def energy(self) -> _Metering: ...

    @property
    def fleets(self) -> Sequence[_Accounting]: ...

    def listen(self, listener: Listener | None, orders: OrderListener | None, faults: FaultListener | None) -> None: ...


class ConfigTrial:
    """All changes of a plant from now on, until they are kept or taken back. Listeners are called when they are kept.

    root: the object from which all of the plant is reachable.  parts: those of the plant.
    """

    def __init__(self, root: object, parts: _Parts) -> None:
        self._checkpoint = Checkpoint(root)
        self._parts, self._listeners = parts, (parts.listener, parts.order_book.listener, parts.fault_listener)
        self._energy = parts.energy.listener
        self._postponed_calls: list[Callable[[], None]] = []
        for each in parts.fleets:
            # A snapshot that is being read must not see the trial; taking back sets this attribute again.
            each.accounts.before_change = None
        listener, orders, faults = self._listeners
        parts.energy.listener = self._energy and self._postponed(self._energy)
        parts.listen(
            listener and self._postponed(listener),
            orders and self._postponed(orders),
            faults and self._postponed(faults),
        )

    def keep(self) -> None:
        """Keep the changes: call the listeners with what has happened meanwhile."""
        self._parts.energy.listener = self._energy
        self._parts.listen(*self._listeners)
        for call in self._postponed_calls:
            call()

    def take_back(self) -> None:
        """Restore the plant as it was; listeners are not called."""
        self._checkpoint.restore()

    def _postponed(self, listener: Callable[_P, None]) -> Callable[_P, None]:
        """Return what keeps the calls of a listener until later."""

        def postpone(*event: _P.args, **named: _P.kwargs) -> None:
            self._postponed_calls.append(partial(listener, *event, **named))

        return postpone
