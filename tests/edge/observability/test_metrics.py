"""Facts about the statistics block and the Prometheus metrics."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from edge.delivery.queue import Ledger, MessageQueue
from edge.lateness import Lateness
from edge.observability.metrics import make_registry
from edge.observability.statistics import Statistics, statistics_block
from edge.status import ConnectionStatus, ReloadStatus
from edge.status_source import StatusSource
from plant.telemetry import KindOee, Message, Snapshot
from tests.edge.fixed_status import FixedStatus

SNAPSHOT = Snapshot(
    time_ms=0,
    rows={"cnc_machine": 12},
    states={("cnc_machine", "running"): 5, ("painting", "idle"): 1},
    jobs={("cnc_machine", "good"): 40, ("cnc_machine", "scrap"): 2},
    open_orders=3,
    alarm_events={("press", "temperature.high", "raised"): 7, ("press", "temperature.high", "cleared"): 6},
    active_alarms={("press", "warning"): 1},
    active_faults={("press", "leak"): 2},
    ended_faults={("press", "leak"): 7},
)
OEE = KindOee(
    kind="cnc_machine",
    machines=5,
    planned_seconds=1000.0,
    producing_seconds=700.0,
    stopped_seconds={"idle": 300.0},
    ideal_seconds=560.0,
    results={"good": 42, "scrap": 14},
    good=42,
)
CONNECTED = ConnectionStatus(connected=True, connects=3, token_renewals=2, token_expiry=1795210380.0)


def ledger() -> Ledger:
    """450 acknowledged, one refused, one dropped, five queued, two in flight."""
    outbox = MessageQueue(1000)
    for number in range(459):
        outbox.offer(Message("cnc_machine", "CNC-01", None, number, number, b"{}"))
    for _ in range(450):
        outbox.acknowledged(*outbox.take(1))
    outbox.refused(outbox.take(1)[0], 0x97)
    outbox.discard(outbox.take(1)[0], "too_large")
    outbox.take(2)
    return outbox.ledger


def registry(
    reloads: Callable[[], ReloadStatus] = lambda: ReloadStatus(accepted=1, refused=2, last_success=5.0), **changes: Any
) -> CollectorRegistry:
    """The metrics of a known moment, with some changes of its status."""
    return registry_of(FixedStatus(**{**known_moment(), **changes}), reloads)


def registry_of(source: StatusSource, reloads: Callable[[], ReloadStatus] = ReloadStatus) -> CollectorRegistry:
    """The metrics of a status source."""
    return make_registry(source, reloads, queue_size=1000, version="0.1.0")


def known_moment() -> dict[str, Any]:
    """The fields of a status in which each figure differs from all others."""
    lateness = Lateness()
    for seconds in (0.0005, 0.3, 60.0):
        lateness.observe(seconds)
    return {"ledger": ledger(), "connected": CONNECTED, "plant": SNAPSHOT, "kinds": [OEE], "lateness": lateness}


def test_the_block_begins_with_the_five_lines_that_others_parse() -> None:
    """Form, indent and decimals are fixed; sent is acknowledged, failed is refused and dropped."""
    block = statistics_block(120.4, ledger(), CONNECTED)

    assert block.startswith(
        "📊 Statistics (Uptime: 120s)\n"
        "   Messages Sent: 450\n"
        "   Messages Failed: 2\n"
        "   Queue Depth: 5\n"
        "   Message Rate: 3.74 msg/sec\n"
    )


def test_the_block_goes_on_with_what_else_there_is_to_say() -> None:
    """Refusals by code, drops by reason, flight, connection, recent rate, and lateness above a second."""
    block = statistics_block(120, ledger(), CONNECTED, recent_rate=4.0, lateness_seconds=2.34)

    assert block.splitlines()[5:] == [
        "   Recent Rate: 4.00 msg/sec",
        "   In Flight: 2",
        "   Connection: connected (reconnects: 2, token renewals: 2)",
        "   Refused: 1 0x97",
        "   Dropped: 1 too_large",
        "   Lateness: 2.3 s",
    ]


def test_faults_have_a_line_and_metrics_only_where_some_type_has_them() -> None:
    """The block has their number, also none; metrics have those that go on, and those that have ended."""
    found, usual = registry(), registry(plant=replace(SNAPSHOT, active_faults={}, ended_faults={}))
    labels = {"kind": "press", "fault": "leak"}

    assert statistics_block(120, ledger(), CONNECTED, active_faults=0).splitlines()[-1] == "   Active faults: 0"
    assert "faults" not in statistics_block(120, ledger(), CONNECTED)
    assert found.get_sample_value("edgemqttsim_active_faults", labels) == 2
    assert found.get_sample_value("edgemqttsim_fault_episodes_total", labels) == 7
    assert [family.name for family in usual.collect() if "fault" in family.name] == []


def test_a_block_without_troubles_says_little() -> None:
    """Nothing is refused, dropped or late: no lines about it; and no division by an uptime of zero."""
    block = statistics_block(0, Ledger(), ConnectionStatus(), lateness_seconds=0.9)

    assert block.splitlines()[4:] == [
        "   Message Rate: 0.00 msg/sec",
        "   In Flight: 0",
        "   Connection: not connected, connecting (reconnects: 0, token renewals: 0)",
    ]


def test_the_log_gets_the_block_and_the_same_figures_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    """The recent rate is that since the block before; the worst lateness is told once."""
    figures, lateness = ledger(), Lateness()
    said = Statistics(FixedStatus(ledger=figures, connected=CONNECTED, lateness=lateness))
    lateness.observe(1.5)
    with caplog.at_level(logging.INFO):
        said.log(100)
        figures.acknowledged += 30
        said.log(110)

    first, second = (vars(record) for record in caplog.records)
    assert first["message"] == "statistics"
    assert first["block"].startswith("📊 Statistics (Uptime: 100s)")
    assert (first["messages_sent"], first["refused"], first["in_flight"]) == (450, {"0x97": 1}, 2)
    assert (first["recent_rate_per_second"], second["recent_rate_per_second"]) == (None, 3.0)
    assert (first["worst_lateness_seconds"], second["worst_lateness_seconds"]) == (1.5, 0.0)


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("messages_generated_total", {"kind": "cnc_machine"}, 459),
        ("messages_acknowledged_total", {"kind": "cnc_machine"}, 450),
        ("messages_refused_total", {"code": "0x97"}, 1),
        ("messages_dropped_total", {"reason": "too_large"}, 1),
        ("queue_messages", {}, 5),
        ("queue_size_messages", {}, 1000),
        ("in_flight_messages", {}, 2),
        ("connected", {}, 1),
        ("connects_total", {}, 3),
        ("reconnects_total", {}, 2),
        ("token_renewals_total", {}, 2),
        ("token_expiry_timestamp_seconds", {}, 1795210380),
        ("reloads_total", {"outcome": "accepted"}, 1),
        ("reloads_total", {"outcome": "refused"}, 2),
        ("last_reload_success_timestamp_seconds", {}, 5),
        ("machines", {"kind": "cnc_machine", "state": "running"}, 5),
        ("jobs_finished_total", {"kind": "cnc_machine", "result": "scrap"}, 2),
        ("open_orders", {}, 3),
        ("planned_seconds_total", {"kind": "cnc_machine"}, 1000),
        ("producing_seconds_total", {"kind": "cnc_machine"}, 700),
        ("stopped_seconds_total", {"kind": "cnc_machine", "state": "idle"}, 300),
        ("ideal_seconds_total", {"kind": "cnc_machine"}, 560),
        ("availability_ratio", {"kind": "cnc_machine"}, 0.7),
        ("performance_ratio", {"kind": "cnc_machine"}, 0.8),
        ("quality_ratio", {"kind": "cnc_machine"}, 0.75),
        ("oee_ratio", {"kind": "cnc_machine"}, 0.7 * 0.8 * 0.75),
        ("build_info", {"version": "0.1.0"}, 1),
        ("lateness_seconds_bucket", {"le": "0.001"}, 1),
        ("lateness_seconds_bucket", {"le": "0.5"}, 2),
        ("lateness_seconds_bucket", {"le": "+Inf"}, 3),
        ("lateness_seconds_count", {}, 3),
    ],
)
def test_a_scrape_shows_what_is_true_now(name: str, labels: dict[str, str], value: float) -> None:
    """Samples come from ledger, snapshot and facts at the time of the scrape."""
    assert registry().get_sample_value(f"edgemqttsim_{name}", labels) == value


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("acknowledged", {"kind": "cnc_machine"}),
        ("refused", {"code": "0x87"}),
        ("dropped", {"reason": "oldest"}),
        ("dropped", {"reason": "no_topic"}),
    ],
)
def test_what_has_not_happened_yet_is_counted_as_nothing(name: str, labels: dict[str, str]) -> None:
    """So that a rate sees the first time, too."""
    said = MessageQueue(10)
    said.offer(Message("cnc_machine", "CNC-01", None, 1, 1, b"{}"))

    assert registry(ledger=said.ledger).get_sample_value(f"edgemqttsim_messages_{name}_total", labels) == 0


def test_what_is_unknown_has_no_sample() -> None:
    """No token, no acknowledgement, no load yet: no number that one could take for one."""
    metrics = registry(ReloadStatus, connected=ConnectionStatus())

    for name in ("token_expiry_timestamp_seconds", "last_acknowledgement_age_seconds"):
        assert metrics.get_sample_value(f"edgemqttsim_{name}") is None
    assert metrics.get_sample_value("edgemqttsim_last_reload_success_timestamp_seconds") is None
    assert metrics.get_sample_value("edgemqttsim_connected") == 0


def names_and_types() -> Iterator[tuple[str, str, str]]:
    """What a scrape says of each of our metrics: name, type, help."""
    for family in text_string_to_metric_families(generate_latest(registry()).decode()):
        if family.name.startswith("edgemqttsim"):
            yield family.name, family.type, family.documentation


def test_names_follow_the_practice_of_prometheus() -> None:
    """Snake case, base units, help for each, and no gauge that pretends to be a counter."""
    found = list(names_and_types())

    assert len(found) > 15
    for name, kind, text in found:
        assert re.fullmatch(r"edgemqttsim(_[a-z]+)+", name)
        assert text.endswith(".")
        assert kind in {"counter", "gauge", "histogram"}
        assert not name.endswith("_total") or kind == "counter"
        assert not re.search(r"_(ms|milliseconds|minutes|percent)\b", name)


def test_the_process_itself_is_measured() -> None:
    """Memory, and when it started."""
    metrics = registry()

    assert (metrics.get_sample_value("process_resident_memory_bytes") or 0) > 1e6
    assert (metrics.get_sample_value("process_start_time_seconds") or 0) > 1e9


def test_two_registries_do_not_disturb_one_another() -> None:
    """Nothing is kept in a registry of the whole process."""
    registry()

    assert registry().get_sample_value("edgemqttsim_connects_total") == 3
