"""High rates: whether what a running simulator is asked for is what comes, over TLS."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.broker import BenchBroker
from benchmarks.proc import cpu_seconds
from benchmarks.runs.live import BEGIN, bound_of, finish, plant_file, rows_due, start, turns_by_lateness
from messages import START

MACHINES = 5_000
_FLAGS = ("--start", BEGIN, "--queue-policy", "block", "--queue-size", "10000", "--mqtt-window", "2000")
_WATCHED, _LEAST_WATCHED_SECONDS, _MARGIN_SECONDS, _END_SECONDS = 0.6, 0.2, 1.0, 60.0


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of a rate that was asked for, in messages a second.

    due: rows by the plant's own arithmetic.  counted: by the broker.  seconds: asked for.
    told_p50_ms, told_p99_ms: lateness of its turns, by its own histogram; at most that.  cpu_share: of one core.
    """

    rate: float
    seconds: float
    due: int
    counted: int
    told_p50_ms: float
    told_p99_ms: float
    cpu_share: float

    @property
    def off(self) -> int:
        """By how many rows the count is wrong."""
        return abs(self.counted - self.due)


def keep(broker: BenchBroker, rate: float, seconds: float) -> Kept:
    """Run the daemon at that rate; nobody subscribes. It is watched from its first row on, but not to its end."""
    before, began = broker.count(), time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        flags = ("--message-config-path", plant_file(Path(directory), MACHINES, rate), "--duration", str(seconds))
        with start(broker.tls_port, *_FLAGS, *flags, ca_file=str(broker.ca_file)) as process:
            broker.count_to(before + 1)
            # The broker tells its count late, and a busy machine starts late: the daemon is not to end meanwhile.
            left_seconds = seconds - (time.monotonic() - began) - _MARGIN_SECONDS
            watched_seconds = max(_LEAST_WATCHED_SECONDS, min(seconds * _WATCHED, left_seconds))
            share, turns = _look(process.url(), process.process.pid, watched_seconds)
            finish(process, seconds + _END_SECONDS)
    due = rows_due(MACHINES, rate, START, seconds)
    broker.count_to(before + due)
    counted = broker.count() - before  # with what came without being due
    return Kept(rate, seconds, due, counted, 1000 * bound_of(0.5, turns), 1000 * bound_of(0.99, turns), share)


def _look(url: str, pid: int, seconds: float) -> tuple[float, dict[float, float]]:
    """The share of a core that it takes for so long, and its turns of that time by their lateness."""
    before, began, spent = turns_by_lateness(url), time.perf_counter(), cpu_seconds(pid)
    time.sleep(seconds)
    share = (cpu_seconds(pid) - spent) / (time.perf_counter() - began)
    return share, {bound: count - before[bound] for bound, count in turns_by_lateness(url).items()}
