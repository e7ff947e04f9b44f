"""What the default plant costs while it is connected and does its few messages a second."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.proc import cpu_seconds, memory_bytes
from benchmarks.runs.arrivals import Arrivals
from benchmarks.runs.live import start
from tests.support.processes.waiting import wait_until

_START_SECONDS, _SETTLE_SECONDS = 30.0, 2.0


@dataclass(frozen=True, slots=True)
class Idle:
    """seconds: for how long it was watched.  cpu_share: of one core.  rss_bytes: its memory at the end."""

    seconds: float
    cpu_share: float
    rss_bytes: int


def idle(port: int, seconds: float) -> Idle:
    """Watch a daemon with all defaults, from when it has started up and sent its first row."""
    with Arrivals(port) as arrivals, start(port) as process:
        wait_until(lambda: len(arrivals.came), _START_SECONDS, "the first row of the default plant")
        time.sleep(_SETTLE_SECONDS)
        pid = process.process.pid
        began, spent = time.perf_counter(), cpu_seconds(pid)
        time.sleep(seconds)
        share = (cpu_seconds(pid) - spent) / (time.perf_counter() - began)
        return Idle(seconds, share, memory_bytes(pid))
