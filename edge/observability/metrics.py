"""The figures of the process: the statistics block of the log, and the Prometheus metrics.

Both are computed when asked for, from the ledger, the plant's snapshot and the connection's facts; nothing is counted
twice. Labels name machine types, never machines, so that the number of series does not grow with the plant.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

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
from edge.status import NO_STEPS, ClockStatus, ConnectionStatus, ReloadStatus
from plant.telemetry import KindOee, Snapshot

log = logging.getLogger("statistics")

_LATE_SECONDS = 1.0


class Lateness:
    """By how much the run loop was behind its deadlines, in seconds: a histogram over the whole run, and the worst."""

    BOUNDS = (0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 30.0)

    def __init__(self) -> None:
        self.sum_seconds = 0.0
        self._worst = 0.0
        self._counts = [0] * (len(self.BOUNDS) + 1)

    def observe(self, seconds: float) -> None:
        """Note how late one turn of the run loop was; early is 0."""
        late = max(0.0, seconds)
        self.sum_seconds += late
        self._worst = max(self._worst, late)
        self._counts[bisect_left(self.BOUNDS, late)] += 1

    def take_worst(self) -> float:
        """Give the worst since this was last asked."""
        worst, self._worst = self._worst, 0.0
        return worst

    def worsen(self, seconds: float) -> None:
        """Take note of a worst that another has measured."""
        self._worst = max(self._worst, seconds)

    def become_sum_of(self, parts: Sequence[Lateness]) -> None:
        """Take over the histograms of all parts; each has at least one."""
        self.sum_seconds = sum(part.sum_seconds for part in parts)
        self._counts = [sum(counts) for counts in zip(*(part._counts for part in parts), strict=True)]  # noqa: SLF001

    def buckets(self) -> list[tuple[str, float]]:
        """List upper bounds and how many turns were at most that late."""
        names = (*map(str, self.BOUNDS), "+Inf")
        return list(zip(names, accumulate(map(float, self._counts)), strict=True))


def statistics(
    uptime_seconds: float,
    ledger: Ledger,
    connection: ConnectionStatus,
    *,
    recent_rate: float | None = None,
    lateness_seconds: float = 0.0,
    clock: ClockStatus = NO_STEPS,
) -> str:
    """Write the statistics block: five lines whose form others parse, then what else there is to say.

    recent_rate: acknowledged messages per second since the block before.  lateness_seconds: the worst since then.
    """
    lines = [
        f"📊 Statistics (Uptime: {uptime_seconds:.0f}s)",
        f"Messages Sent: {ledger.sent}",
        f"Messages Failed: {ledger.failed}",
        f"Queue Depth: {ledger.queued}",
        f"Message Rate: {_rate(ledger.sent, uptime_seconds):.2f} msg/sec",
        *_further_lines(ledger, connection, recent_rate, lateness_seconds, clock),
    ]
    return "\n   ".join(lines)


def _further_lines(
    ledger: Ledger,
    connection: ConnectionStatus,
    recent_rate: float | None,
    lateness_seconds: float,
    clock: ClockStatus,
) -> Iterator[str]:
    if recent_rate is not None:
        yield f"Recent Rate: {recent_rate:.2f} msg/sec"
    yield f"In Flight: {ledger.in_flight}"
    if connection.clients:
        yield f"Connection: {_in_words(connection)}"
    if ledger.refused.total():
        yield f"Refused: {_listed(_by_code(ledger.refused))}"
    if ledger.dropped.total():
        yield f"Dropped: {_listed(ledger.dropped)}"
    if lateness_seconds > _LATE_SECONDS:
        yield f"Lateness: {lateness_seconds:.1f} s"
    if clock.steps:
        yield f"Clock: steps={clock.steps} ahead={round(clock.ahead_seconds, 1) + 0.0:.1f}s"


class Statistics:
    """Logs the statistics block, and remembers what the interval's figures are measured from."""

    def __init__(
        self,
        ledger: Ledger,
        connection: Callable[[], ConnectionStatus],
        lateness: Lateness,
        clock: Callable[[], ClockStatus] = ClockStatus,
    ) -> None:
        self._ledger, self._connection, self._lateness, self._clock = ledger, connection, lateness, clock
        self._before: tuple[float, int] | None = None

    def log(self, uptime_seconds: float) -> None:
        """Log one block; in JSON one event `statistics` with the figures as fields."""
        connection, clock, worst = self._connection(), self._clock(), self._lateness.take_worst()
        recent = self._recent_rate(uptime_seconds)
        block = statistics(
            uptime_seconds, self._ledger, connection, recent_rate=recent, lateness_seconds=worst, clock=clock
        )
        fields = {
            "uptime_seconds": round(uptime_seconds, 3),
            **ledger_fields(self._ledger),
            "rate_per_second": round(_rate(self._ledger.sent, uptime_seconds), 3),
            "recent_rate_per_second": recent and round(recent, 3),
            **_connection_fields(connection),
            "worst_lateness_seconds": round(worst, 3),
            "clock_steps": clock.steps,
            "clock_ahead_seconds": round(clock.ahead_seconds, 3),
        }
        log.info("statistics", extra={"block": block, **fields})

    def _recent_rate(self, uptime_seconds: float) -> float | None:
        # The first block has no interval before it; its rate would only repeat the line above.
        before, self._before = self._before, (uptime_seconds, self._ledger.sent)
        return _rate(self._ledger.sent - before[1], uptime_seconds - before[0]) if before else None


