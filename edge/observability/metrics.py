"""The Prometheus metrics of the process.

They are computed at each scrape from a status source; nothing is counted twice. Labels name machine types, never
machines, so that the number of series does not grow with the plant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from edge.delivery.queue import NO_TOPIC, TOO_LARGE, Ledger
from edge.lateness import Lateness
from edge.observability.command_metrics import of_commands
from edge.observability.device_metrics import of_devices
from edge.observability.statistics import refused_by_code
from edge.status import ClockStatus, ConnectionStatus, ReloadStatus
from edge.status_source import StatusSource
from plant.telemetry import KindOee, Snapshot

Commands = Mapping[tuple[str, str], int]
"""Commands by the way that they came, and by outcome."""


def make_registry(
    source: StatusSource,
    reloads: Callable[[], ReloadStatus],
    *,
    queue_size: int,
    version: str,
    commands: Commands = MappingProxyType({}),
) -> CollectorRegistry:
    """Return a registry of our metrics and those of the process: memory, CPU, file descriptors, start time.

    commands: their counts, which go on; those over MQTT are in the status of the connection, and not taken from here.
    """
    # Not the library's own registry: that one belongs to the whole process, and tests would share it.
    registry = CollectorRegistry()
    registry.register(SimulatorCollector(source, reloads, commands, queue_size=queue_size, version=version))
    ProcessCollector(registry=registry)
    return registry


class SimulatorCollector(Collector):
    """Makes samples from a status source at each scrape."""

    def __init__(
        self,
        source: StatusSource,
        reloads: Callable[[], ReloadStatus],
        commands: Commands,
        *,
        queue_size: int,
        version: str,
    ) -> None:
        self._source, self._reloads, self._commands = source, reloads, commands
        self._queue_size, self._version = queue_size, version

    def describe(self) -> Iterable[Metric]:
        """Return no metrics in advance: registering must not read the plant."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics as of now."""
        source = self._source
        yield InfoMetricFamily("edgemqttsim_build", "The software that runs.", {"version": self._version})
        yield from _of_messages(source.ledger, self._queue_size)
        yield from _of_connection(source.connection())
        yield from _of_reloads(self._reloads())
        yield from of_commands(self._commands, source.connection().commands)
        yield from _of_plant(source.snapshot())
        yield from _of_oee(source.oee_by_kind())
        yield _of_lateness(source.lateness)
        yield from _of_clock(source.clock())


def _of_messages(ledger: Ledger, queue_size: int) -> Iterator[Metric]:
    name = "edgemqttsim_messages"
    acknowledged = dict.fromkeys(ledger.generated_by_kind, 0) | ledger.acknowledged_by_kind
    refused = dict.fromkeys(_REFUSALS, 0) | refused_by_code(ledger.refused)
    dropped = dict.fromkeys(_DROPS, 0) | ledger.dropped
    by_kind = _labelled(ledger.generated_by_kind)
    yield _counters(f"{name}_generated", "Messages that the plant has emitted.", ["kind"], by_kind)
    yield _counters(
        f"{name}_acknowledged", "Messages that the broker has acknowledged.", ["kind"], _labelled(acknowledged)
    )
    yield _counters(
        f"{name}_refused",
        "Messages that the broker has rejected permanently, by PUBACK reason code.",
        ["code"],
        _labelled(refused),
    )
    yield _counters(f"{name}_dropped", "Messages dropped, by reason.", ["reason"], _labelled(dropped))
    yield GaugeMetricFamily("edgemqttsim_queue_messages", "Messages waiting to be sent.", ledger.queued)
    yield GaugeMetricFamily("edgemqttsim_queue_size_messages", "Capacity of the queue in messages.", queue_size)
    yield GaugeMetricFamily(
        "edgemqttsim_in_flight_messages", "Messages sent and not yet acknowledged.", ledger.in_flight
    )


def _of_connection(connection: ConnectionStatus) -> Iterator[Metric]:
    yield GaugeMetricFamily("edgemqttsim_connected", "1 while connected to the broker.", float(connection.connected))
    yield CounterMetricFamily("edgemqttsim_connects", "Connections that the broker has accepted.", connection.connects)
    yield CounterMetricFamily("edgemqttsim_reconnects", "Connections after the first.", connection.reconnects)
    yield CounterMetricFamily(
        "edgemqttsim_token_renewals", "Token refreshes on a live connection.", connection.token_renewals
    )
    yield _optional(
        "edgemqttsim_token_expiry_timestamp_seconds", "When the token expires, in Unix time.", connection.token_expiry
    )
    yield _optional(
        "edgemqttsim_last_acknowledgement_age_seconds",
        "Time since the last acknowledgement.",
        connection.last_ack_age_seconds,
    )
    if connection.devices is not None:
        yield from of_devices(connection.devices)


