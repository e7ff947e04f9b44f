"""Alarms in metrics and statistics: only where a plant has some, and as sums over workers."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from prometheus_client.exposition import generate_latest

from edge.delivery.queue import Ledger
from edge.observability.statistics import Statistics, statistics_block
from edge.status import AlarmStatus, ConnectionStatus
from edge.workers.aggregation import sum_alarms, sum_snapshots
from tests.edge.fixed_status import NOTHING_YET, FixedStatus
from tests.edge.observability.test_metrics import registry_of

PLANT = replace(
    NOTHING_YET,
    alarm_events={("press", "temperature.high", "raised"): 7, ("press", "temperature.high", "cleared"): 5},
    active_alarms={("press", "warning"): 2, ("oven", "warning"): 0, ("oven", "critical"): 1},
)
STATUS = AlarmStatus(declared=True, raised=7, cleared=5, active={"warning": 2, "critical": 1})


def test_metrics_count_alarms_by_event_and_active_ones_by_severity() -> None:
    """Labels name types and alarms, never machines."""
    found = registry_of(FixedStatus(plant=PLANT))
    labels = {"kind": "press", "alarm": "temperature.high", "event": "raised"}

    assert found.get_sample_value("edgemqttsim_alarm_events_total", labels) == 7
    assert found.get_sample_value("edgemqttsim_active_alarms", {"kind": "oven", "severity": "critical"}) == 1
    assert found.get_sample_value("edgemqttsim_active_alarms", {"kind": "oven", "severity": "warning"}) == 0


def test_a_plant_without_alarms_has_no_metrics_of_them() -> None:
    """Nor a line in the statistics."""
    assert b"alarm" not in generate_latest(registry_of(FixedStatus()))
    assert "Alarms" not in statistics_block(1.0, Ledger(), ConnectionStatus())


def test_alarms_of_a_plant_are_summed_over_its_types() -> None:
    """For the statistics."""
    assert AlarmStatus.of(PLANT) == STATUS


@pytest.mark.parametrize(
    ("active", "words"),
    [({"warning": 2, "critical": 1}, "3 active (2 warning, 1 critical)"), ({"warning": 0}, "0 active")],
)
def test_the_statistics_have_a_line_on_alarms(active: dict[str, int], words: str) -> None:
    """How many are active, and how many there were."""
    block = statistics_block(1.0, Ledger(), ConnectionStatus(), alarms=replace(STATUS, active=active))

    assert block.splitlines()[-1] == f"   Alarms: {words}, 7 raised, 5 cleared"


def test_the_log_has_alarms_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    """Where there are any."""
    with caplog.at_level(logging.INFO):
        Statistics(FixedStatus(plant=PLANT)).log(1.0)
        Statistics(FixedStatus()).log(1.0)
    first, second = (vars(record) for record in caplog.records)

    assert (first["alarms_raised"], first["alarms_cleared"]) == (7, 5)
    assert first["alarms_active"] == {"warning": 2, "critical": 1}
    assert "alarms_raised" not in second


def test_workers_have_the_sum_of_their_alarms() -> None:
    """Zeros are kept, so that a series begins before its first event."""
    summed = sum_snapshots([PLANT, PLANT])

    assert summed.alarm_events["press", "temperature.high", "raised"] == 14
    assert summed.active_alarms == {("press", "warning"): 4, ("oven", "warning"): 0, ("oven", "critical"): 2}
    assert sum_alarms([STATUS, STATUS]) == AlarmStatus(True, 14, 10, {"warning": 4, "critical": 2})