def _connection_fields(facts: ConnectionStatus) -> dict[str, object]:
    """Nothing where there is no client, as in a dry run."""
    if not facts.clients:
        return {}
    return {"connected": facts.connected, "reconnects": facts.reconnects, "token_renewals": facts.token_renewals}


def ledger_fields(ledger: Ledger) -> dict[str, object]:
    """Give the ledger as plain values, for JSON."""
    return {
        "messages_generated": ledger.generated,
        "messages_sent": ledger.sent,
        "messages_failed": ledger.failed,
        "refused": dict(_by_code(ledger.refused)),
        "dropped": dict(ledger.dropped),
        "queue_depth": ledger.queued,
        "in_flight": ledger.in_flight,
    }


@dataclass(frozen=True, kw_only=True)
class MetricSources:
    """What the metrics are computed from, at each scrape."""

    ledger: Ledger
    queue_size: int
    version: str
    snapshot: Callable[[], Snapshot]
    connection: Callable[[], ConnectionStatus]
    reloads: Callable[[], ReloadStatus]
    oee: Callable[[], Iterable[KindOee]] = tuple
    lateness: Lateness = field(default_factory=Lateness)
    clock: Callable[[], ClockStatus] = ClockStatus


def make_registry(watched: MetricSources) -> CollectorRegistry:
    """Make a registry of our metrics and those of the process: memory, CPU, file descriptors, start time."""
    # Not the library's own registry: that one belongs to the whole process, and tests would share it.
    registry = CollectorRegistry()
    registry.register(PlantCollector(watched))
    ProcessCollector(registry=registry)
    return registry


class PlantCollector(Collector):
    """Turns what it watches into samples, each time it is scraped."""

    def __init__(self, watched: MetricSources) -> None:
        self._watched = watched

    def describe(self) -> Iterable[Metric]:
        """Name no metrics in advance: registering must not look at the plant."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics as of now."""
        watched = self._watched
        yield InfoMetricFamily("edgemqttsim_build", "The software that runs.", {"version": watched.version})
        yield from _of_messages(watched.ledger, watched.queue_size)
        yield from _of_connection(watched.connection())
        yield from _of_reloads(watched.reloads())
        yield from _of_plant(watched.snapshot())
        yield from _of_oee(list(watched.oee()))
        yield HistogramMetricFamily(
            "edgemqttsim_lateness_seconds",
            "How late a turn of the run loop was, against the earliest deadline it served.",
            watched.lateness.buckets(),
            watched.lateness.sum_seconds,
        )
        yield from _of_clock(watched.clock())


def _of_messages(ledger: Ledger, queue_size: int) -> Iterator[Metric]:
    name = "edgemqttsim_messages"
    acknowledged = dict.fromkeys(ledger.generated_by_kind, 0) | ledger.acknowledged_by_kind
    refused = dict.fromkeys(_REFUSALS, 0) | _by_code(ledger.refused)
    dropped = dict.fromkeys(_DROPS, 0) | ledger.dropped
    yield _counters(f"{name}_generated", "Messages the plant has said.", ["kind"], _by_one(ledger.generated_by_kind))
    yield _counters(f"{name}_acknowledged", "Messages the broker has taken.", ["kind"], _by_one(acknowledged))
    yield _counters(
        f"{name}_refused",
        "Messages the broker has refused for good, by PUBACK reason code.",
        ["code"],
        _by_one(refused),
    )
    yield _counters(f"{name}_dropped", "Messages given up, by reason.", ["reason"], _by_one(dropped))
    yield GaugeMetricFamily("edgemqttsim_queue_messages", "Messages waiting to be sent.", ledger.queued)
    yield GaugeMetricFamily("edgemqttsim_queue_size_messages", "Messages the queue can hold.", queue_size)
    yield GaugeMetricFamily("edgemqttsim_in_flight_messages", "Messages sent and not yet answered.", ledger.in_flight)


