"""Orders and dispatches: Poisson arrivals, each from its own random stream; a dispatch takes the oldest open order.

Order numbers are consecutive and dispatched in order, so the open orders are those between two numbers.
A shard simulates all orders, and emits every n-th order with its dispatch.
Where pieces flow, a dispatch takes the oldest order if the store can fill it, and nothing if not; a shard then has its
own line, its own orders and every n-th dispatch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from plant.definition.plant_config import CustomerOrder, Dispatch, MessageTypes
from plant.jobs.jobs import MS_PER_JOB_NUMBER
from plant.machines.states import NEVER
from plant.machines.timestamp_prefix import TimestampPrefix
from plant.material_flow.demand import order_id
from plant.material_flow.flow import Flow
from plant.random_stream import RandomStream, exponential, whole_between
from plant.telemetry import Message
from plant.truth.events import DispatchedOrder, OrderListener, PlacedOrder

HOUR_US: Final = 3_600_000_000
NEVER_US: Final = NEVER * 1000
MOST_ITEMS: Final = 3
ORDER, DISPATCH = "customer_order", "dispatch"
TOPICS: Final = {ORDER: "{prefix}/orders", DISPATCH: "{prefix}/dispatch"}
"""Default topic of each kind of event."""
_PendingEvent = tuple[str, int, int, Mapping[str, str], Mapping[str, Any]]
"""Kind, number of the order, time in milliseconds, and the fields before and after the order's id."""
NO_ORDERS: Final = CustomerOrder(enabled=False, orders_per_hour=0, product_types=("none",))
NO_DISPATCHES: Final = Dispatch(enabled=False, dispatches_per_hour=0, destinations=("none",), carriers=("none",))


class PoissonArrivals:
    """The arrival times of one kind of event: exponential gaps in microseconds, so that rounding biases no rate.

    number: that of the next event. Numbers start, like those of jobs, at the tenths of a second since 1970.
    """

    def __init__(self, seed: int | str, name: str, begin_ms: int) -> None:
        self.stream = RandomStream(seed, name)
        self.number = self._gap_number = begin_ms // MS_PER_JOB_NUMBER
        self._per_hour = 0.0
        self._next_us = NEVER_US

    @property
    def next_ms(self) -> int:
        """The first whole millisecond after the next arrival."""
        return self._next_us // 1000 + 1

    def apply(self, per_hour: float, now_ms: int) -> None:
        """Set the rate from now on. A Poisson process has no memory, so another rate draws a new gap from now."""
        if per_hour != self._per_hour:
            self._per_hour, self._next_us = per_hour, now_ms * 1000
            self._draw_gap()

    def pop_next(self) -> tuple[int, int]:
        """Remove the next event and return its time and number."""
        taken = self.next_ms, self.number
        self.number += 1
        self._draw_gap()
        return taken

    def _draw_gap(self) -> None:
        self._gap_number += 1
        gap_at, _, _, _ = self.stream.draws(b"gap", self._gap_number)
        if self._per_hour:
            self._next_us += exponential(HOUR_US / self._per_hour, gap_at)
        else:
            self._next_us = NEVER_US


