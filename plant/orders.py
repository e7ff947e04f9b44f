"""Orders and dispatches: Poisson arrivals, each by its own stream; a dispatch takes the oldest order still open.

Order numbers are consecutive and dispatched in turn, so the open orders are all that lie between two numbers.
A shard plays all of it, and says every n-th order with its dispatch.
Where pieces flow, a dispatch takes the oldest order if the store can fill it, and leaves empty if not; a shard then has
its own line, its own orders and every n-th chance to dispatch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from plant.definition.plant_config import CustomerOrder, Dispatch, MessageTypes
from plant.machines.jobs import MS_A_JOB_NUMBER
from plant.machines.states import NEVER
from plant.machines.timestamp_prefix import TimestampPrefix
from plant.material_flow.flow import Flow
from plant.random_stream import RandomStream, exponential
from plant.telemetry import DispatchedOrder, Message, OrderListener, PlacedOrder

HOUR_US: Final = 3_600_000_000
NEVER_US: Final = NEVER * 1000
MOST_ITEMS: Final = 3
ORDER, DISPATCH = "customer_order", "dispatch"
TOPICS: Final = {ORDER: "{prefix}/orders", DISPATCH: "{prefix}/dispatch"}
"""Default topic of each kind of event."""
_Event = tuple[str, int, int, Mapping[str, str], Mapping[str, Any]]
"""Kind, number of the order, time in ms, and what is said before and after the order's id."""
NO_ORDERS: Final = CustomerOrder(enabled=False, orders_per_hour=0, product_types=("none",))
NO_DISPATCHES: Final = Dispatch(enabled=False, dispatches_per_hour=0, destinations=("none",), carriers=("none",))


class PoissonArrivals:
    """When events of one kind arrive: exponential gaps, kept in microseconds so that no rate is biased by rounding.

    `number` is the next event's; numbers start, like those of jobs, at the tenths of a second since 1970.
    """

    def __init__(self, seed: int | str, name: str, begin_ms: int) -> None:
        self.stream = RandomStream(seed, name)
        self.number = self._gap = begin_ms // MS_A_JOB_NUMBER
        self._per_hour = 0.0
        self._next_us = NEVER_US

    @property
    def next_ms(self) -> int:
        """When the next event arrives: the first whole millisecond after it."""
        return self._next_us // 1000 + 1

    def apply(self, per_hour: float, now_ms: int) -> None:
        """Arrive at another rate from now on. A Poisson process has no memory, so the wait begins anew."""
        if per_hour != self._per_hour:
            self._per_hour, self._next_us = per_hour, now_ms * 1000
            self._wait()

    def take(self) -> tuple[int, int]:
        """The next event's time and number; the one after it is then the next."""
        taken = self.next_ms, self.number
        self.number += 1
        self._wait()
        return taken

    def _wait(self) -> None:
        self._gap += 1
        gap_at, _, _, _ = self.stream.draws(b"gap", self._gap)
        if self._per_hour:
            self._next_us += exponential(HOUR_US / self._per_hour, gap_at)
        else:
            self._next_us = NEVER_US


