"""What a dashboard relies on, checked as a dashboard would: only by messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

import pytest

from tests.support.factory.plants import COUNTED, Row, by_machine, config, consecutive, job_id, only, result, rows, said

PERIOD_SECONDS = {"CNC": 5.0, "3DP": 10.0, "WELD": 5.0, "PAINT": 10 / 3, "TEST": 10.0}
PRODUCING = {"testing": "testing"}

HEAD = ["timestamp", "machine_id", "station_id", "status"]
KEYS = {
    "cnc_machine": [*HEAD, "part_type", "part_id", "cycle_time", "quality", "current_part_id"],
    "printer_3d": [*HEAD, "part_type", "part_id", "progress", "quality", "current_part_id"],
    "welding": [*HEAD, "assembly_id", "assembly_type", "last_cycle_time", "quality", "current_assembly_id"],
    "painting": [*HEAD, "part_id", "color", "cycle_time", "quality", "current_part_id"],
    "testing": [*HEAD, "target_id", "target_type", "test_result", "issues_found", "current_target_id"],
    "customer_order": ["timestamp", "event_type", "order_id", "items"],
    "dispatch": ["timestamp", "event_type", "order_id", "destination", "carrier"],
}
"""Of each kind, in order: message-spec's tables."""

BRISK = {"customer_order": {"orders_per_hour": 60.0}, "dispatch": {"dispatches_per_hour": 60.0}}


@pytest.fixture(scope="module")
def hours() -> dict[str, list[Row]]:
    """The messages of each machine in four hours of the default plant."""
    told = by_machine(said(config(), 4 * 3600))
    return {source: its for source, its in told.items() if "-" in source}


def at(row: Row) -> float:
    """Return a message's time in seconds since 1970."""
    return datetime.fromisoformat(row["timestamp"]).timestamp()


def everyone(hours: dict[str, list[Row]]) -> Iterator[Row]:
    """Return the messages of all machines."""
    return (row for its in hours.values() for row in its)


def cycle(row: Row) -> float | None:
    """Return the finished job's cycle time, of types that report it."""
    found: float | None = row.get("cycle_time", row.get("last_cycle_time"))
    return found


def current(row: Row) -> str:
    """The id of the job on the machine."""
    found: str = next(row[key] for key in row if key.startswith("current_"))
    return found


def test_keys_come_in_the_order_of_the_specification() -> None:
    """The same keys in every message of a kind, null or not."""
    told = said(config(**BRISK), 1800)

    assert {message.kind for message in told} == set(KEYS)
    assert all(list(row) == KEYS[message.kind] for message, row in zip(told, rows(told), strict=True))


def test_timestamps_have_a_fixed_width() -> None:
    """RFC 3339, UTC, milliseconds and Z, also where they are all zeros; and they are the message's time."""
    for message in said(only("cnc_machine", 20), 120):
        text = message.payload[14:38].decode()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
        assert round(datetime.fromisoformat(text).timestamp() * 1000) == message.time_ms


def test_rows_of_a_machine_come_at_its_period_whatever_its_state(hours: dict[str, list[Row]]) -> None:
    """So messages are proportional to time: each gap is the period, rounded to the millisecond."""
    for source, its in hours.items():
        period = PERIOD_SECONDS[source.split("-")[0]]
        assert len(its) == pytest.approx(4 * 3600 / period, abs=1)
        assert all(at(b) - at(a) == pytest.approx(period, abs=0.0011) for a, b in pairwise(its))


def test_quality_is_said_exactly_where_a_job_is_reported(hours: dict[str, list[Row]]) -> None:
    """Quality and cycle time are non-null in the message with the finished job's id and nowhere else."""
    for row in everyone(hours):
        assert (result(row) is None) == (job_id(row) is None)
        if "progress" not in row and "issues_found" not in row:
            assert (cycle(row) is None) == (job_id(row) is None)


def test_each_job_is_on_the_machine_and_then_reported_once(hours: dict[str, list[Row]]) -> None:
    """Messages have the current job until one reports it finished, and the next job is on the machine then."""
    for its in hours.values():
        assert consecutive([identity for row in its if (identity := job_id(row))])
        for before, row in pairwise(its):
            assert job_id(row) in (None, current(before))
            assert (job_id(row) is None) == (current(row) == current(before))


def test_a_finished_print_says_so_and_the_next_starts_from_nothing(hours: dict[str, list[Row]]) -> None:
    """Progress reaches 1.0 exactly in the message with the part's id, and starts again."""
    for row, after in (pair for its in hours.values() for pair in pairwise(its) if "progress" in pair[0]):
        assert (row["progress"] == 1.0) == (row["part_id"] is not None)
        assert after["progress"] < 0.1 if row["part_id"] else after["progress"] >= row["progress"]


def test_a_row_names_the_type_of_its_finished_or_running_job(hours: dict[str, list[Row]]) -> None:
    """The type, colour or target is that of the reported job, otherwise of the job on the machine."""
    kinds = {"part_type", "assembly_type", "target_type", "color"}
    for its in hours.values():
        kind_of: dict[str, str] = {}
        for row in its:
            [kind] = (row[key] for key in row if key in kinds)
            assert kind_of.setdefault(job_id(row) or current(row), kind) == kind


@pytest.mark.parametrize("key", [key for key in COUNTED if key != "printer_3d"])
def test_availability_by_rows_is_availability(key: str) -> None:
    """Producing messages / messages is the share of producing time: the same machines sampled often agree to a point.

    A printer's period is also the measure of its prints, so that watching it closer would change it.
    """
    usual, close = (said(only(key, 3, **watched), 2 * 3600) for watched in ({}, {"report_seconds": 0.5}))
    for (source, its), truth in zip(sorted(by_machine(usual).items()), sorted(by_machine(close).items()), strict=True):
        producing = PRODUCING.get(key, "running")
        share, true = (sum(row["status"] == producing for row in part) / len(part) for part in (its, truth[1]))
        assert source == truth[0]
        assert share == pytest.approx(true, abs=0.01)


def test_ids_and_stations_look_like_the_originals(hours: dict[str, list[Row]]) -> None:
    """Two digits at least, stations handed out in turn."""
    stations = {source: its[0]["station_id"] for source, its in hours.items()}

    assert sorted(stations)[:2] == ["3DP-01", "3DP-02"]
    assert stations["CNC-04"] == "LINE-1-STATION-A"
    assert stations["WELD-03"] == "LINE-1-STATION-C"
    assert stations["TEST-02"] == "QA-STATION-2"
    assert len(hours) == 22
