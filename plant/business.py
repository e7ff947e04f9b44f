"""Orders and dispatches: Poisson arrivals, each by its own stream; a dispatch takes the oldest order still open.

Order numbers are consecutive and dispatched in turn, so the open orders are all that lie between two numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from plant.cadence import RowStart
from plant.machine import MS_A_JOB_NUMBER, NEVER
from plant.stream import Stream, exponential
from plant.structure import CustomerOrder, Dispatch, MessageTypes
from plant.telemetry import Message

HOUR_US: Final = 3_600_000_000
NEVER_US: Final = NEVER * 1000
MOST_ITEMS: Final = 3
ORDER, DISPATCH = "customer_order", "dispatch"
TOPICS: Final = {ORDER: "{prefix}/orders", DISPATCH: "{prefix}/dispatch"}
"""Default topic of each kind of event."""
NO_ORDERS: Final = CustomerOrder(enabled=False, orders_per_hour=0, product_types=("none",))
NO_DISPATCHES: Final = Dispatch(enabled=False, dispatches_per_hour=0, destinations=("none",), carriers=("none",))


class Arrivals:
    """When events of one kind arrive: exponential gaps, kept in microseconds so that no rate is biased by rounding.

    `number` is the next event's; numbers start, like those of jobs, at the tenths of a second since 1970.
    """

    def __init__(self, seed: int | str, name: str, begin_ms: int) -> None:
        self.stream = Stream(seed, name)
        self.number = self._gap = begin_ms // MS_A_JOB_NUMBER
        self._per_hour = 0.0
        self._next_us = NEVER_US

    @property
    def next_ms(self) -> int:
        """When the next event arrives: the first whole millisecond after it."""
        return self._next_us // 1000 + 1

    def tune(self, per_hour: float, now_ms: int) -> None:
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


class Business:
    """The plant's orders and dispatches. `rows` counts the messages by kind."""

    def __init__(self, seed: int | str, begin_ms: int) -> None:
        self._orders = Arrivals(seed, ORDER, begin_ms)
        self._dispatches = Arrivals(seed, DISPATCH, begin_ms)
        self._oldest_open = self._orders.number
        self._begin = RowStart()
        self.tune(MessageTypes(), begin_ms)
        self.rows = {ORDER: 0, DISPATCH: 0}

    @property
    def open_orders(self) -> int:
        """Orders placed and not yet dispatched."""
        return self._orders.number - self._oldest_open

    @property
    def next_ms(self) -> int:
        """When the next event arrives."""
        return min(self._orders.next_ms, self._dispatches.next_ms)

    def tune(self, types: MessageTypes, now_ms: int) -> None:
        """Follow other rates and contents from now on; open orders stay open."""
        self._order = types.customer_order or NO_ORDERS
        self._way = types.dispatch or NO_DISPATCHES
        self._orders.tune(self._order.enabled * self._order.orders_per_hour, now_ms)
        self._dispatches.tune(self._way.enabled * self._way.dispatches_per_hour, now_ms)

    def due(self, until_ms: int) -> list[Message]:
        """Every event up to a time, in order; of two in the same millisecond the order comes first."""
        rows: list[Message] = []
        while self.next_ms <= until_ms:
            ordered = self._orders.next_ms <= self._dispatches.next_ms
            rows += self._place() if ordered else self._dispatch()
        return rows

    def _place(self) -> list[Message]:
        time_ms, number = self._orders.take()
        items = _items(self._order, self._orders.stream, number)
        return [
            self._row(ORDER, time_ms, {"event_type": "order_placed", "order_id": _order_id(number), "items": items})
        ]

    def _dispatch(self) -> list[Message]:
        time_ms, number = self._dispatches.take()
        if not self.open_orders:
            return []
        order_id = _order_id(self._oldest_open)
        self._oldest_open += 1
        way = _way(self._way, self._dispatches.stream, number)
        return [self._row(DISPATCH, time_ms, {"event_type": "order_dispatched", "order_id": order_id, **way})]

    def _row(self, kind: str, time_ms: int, fields: Mapping[str, Any]) -> Message:
        self.rows[kind] += 1
        payload = self._begin(time_ms) + orjson.dumps(fields)[1:]
        return Message(kind, kind, None, time_ms, self.rows[kind], payload)


def _order_id(number: int) -> str:
    return f"ORD-{number % 10**10:010d}"


def _items(spec: CustomerOrder, stream: Stream, number: int) -> list[dict[str, Any]]:
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


def _way(spec: Dispatch, stream: Stream, number: int) -> dict[str, str]:
    destination_at, carrier_at, _, _ = stream.draws(b"way", number)
    destination = spec.destinations[int(destination_at * len(spec.destinations))]
    return {"destination": destination, "carrier": spec.carriers[int(carrier_at * len(spec.carriers))]}