def _of_connection(facts: ConnectionStatus) -> Iterator[Metric]:
    yield GaugeMetricFamily("edgemqttsim_connected", "1 while connected to the broker.", float(facts.connected))
    yield CounterMetricFamily("edgemqttsim_connects", "Connections the broker has accepted.", facts.connects)
    yield CounterMetricFamily("edgemqttsim_reconnects", "Connections after the first.", facts.reconnects)
    yield CounterMetricFamily(
        "edgemqttsim_token_renewals", "Tokens renewed on a live connection.", facts.token_renewals
    )
    yield _known(
        "edgemqttsim_token_expiry_timestamp_seconds", "When the token expires, in Unix time.", facts.token_expiry
    )
    yield _known(
        "edgemqttsim_last_acknowledgement_age_seconds",
        "Time since the last acknowledgement.",
        facts.last_ack_age_seconds,
    )


def _of_clock(facts: ClockStatus) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "edgemqttsim_clock_steps", "Times the wall clock was set, or the machine slept, while we ran.", facts.steps
    )
    yield GaugeMetricFamily(
        "edgemqttsim_clock_ahead_seconds",
        "By how much plant time is ahead of the wall clock that it follows.",
        facts.ahead_seconds,
    )


def _of_reloads(facts: ReloadStatus) -> Iterator[Metric]:
    # Both from the start, as with refusals and drops.
    outcomes = _by_one({"accepted": facts.accepted, "refused": facts.refused})
    yield _counters("edgemqttsim_reloads", "Reloads of the plant's file, by outcome.", ["outcome"], outcomes)
    yield _known(
        "edgemqttsim_last_reload_success_timestamp_seconds",
        "When the plant in force was loaded, in Unix time.",
        facts.last_success,
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


def _of_oee(kinds: Sequence[KindOee]) -> Iterator[Metric]:
    for name, text in _MACHINE_SECONDS.items():
        values = [((each.kind,), getattr(each, name)) for each in kinds]
        yield _counters(f"edgemqttsim_{name}", text, ["kind"], values)
    stopped = [((each.kind, state), seconds) for each in kinds for state, seconds in each.stopped_seconds.items()]
    yield _counters("edgemqttsim_stopped_seconds", "Machine time in each other state.", ["kind", "state"], stopped)
    for name, text in _RATIOS.items():
        family = GaugeMetricFamily(f"edgemqttsim_{name}_ratio", text, labels=["kind"])
        for each in kinds:
            if (value := getattr(each, name)) is not None:
                family.add_metric([each.kind], value)
        yield family


# From the start, at 0: a rate over a series that appears with its first event misses that event.
_REFUSALS = ("0x80", "0x83", "0x87", "0x90", "0x91", "0x99")  # MQTT 5, 3.4.2.1; after 0x97 a message is sent again
_DROPS = ("oldest", "newest", TOO_LARGE, NO_TOPIC, "shutdown")

_MACHINE_SECONDS = {
    "planned_seconds": "Machine time but for planned stops.",
    "producing_seconds": "Machine time in the producing state.",
    "ideal_seconds": "The least time that the work done could take.",
}
_RATIOS = {
    "availability": "Producing time of planned time, over the run (ISO 22400-2).",
    "performance": "Ideal time of producing time, over the run (ISO 22400-2: effectiveness).",
    "quality": "Good jobs of all finished, over the run (ISO 22400-2).",
    "oee": "Availability x performance x quality, over the run (ISO 22400-2).",
}


def _counters(name: str, text: str, labels: list[str], values: Iterable[tuple[Sequence[str], float]]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family


def _known(name: str, text: str, value: float | None) -> Metric:
    """A gauge that has no sample while its value is unknown."""
    family = GaugeMetricFamily(name, text)
    if value is not None:
        family.add_metric([], value)
    return family


def _by_one(counts: Mapping[str, int]) -> list[tuple[Sequence[str], int]]:
    return [((key,), count) for key, count in counts.items()]


def _by_code(refused: Counter[int]) -> dict[str, int]:
    return {f"0x{code:02X}": count for code, count in sorted(refused.items())}


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {key}" for key, count in counts.items())


def _rate(count: int, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0


def _in_words(facts: ConnectionStatus) -> str:
    state = "connected" if facts.connected else f"not connected, {facts.last_reason}"
    return f"{state} (reconnects: {facts.reconnects}, token renewals: {facts.token_renewals})"
