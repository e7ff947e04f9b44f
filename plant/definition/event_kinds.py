"""The kinds of message in `message_types` that are no machine types: orders, dispatches, and two kinds of report."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from plant.definition.document.value_types import CountRange, EventsPerHour, Name, Names, PeriodSeconds, Spec, Topic

_ENABLED: Final = "false switches these messages off."
_TOPIC: Final = "MQTT topic in place of the usual one, over {prefix} and {type}."


class CustomerOrder(Spec):
    """Orders: Poisson arrivals, one to three products each."""

    enabled: bool = Field(True, description=_ENABLED)
    orders_per_hour: EventsPerHour = Field(description="Orders in an hour on average, placed at random.")
    product_types: Names = Field(description="Products that are ordered, each as likely as the others.")
    quantity_ranges: dict[Name, CountRange] = Field(
        {}, description="Pieces of a product in one order: [fewest, most]; one where a product is left out."
    )
    topic: Topic | None = Field(None, description=_TOPIC)

    def quantity_range(self, product_type: str) -> tuple[int, int]:
        """Return the fewest and the most pieces of a product in one order."""
        return self.quantity_ranges.get(product_type, (1, 1))


class Dispatch(Spec):
    """Dispatches: Poisson arrivals, each takes the oldest order not yet dispatched."""

    enabled: bool = Field(True, description=_ENABLED)
    dispatches_per_hour: EventsPerHour = Field(
        description="Dispatches in an hour on average; each takes the oldest open order, if there is one."
    )
    destinations: Names = Field(description="Destinations of the shipments, each as likely as the others.")
    carriers: Names = Field(description="Carriers of the shipments, each as likely as the others.")
    topic: Topic | None = Field(None, description=_TOPIC)


class OeeReport(Spec):
    """OEE reports: the true figures of each machine as retained messages, every `report_seconds`; off by default."""

    enabled: bool = Field(False, description="true switches these messages on.")
    report_seconds: PeriodSeconds = Field(60.0, description="Seconds between two messages of a machine.")
    topic: Topic | None = Field(None, description=_TOPIC)


class FaultLabelsReport(Spec):
    """Labels of faults: a retained message of the machine when an episode begins or ends; off by default."""

    enabled: bool = Field(False, description="true switches these messages on.")
    topic: Topic | None = Field(None, description=_TOPIC)
