"""A fleet that is scaled while it runs: what that costs, what it holds up, and whether all messages arrive."""

from __future__ import annotations

import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import yaml

from benchmarks.broker import BenchBroker
from benchmarks.case import ROOT
from benchmarks.proc import cpu_seconds, memory_bytes
from benchmarks.runs.arrivals import Arrivals
from benchmarks.runs.lateness import Late
from benchmarks.runs.live import finish, said_last, start
from tests.support.processes.daemon import DaemonProcess

SCENARIO: Final = ROOT / "scenarios" / "sensors.yaml"
_MESSAGE: Final = re.compile(rb'"timestamp":([0-9]{10}\.[0-9]+),')
_LONGEST_START: Final = len('"timestamp":1767600000.085,')
_CALL_SECONDS, _END_SECONDS, _AFTER_SECONDS = 60.0, 60.0, 1.5
_SENT: Final = re.compile(r"^mqtt_sent_total\{.*\} (\d+)\.0$", re.MULTILINE)
_FLAGS: Final = ("--http-compat", "fleet")


class Asked(NamedTuple):
    """Devices, each with a message a second, and for how long: few before and after, many between."""

    qos: int
    few: int
    many: int
    few_seconds: float
    settle_seconds: float
    many_seconds: float


@dataclass(frozen=True, slots=True)
class Grown:
    """What came of it.

    sent: by the ledger.  counted: by the broker.  arrived: at a subscriber.  shown: by the metrics of the devices.
    cpu_share: of one core, with many devices.  late: of the messages then, in milliseconds.
    up_seconds, down_seconds: until the call was answered; the run loop stands still for no longer.
    up_late_ms, down_late_ms: the latest message in the second after it.
    page_seconds, page_bytes: of the metrics, with many devices.  rss_bytes: with many devices.
    """

    qos: int
    many: int
    sent: int
    counted: int
    arrived: int
    shown: int
    cpu_share: float
    late: Late
    up_seconds: float
    down_seconds: float
    up_late_ms: float
    down_late_ms: float
    page_seconds: float
    page_bytes: int
    rss_bytes: int

    @property
    def is_whole(self) -> bool:
        """Whether all that count have counted the same."""
        return self.sent == self.counted == self.arrived == self.shown


class FleetArrivals(Arrivals):
    """Those of the fleet's messages, whose timestamps are Unix seconds."""

    def __init__(self, port: int) -> None:
        super().__init__(port, "sensors/#")

    def late_between(self, begin: float, end: float) -> Late:
        """How late those were that were due in a stretch of time."""
        pairs = zip(self.due, self.came, strict=False)
        return Late.of([came - due for due, came in pairs if begin <= due < end])

    def count_to(self, wanted: int, seconds: float) -> int:
        """Wait until so many are there; what is there then."""
        deadline = time.monotonic() + seconds
        while len(self.came) < wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        return len(self.came)

    def _note(self, buffer: bytes, now: float) -> bytes:
        end = 0
        for found in _MESSAGE.finditer(buffer):
            self.due.append(float(found[1]))
            self.came.append(now)
            end = found.end()
        return buffer[max(end, len(buffer) - _LONGEST_START + 1) :]


def grow(broker: BenchBroker, asked: Asked) -> Grown:
    """Run the fleet as a process, scale it up and down by its own calls, and count at each end."""
    before = broker.count()
    with tempfile.TemporaryDirectory() as directory, FleetArrivals(broker.port) as arrivals:
        flags = (*_FLAGS, "--message-config-path", _plant_file(Path(directory), asked))
        with start(broker.port, *flags) as process:
            figures = _scaled(process, arrivals, asked)
            process.process.terminate()
            finish(process, _END_SECONDS)
            sent = round(said_last(process.log, "Messages Sent"))
        arrived = arrivals.count_to(sent, _END_SECONDS)
    broker.count_to(before + sent)
    return Grown(asked.qos, asked.many, sent, broker.count() - before, arrived, **figures)


def _scaled(process: DaemonProcess, arrivals: FleetArrivals, asked: Asked) -> dict[str, Any]:
    process.says("first on ")
    pid = process.process.pid
    with httpx.Client(base_url=process.url(), timeout=_CALL_SECONDS) as client:
        time.sleep(asked.few_seconds)
        up_at, up_seconds = time.time(), _scale(client, asked.many)
        time.sleep(asked.settle_seconds)
        steady_at, spent = time.time(), cpu_seconds(pid)
        time.sleep(asked.many_seconds)
        steady_end = time.time()
        share, rss = (cpu_seconds(pid) - spent) / (steady_end - steady_at), memory_bytes(pid)
        _, page_seconds = _page(client)
        down_at, down_seconds = time.time(), _scale(client, asked.few)
        time.sleep(max(_AFTER_SECONDS, asked.few_seconds))
        _scale(client, 0)
        time.sleep(_AFTER_SECONDS)
        page, _ = _page(client)
    return {
        "shown": sum(map(int, _SENT.findall(page))),
        "cpu_share": share,
        "late": arrivals.late_between(steady_at, steady_end - _AFTER_SECONDS / 2),
        "up_seconds": up_seconds,
        "down_seconds": down_seconds,
        "up_late_ms": arrivals.late_between(up_at, up_at + up_seconds + 1).max_ms,
        "down_late_ms": arrivals.late_between(down_at, down_at + down_seconds + 1).max_ms,
        "page_seconds": page_seconds,
        "page_bytes": len(page),
        "rss_bytes": rss,
    }


def _scale(client: httpx.Client, count: int) -> float:
    began = time.perf_counter()
    client.get("/scale", params={"count": count}).raise_for_status()
    return time.perf_counter() - began


def _page(client: httpx.Client) -> tuple[str, float]:
    began = time.perf_counter()
    text = client.get("/metrics/").raise_for_status().text
    return text, time.perf_counter() - began


def _plant_file(directory: Path, asked: Asked) -> str:
    """Write the scenario with a message a second, few devices, and the QoS that is asked for; return its path."""
    data = yaml.safe_load(SCENARIO.read_text("utf-8"))
    (entry,) = data["message_types"].values()
    entry |= {"count": asked.few, "report_seconds": 1, "qos": asked.qos}
    path = directory / "plant.yaml"
    path.write_text(yaml.safe_dump(data), "utf-8")
    return str(path)
