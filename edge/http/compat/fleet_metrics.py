"""The metrics of a simulator of sensors, by the names that it has for them: a series for each device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edge.status_source import StatusSource


class FleetCollector(Collector):
    """Makes samples at each scrape, from the ledger: of each device, what the broker has acknowledged.

    running: devices now.  began: when the counts began, in Unix seconds, if that is known.
    """

    def __init__(self, source: StatusSource, began: float | None) -> None:
        self._source, self._began, self.running = source, began, 0

    def describe(self) -> Iterable[Metric]:
        """Return no metrics in advance, as our own do not."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield both metrics as of now."""
        sent = CounterMetricFamily("mqtt_sent", "Messages that the broker has acknowledged.", labels=["device_id"])
        for device, count in self._source.ledger.acknowledged_by_machine.items():
            sent.add_metric([device], count, created=self._began)
        yield sent
        yield GaugeMetricFamily("running_devices", "Devices that run.", self.running)
