"""Metrics of the connections of machines, in sums: their number does not grow with the plant."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from edge.status import DeviceStatus


def of_devices(devices: DeviceStatus) -> Iterator[Metric]:
    """Yield the metrics of a plant of which each machine has a connection of its own."""
    yield GaugeMetricFamily("edgemqttsim_connections", "Connections that there are to be.", devices.wanted)
    yield GaugeMetricFamily("edgemqttsim_connections_up", "Connections that are up now.", devices.up)
    yield GaugeMetricFamily(
        "edgemqttsim_connections_refused", "Machines that the broker refuses for a reason that stays.", devices.refused
    )
    yield CounterMetricFamily(
        "edgemqttsim_wills_expected",
        "Connections that ended without our DISCONNECT, for each of which the broker publishes a will.",
        devices.wills_expected,
    )
    yield CounterMetricFamily(
        "edgemqttsim_sessions_resumed", "Connections for which the broker had kept the session.", devices.resumed
    )
    yield HistogramMetricFamily(
        "edgemqttsim_connect_seconds",
        "Time from the start of an attempt to connect to CONNACK, of those that succeeded.",
        devices.connect_seconds,
        devices.connect_seconds_sum,
    )