def _of_clock(clock: ClockStatus) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "edgemqttsim_clock_steps",
        "Times that the wall clock was set, or the machine slept, while the process ran.",
        clock.steps,
    )
    yield GaugeMetricFamily(
        "edgemqttsim_clock_ahead_seconds",
        "How far plant time is ahead of the wall clock that it follows.",
        clock.ahead_seconds,
    )


def _of_reloads(reloads: ReloadStatus) -> Iterator[Metric]:
    # Both from the start, as with refusals and drops.
    outcomes = _labelled({"accepted": reloads.accepted, "refused": reloads.refused})
    yield _counters("edgemqttsim_reloads", "Reloads of the plant's file, by outcome.", ["outcome"], outcomes)
    yield _optional(
        "edgemqttsim_last_reload_success_timestamp_seconds",
        "When the current configuration was loaded, in Unix time.",
        reloads.last_success,
    )


def _of_plant(snapshot: Snapshot) -> Iterator[Metric]:
    machines = GaugeMetricFamily("edgemqttsim_machines", "Machines now in a state.", labels=["kind", "state"])
    for labels, count in snapshot.states.items():
        machines.add_metric(labels, count)
    yield machines
    yield _counters(
        "edgemqttsim_jobs_finished", "Parts, assemblies and tests finished.", ["kind", "result"], snapshot.jobs.items()
    )
    yield GaugeMetricFamily("edgemqttsim_open_orders", "Orders placed and not yet dispatched.", snapshot.open_orders)
    if snapshot.alarm_events:
        yield from _of_alarms(snapshot)
    if snapshot.active_faults:
        yield from _of_faults(snapshot)


def _of_faults(snapshot: Snapshot) -> Iterator[Metric]:
    active = GaugeMetricFamily("edgemqttsim_active_faults", "Faults that machines have now.", labels=["kind", "fault"])
    for labels, count in snapshot.active_faults.items():
        active.add_metric(labels, count)
    yield active
    yield _counters(
        "edgemqttsim_fault_episodes", "Faults that have ended.", ["kind", "fault"], snapshot.ended_faults.items()
    )


def _of_alarms(snapshot: Snapshot) -> Iterator[Metric]:
    yield _counters(
        "edgemqttsim_alarm_events",
        "Alarms of signals raised and cleared.",
        ["kind", "alarm", "event"],
        snapshot.alarm_events.items(),
    )
    active = GaugeMetricFamily("edgemqttsim_active_alarms", "Alarms that are active now.", labels=["kind", "severity"])
    for labels, count in snapshot.active_alarms.items():
        active.add_metric(labels, count)
    yield active


def _of_oee(kinds: Sequence[KindOee]) -> Iterator[Metric]:
    for name, text in _MACHINE_SECONDS.items():
        values = [((each.kind,), getattr(each, name)) for each in kinds]
        yield _counters(f"edgemqttsim_{name}", text, ["kind"], values)
    stopped = [((each.kind, state), seconds) for each in kinds for state, seconds in each.stopped_seconds.items()]
    yield _counters(
        "edgemqttsim_stopped_seconds",
        "Machine time in states other than the producing one, by state.",
        ["kind", "state"],
        stopped,
    )
    for name, text in _RATIOS.items():
        family = GaugeMetricFamily(f"edgemqttsim_{name}_ratio", text, labels=["kind"])
        for each in kinds:
            if (value := getattr(each, name)) is not None:
                family.add_metric([each.kind], value)
        yield family


def _of_lateness(lateness: Lateness) -> Metric:
    return HistogramMetricFamily(
        "edgemqttsim_lateness_seconds",
        "How late a turn of the run loop was, against the earliest deadline it served.",
        lateness.buckets(),
        lateness.sum_seconds,
    )


# From the start, at 0: a rate over a series that appears with its first event misses that event.
_REFUSALS = ("0x80", "0x83", "0x87", "0x90", "0x91", "0x99")  # MQTT 5, 3.4.2.1; after 0x97 a message is sent again
_DROPS = ("oldest", "newest", TOO_LARGE, NO_TOPIC, "shutdown")

_MACHINE_SECONDS = {
    "planned_seconds": "Machine time except planned stops.",
    "producing_seconds": "Machine time in the producing state.",
    "ideal_seconds": "The shortest time in which the work done is possible.",
}
_RATIOS = {
    "availability": "Producing time / planned time, over the run (ISO 22400-2).",
    "performance": "Ideal time of the work done / producing time, over the run (ISO 22400-2: effectiveness).",
    "quality": "Good jobs / finished jobs, over the run (ISO 22400-2).",
    "oee": "Availability x performance x quality, over the run (ISO 22400-2).",
}


def _counters(name: str, text: str, labels: list[str], values: Iterable[tuple[Sequence[str], float]]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family


def _optional(name: str, text: str, value: float | None) -> Metric:
    """Return a gauge that has no sample while its value is unknown."""
    family = GaugeMetricFamily(name, text)
    if value is not None:
        family.add_metric([], value)
    return family


def _labelled(counts: Mapping[str, int]) -> list[tuple[Sequence[str], int]]:
    return [((key,), count) for key, count in counts.items()]
