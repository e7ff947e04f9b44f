"""Memory over a long run under load: whether it grows."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from benchmarks.broker import BenchBroker
from benchmarks.proc import memory_bytes
from benchmarks.progress import Say
from benchmarks.runs.live import BEGIN, finish, plant_file, rows_due, said_last, start
from messages import START
from tests.support.processes.daemon import DaemonProcess

_END_SECONDS = 120.0


class Load(NamedTuple):
    """machines: of the plant.  rate: rows a second.  seconds: for how long.

    settle_seconds: before which growth does not count.  look_seconds: between two looks.
    """

    machines: int
    rate: float
    seconds: float
    settle_seconds: float
    look_seconds: float


class Sample(NamedTuple):
    """The memory at a moment, in seconds since the first row was acknowledged."""

    seconds: float
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Held:
    """What came of it.

    due: rows by the plant's own arithmetic.  counted: by the broker.  overtime_seconds: uptime of the process beyond
    what was asked, its start included.
    """

    load: Load
    due: int
    counted: int
    overtime_seconds: float
    samples: list[Sample]

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        """From plain data, as `dataclasses.asdict` and JSON make it."""
        samples = [Sample(*sample) for sample in stored["samples"]]
        return cls(**stored | {"load": Load(*stored["load"]), "samples": samples})

    @property
    def growth_bytes(self) -> int:
        """From the end of the settling time to the most after it."""
        settled = [sample.rss_bytes for sample in self.samples if sample.seconds >= self.load.settle_seconds]
        return max(settled) - settled[0]


def hold(broker: BenchBroker, load: Load, say: Say) -> Held:
    """Run the daemon under such a load; nobody subscribes."""
    before = broker.count()
    with tempfile.TemporaryDirectory() as directory:
        file = plant_file(Path(directory), load.machines, load.rate)
        span = ("--start", BEGIN, "--duration", str(load.seconds))
        with start(broker.port, "--message-config-path", file, *span, "--queue-policy", "block") as process:
            samples = list(_samples(process, broker, load, say))
            finish(process, _END_SECONDS)
    say("counting the rows that were due: the plant is played once more, without a broker")
    due = rows_due(load.machines, load.rate, START, load.seconds)
    broker.count_to(before + due)
    counted = broker.count() - before  # with what came without being due
    return Held(load, due, counted, said_last(process.log, "Uptime") - load.seconds, samples)


def _samples(process: DaemonProcess, broker: BenchBroker, load: Load, say: Say) -> Iterator[Sample]:
    """Memory from the first row that the broker has counted to the end."""
    before, pid = broker.received, process.process.pid
    broker.count_to(before + 1)
    began = time.monotonic()
    with suppress(ProcessLookupError):  # whoever waits for it will say how it ended
        while (seconds := time.monotonic() - began) < load.seconds - load.look_seconds / 2:
            sample = Sample(round(seconds, 1), memory_bytes(pid))
            yield sample
            arrived = broker.received - before
            say(f"{seconds:.0f} s: {sample.rss_bytes / 2**20:.2f} MiB, {arrived:,} messages at the broker")
            time.sleep(load.look_seconds)