class OrderBook:
    """The plant's orders and dispatches. `rows` counts the messages by kind; `listener` is told of each as it happens.

    shard: (k, n) for the k-th of n parts, which says the orders whose numbers leave k - 1 when divided by n, and their
    dispatches. So no two parts give an order the same number, even if they begin at different times.
    """

    def __init__(self, seed: int | str, begin_ms: int, shard: tuple[int, int] = (1, 1)) -> None:
        self.listener: OrderListener | None = None
        self._shard, self._shards = shard
        self._orders = PoissonArrivals(seed, ORDER, begin_ms)
        self._dispatches = PoissonArrivals(seed, DISPATCH, begin_ms)
        self._oldest_open = self._orders.number
        self._begin = TimestampPrefix()
        self._flow: Flow | None = None
        self._pending: list[_Event] = []
        self.apply(MessageTypes(), None, begin_ms)
        self._events = {ORDER: 0, DISPATCH: 0}
        self.rows = {ORDER: 0, DISPATCH: 0}

    @property
    def open_orders(self) -> int:
        """Orders placed and not yet dispatched, of those that this shard says."""
        if self._flow:
            return len(self._flow.open_orders)
        open_numbers = range(self._oldest_open, self._orders.number)
        return len(open_numbers[(self._shard - 1 - self._oldest_open) % self._shards :: self._shards])

    @property
    def next_ms(self) -> int:
        """When the next event arrives."""
        return min(self._orders.next_ms, self._dispatches.next_ms)

    def apply(self, types: MessageTypes, flow: Flow | None, now_ms: int) -> None:
        """Follow other rates and contents from now on; open orders stay open. `flow`: what fills them, if they wait."""
        self._order = types.customer_order or NO_ORDERS
        self._route = types.dispatch or NO_DISPATCHES
        self._orders.apply(self._order.enabled * self._order.orders_per_hour, now_ms)
        self._dispatches.apply(self._route.enabled * self._route.dispatches_per_hour, now_ms)
        if flow is not self._flow:
            self._hand_over(flow, now_ms)

    def _hand_over(self, flow: Flow | None, now_ms: int) -> None:
        """Let another one fill the orders that are open."""
        if self._flow:
            self._oldest_open = next((order.number for order in self._flow.open_orders), self._orders.number)
        self._flow = flow
        if flow:
            for number in filter(self._is_own, range(self._oldest_open, self._orders.number)):
                flow.order(number, _items(self._order, self._orders.stream, number), now_ms)

    def messages_until(self, until_ms: int) -> list[Message]:
        """Every event up to a time that is not said yet, in order."""
        self.advance_to(until_ms)
        events, self._pending = self._pending, []
        return [row for event in events for row in self._said(*event)]

    def advance_to(self, until_ms: int) -> None:
        """Let everything happen up to a time; of two events in the same millisecond the order comes first."""
        while self.next_ms <= until_ms:
            ordered = self._orders.next_ms <= self._dispatches.next_ms
            (self._place if ordered else self._dispatch)()

    def skip_to(self, until_ms: int) -> None:
        """Let time pass; nothing is said."""
        self.advance_to(until_ms)
        self._pending = []

    def _place(self) -> None:
        time_ms, number = self._orders.take()
        items = _items(self._order, self._orders.stream, number)
        self._pending.append((ORDER, number, time_ms, {"event_type": "order_placed"}, {"items": items}))
        if self._flow and self._is_own(number):
            self._flow.order(number, items, time_ms)
        if self.listener is not None and self._is_own(number):
            self.listener(PlacedOrder(_order_id(number), time_ms, items))

    def _dispatch(self) -> None:
        time_ms, number = self._dispatches.take()
        leaving = self._leaving(number, time_ms)
        if leaving:
            order, freight = leaving
            details = {**_route(self._route, self._dispatches.stream, number), **freight}
            self._pending.append((DISPATCH, order, time_ms, {"event_type": "order_dispatched"}, details))
            if self.listener is not None and self._is_own(order):
                self.listener(DispatchedOrder(_order_id(order), time_ms, details))

    def _leaving(self, number: int, time_ms: int) -> tuple[int, dict[str, list[str]]] | None:
        """The order that a dispatch takes, and what the row says of its freight."""
        if self._flow:
            shipped = self._flow.ship(time_ms) if self._is_own(number) else None
            return (shipped[0], {"unit_ids": shipped[1]}) if shipped else None
        order = self._oldest_open
        if order == self._orders.number:
            return None
        self._oldest_open += 1
        return order, {}

    def _is_own(self, number: int) -> bool:
        """Whether an order, or the chance to dispatch one, is this shard's."""
        return number % self._shards == self._shard - 1

    def _said(
        self, kind: str, order: int, time_ms: int, head: Mapping[str, str], tail: Mapping[str, Any]
    ) -> list[Message]:
        """The row of an event, if it is this shard's; all shards count all events, so that their rows fit together."""
        self._events[kind] += 1
        if not self._is_own(order):
            return []
        self.rows[kind] += 1
        payload = self._begin(time_ms) + orjson.dumps({**head, "order_id": _order_id(order), **tail})[1:]
        return [Message(kind, kind, None, time_ms, self._events[kind], payload)]


def _order_id(number: int) -> str:
    return f"ORD-{number % 10**10:010d}"


def _items(spec: CustomerOrder, stream: RandomStream, number: int) -> list[dict[str, Any]]:
    how_many_at, *products_at = stream.draws(b"products", number)
    left = list(spec.product_types)
    how_many = 1 + int(how_many_at * min(MOST_ITEMS, len(left)))
    products = [left.pop(int(at * len(left))) for at in products_at[:how_many]]
    quantities_at = stream.draws(b"quantities", number)
    return [
        {"product_type": product, "quantity": _within(spec.quantity_range(product), at)}
        for product, at in zip(products, quantities_at, strict=False)
    ]


def _within(fewest_most: tuple[int, int], uniform: float) -> int:
    fewest, most = fewest_most
    return fewest + int(uniform * (most - fewest + 1))


def _route(spec: Dispatch, stream: RandomStream, number: int) -> dict[str, str]:
    destination_at, carrier_at, _, _ = stream.draws(b"way", number)
    destination = spec.destinations[int(destination_at * len(spec.destinations))]
    return {"destination": destination, "carrier": spec.carriers[int(carrier_at * len(spec.carriers))]}