class OrderBook:
    """The orders and dispatches of a plant.

    message_counts: messages so far, by kind.  listener: called with each order and dispatch; may be None.
    shard: (k, n) for the k-th of n parts, which emits the orders with number % n == k - 1, and their dispatches. So no
    two parts give an order the same number, even if they start at different times.
    """

    def __init__(self, seed: int | str, begin_ms: int, shard: tuple[int, int] = (1, 1)) -> None:
        self.listener: OrderListener | None = None
        self._shard, self._shards = shard
        self._order_arrivals = PoissonArrivals(seed, ORDER, begin_ms)
        self._dispatch_arrivals = PoissonArrivals(seed, DISPATCH, begin_ms)
        self._oldest_open = self._order_arrivals.number
        self._timestamp_prefix = TimestampPrefix()
        self._flow: Flow | None = None
        self._pending: list[_PendingEvent] = []
        self.apply(MessageTypes(), None, begin_ms)
        self._sequences = {ORDER: 0, DISPATCH: 0}
        self.message_counts = {ORDER: 0, DISPATCH: 0}

    @property
    def open_orders(self) -> int:
        """Number of orders of this shard that are placed and not yet dispatched."""
        if self._flow:
            return len(self._flow.open_orders)
        open_numbers = range(self._oldest_open, self._order_arrivals.number)
        return len(open_numbers[(self._shard - 1 - self._oldest_open) % self._shards :: self._shards])

    @property
    def next_ms(self) -> int:
        """The time of the next event."""
        return min(self._order_arrivals.next_ms, self._dispatch_arrivals.next_ms)

    def apply(self, types: MessageTypes, flow: Flow | None, now_ms: int) -> None:
        """Apply other rates and contents from now on; open orders stay open. flow: fills them, where pieces flow."""
        self._order_spec = types.customer_order or NO_ORDERS
        self._dispatch_spec = types.dispatch or NO_DISPATCHES
        self._order_arrivals.apply(self._order_spec.enabled * self._order_spec.orders_per_hour, now_ms)
        self._dispatch_arrivals.apply(self._dispatch_spec.enabled * self._dispatch_spec.dispatches_per_hour, now_ms)
        if flow is not self._flow:
            self._hand_over(flow, now_ms)

    def _hand_over(self, flow: Flow | None, now_ms: int) -> None:
        """Have another flow, or none, fill the open orders."""
        if self._flow:
            self._oldest_open = next((order.number for order in self._flow.open_orders), self._order_arrivals.number)
        self._flow = flow
        if flow:
            for number in filter(self._is_own, range(self._oldest_open, self._order_arrivals.number)):
                flow.add_order(number, _draw_items(self._order_spec, self._order_arrivals.stream, number), now_ms)

    def messages_until(self, until_ms: int) -> list[Message]:
        """Return the messages of all events up to a time that have not been returned yet, in order."""
        self.advance_to(until_ms)
        events, self._pending = self._pending, []
        return [message for event in events for message in self._messages_of(*event)]

    def advance_to(self, until_ms: int) -> None:
        """Process all events up to a time; of two events in the same millisecond the order comes first."""
        while self.next_ms <= until_ms:
            ordered = self._order_arrivals.next_ms <= self._dispatch_arrivals.next_ms
            (self._place_order if ordered else self._dispatch)()

    def skip_to(self, until_ms: int) -> None:
        """Process all events up to a time, and drop their messages."""
        self.advance_to(until_ms)
        self._pending = []

    def _place_order(self) -> None:
        time_ms, number = self._order_arrivals.pop_next()
        items = _draw_items(self._order_spec, self._order_arrivals.stream, number)
        self._pending.append((ORDER, number, time_ms, {"event_type": "order_placed"}, {"items": items}))
        if self._flow and self._is_own(number):
            self._flow.add_order(number, items, time_ms)
        if self.listener is not None and self._is_own(number):
            self.listener(PlacedOrder(order_id(number), time_ms, items))

    def _dispatch(self) -> None:
        time_ms, number = self._dispatch_arrivals.pop_next()
        picked = self._pick_order(number, time_ms)
        if picked:
            order, freight = picked
            details = {**_draw_route(self._dispatch_spec, self._dispatch_arrivals.stream, number), **freight}
            self._pending.append((DISPATCH, order, time_ms, {"event_type": "order_dispatched"}, details))
            if self.listener is not None and self._is_own(order):
                self.listener(DispatchedOrder(order_id(order), time_ms, details))

    def _pick_order(self, number: int, time_ms: int) -> tuple[int, dict[str, list[str]]] | None:
        """Return the order that a dispatch takes, and the fields on its freight; None if there is none to take."""
        if self._flow:
            shipped = self._flow.ship(time_ms) if self._is_own(number) else None
            return (shipped[0], {"unit_ids": shipped[1]}) if shipped else None
        order = self._oldest_open
        if order == self._order_arrivals.number:
            return None
        self._oldest_open += 1
        return order, {}

    def _is_own(self, number: int) -> bool:
        """Return whether the order, or the dispatch, of that number belongs to this shard."""
        return number % self._shards == self._shard - 1

    def _messages_of(
        self, kind: str, order: int, time_ms: int, head: Mapping[str, str], tail: Mapping[str, Any]
    ) -> list[Message]:
        """Return the message of an event, if it is this shard's. Sequences count the events of all shards."""
        self._sequences[kind] += 1
        if not self._is_own(order):
            return []
        self.message_counts[kind] += 1
        payload = self._timestamp_prefix(time_ms) + orjson.dumps({**head, "order_id": order_id(order), **tail})[1:]
        return [Message(kind, kind, None, time_ms, self._sequences[kind], payload)]


def _draw_items(spec: CustomerOrder, stream: RandomStream, number: int) -> list[dict[str, Any]]:
    how_many_at, *products_at = stream.draws(b"products", number)
    left = list(spec.product_types)
    how_many = 1 + int(how_many_at * min(MOST_ITEMS, len(left)))
    products = [left.pop(int(at * len(left))) for at in products_at[:how_many]]
    quantities_at = stream.draws(b"quantities", number)
    return [
        {"product_type": product, "quantity": whole_between(*spec.quantity_range(product), at)}
        for product, at in zip(products, quantities_at, strict=False)
    ]


def _draw_route(spec: Dispatch, stream: RandomStream, number: int) -> dict[str, str]:
    destination_at, carrier_at, _, _ = stream.draws(b"way", number)
    destination = spec.destinations[int(destination_at * len(spec.destinations))]
    return {"destination": destination, "carrier": spec.carriers[int(carrier_at * len(spec.carriers))]}
