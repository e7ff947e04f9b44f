"""Facts about time travel, as a user sees it: history at full speed, the same bytes each time, and no seam to live."""

from __future__ import annotations

import json
import resource
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from messages import FactoryMessageGenerator
from tests.support.brokers.mosquitto import Mosquitto
from tests.support.brokers.subscriber import Record, Recorder
from tests.support.processes.daemon import ROOT, DaemonProcess
from tests.support.processes.waiting import wait_until

HOUR = ["--dry-run", "--seed", "1", "--start", "2026-01-01T00:00:00Z", "--duration", "3600", "--stats-interval", "0"]
TEN_MINUTES = ["600" if each == "3600" else each for each in HOUR]
PERIODS_MS = {"CNC": 5000, "3DP": 10_000, "WELD": 5000, "PAINT": 10_000 / 3, "TEST": 10_000}


def payloads(lines: list[str]) -> list[bytes]:
    """The rows of a dry run as they stand in its lines."""
    return [line.encode().split(b'"payload":', 1)[1][:-2] for line in lines]


class Written(NamedTuple):
    """What a run of an hour has written: its rows, and the lines of its ground truth."""

    rows: list[bytes]
    truth: list[str]


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """An hour at full speed, with its ground truth."""
    truth = tmp_path_factory.mktemp("truth") / "truth.jsonl"
    with DaemonProcess(*HOUR, "--speed", "max", "--truth", str(truth)) as daemon:
        assert daemon.wait() == 0
    return Written(payloads(daemon.output), truth.read_text().splitlines())


@cache
def said(seconds: int) -> list[bytes]:
    """What the plant says in so many seconds."""
    plant = FactoryMessageGenerator(ROOT / "message_structure.yaml", "1")
    return [row.payload for row in plant.advance(plant.start + seconds)]


def test_a_run_in_the_past_says_what_the_plant_says(hour: Written) -> None:
    """An hour of 2026 at full speed is byte for byte what the generator gives for it."""
    assert hour.rows == said(3600)


def test_speed_changes_no_byte() -> None:
    """Ten minutes at 600 times real time take a second and are the same as what the plant says at full speed."""
    started = time.monotonic()
    with DaemonProcess(*TEN_MINUTES, "--speed", "600") as daemon:
        assert daemon.wait() == 0

    assert payloads(daemon.output) == said(600)
    assert time.monotonic() - started >= 1.0


def test_a_day_is_written_in_five_seconds(tmp_path: Path) -> None:
    """About 320,000 rows of the default plant to a file, in processor time of one core, start and end included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    day = [*HOUR[:-3], "86400", "--stats-interval", "0", "--speed", "max"]
    with (tmp_path / "day.jsonl").open("wb") as file, DaemonProcess(*day, stdout=file.fileno()) as daemon:
        assert daemon.wait(50) == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert 319_000 < int(daemon.log.split("Messages Sent: ")[-1].split()[0]) < 321_000
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) <= 5.0


def test_shards_together_are_the_whole() -> None:
    """Two processes with SHARD=1/2 and 2/2 say each row of the plant once."""
    shards = []
    for shard in ("1/2", "2/2"):
        with DaemonProcess(*TEN_MINUTES, "--speed", "max", environ={"SHARD": shard}) as daemon:
            assert daemon.wait() == 0
        shards += payloads(daemon.output)

    assert sorted(shards) == sorted(said(600))


def test_a_fresh_seed_is_logged_so_that_the_run_can_be_repeated() -> None:
    """Without --seed the seed that was drawn stands in the log, and gives the same rows again."""
    flags = [flag for flag in TEN_MINUTES if flag not in ("--seed", "1")]
    with DaemonProcess(*flags, "--speed", "max") as first:
        seed = first.says(r"seed (\w+)").group(1)
        assert first.wait() == 0
    with DaemonProcess(*flags, "--speed", "max", "--seed", seed) as again:
        assert again.wait() == 0

    assert again.output == first.output


def test_truth_is_written_beside_the_rows(hour: Written) -> None:
    """The file names every machine, its time adds up to the run, and its jobs are those in the rows."""
    entries = [json.loads(line) for line in hour.truth]
    kinds = Counter(entry["type"] for entry in entries)
    told = {entry["job_id"] for entry in entries if entry["type"] == "job"}
    rows = [json.loads(row) for row in hour.rows]
    said = {row.get("part_id") or row.get("assembly_id") or row.get("target_id") for row in rows} - {None}

    assert (kinds["run"], kinds["machine"]) == (2, 22)
    assert entries[-1]["end"] == "2026-01-01T01:00:00.000Z"
    assert said <= told
    assert len(told - said) <= 22


def test_a_truth_file_that_cannot_be_written_is_one_clear_line() -> None:
    """It is a mistake of the command line: exit code 2."""
    with DaemonProcess(*HOUR, "--truth", "/nowhere/truth.jsonl") as daemon:
        assert daemon.wait() == 2

    assert daemon.errors[-1] == "--truth: cannot write /nowhere/truth.jsonl: No such file or directory\n"


QUARTER, LIVE_SECONDS = 0.25, 6
"""The interval of a plant whose slowest machines report each 2.5 s, and a time of more than two such periods."""


def test_history_goes_over_into_live_without_a_seam(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Two minutes of history, and live at a real broker: every machine keeps its rhythm, no row comes twice."""
    port, plant = mosquitto.ports["plain"], tmp_path / "plant.yaml"
    usual = (ROOT / "message_structure.yaml").read_text("utf-8")
    plant.write_text(usual.replace("base_interval: 1.0", f"base_interval: {QUARTER}"), "utf-8")
    flags = ["--mqtt-broker", "127.0.0.1", "--mqtt-port", str(port), "--no-mqtt-tls", "--mqtt-auth-method", "none"]
    flags += ["--message-config-path", str(plant)]
    with (
        Recorder(port) as recorder,
        DaemonProcess(*flags, "--http-port", "0", "--duration", "120", "--then-live", "--seed", "1") as daemon,
    ):
        daemon.says("connected to")
        until_ms = (time.time() + LIVE_SECONDS) * 1000
        time.sleep(LIVE_SECONDS)
        wait_until(lambda: all_reported_at(recorder.records) >= until_ms, 30.0, "all machines are live")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        ended_ms = time.time() * 1000
        records = recorder.wait_for(int(daemon.log.split("Messages Sent: ")[-1].split()[0]))
    times: dict[str, list[float]] = defaultdict(list)
    for record in records:
        row = json.loads(record.payload)
        if "machine_id" in row:
            times[row["machine_id"]].append(milliseconds(row["timestamp"]))

    assert len(times) == 22
    for machine, moments in times.items():
        period = PERIODS_MS[machine.split("-")[0]] * QUARTER
        gaps = [after - before for before, after in pairwise(moments)]
        assert [gap for gap in gaps if abs(gap - period) > 2] == []
        assert moments[-1] - moments[0] >= 120_000 + LIVE_SECONDS * 1000 - 2 * period
        assert moments[-1] <= ended_ms


def all_reported_at(records: Sequence[Record]) -> float:
    """The time of the last report of the machine whose last one is the oldest, in Unix milliseconds."""
    rows = [row for record in records[-300:] if "machine_id" in (row := json.loads(record.payload))]
    latest = {row["machine_id"]: milliseconds(row["timestamp"]) for row in rows}
    return min(latest.values()) if len(latest) == 22 else 0.0


def milliseconds(timestamp: str) -> float:
    """A row's timestamp as Unix milliseconds."""
    return datetime.fromisoformat(timestamp).timestamp() * 1000
