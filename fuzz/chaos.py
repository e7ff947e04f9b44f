"""`python -m fuzz.chaos`: an hour of random faults before the broker, while an independent subscriber counts.

What is missing there at the end must be what the ledger has dropped, message for message, and no sender's messages may
come in another order. 1 where that is not so.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random  # noqa: TID251 - makes the faults; no part of the plant

from benchmarks.broker import BenchBroker
from benchmarks.progress import say
from benchmarks.reporting.circumstances import circumstances
from benchmarks.reporting.page import Marks, table, write
from benchmarks.runs.live import finish, plant_file, said_last, start
from fuzz.__main__ import PAGE
from fuzz.campaign import random_for
from fuzz.counting_subscriber import CountingSubscriber
from tests.support.brokers.proxy import Proxy
from tests.support.processes.daemon import DaemonProcess

MARKS = Marks("<!-- measured: make chaos writes from here -->", "<!-- measured: make chaos to here -->")
_MACHINES, _RATE, _SECONDS = 5_000, 3_000.0, 3600.0
_FLAGS = ("--queue-size", "20000", "--mqtt-window", "2000", "--mqtt-keep-alive", "5", "--drain-seconds", "60")
_QUIET_SECONDS, _SETTLE_SECONDS, _END_SECONDS = (1.0, 8.0), 5.0, 120.0
_REPORT_SECONDS = 60.0

Fault = Callable[[Proxy, Random], float]
"""Injects a fault into the connection, and returns for how many seconds to keep it."""


def _late(proxy: Proxy, random: Random) -> float:
    proxy.delay(random.uniform(0.01, 0.3))
    return random.uniform(2.0, 8.0)


def _silent(proxy: Proxy, random: Random) -> float:
    proxy.stall()
    return random.choice((random.uniform(0.2, 3.0), random.uniform(8.0, 20.0)))


def _closed(proxy: Proxy, _random: Random) -> float:
    proxy.cut()
    return 0.0


def _reset(proxy: Proxy, _random: Random) -> float:
    proxy.reset()
    return 0.0


def _flapping(proxy: Proxy, random: Random) -> float:
    for _ in range(random.randint(3, 8)):
        proxy.reset()
        time.sleep(random.uniform(0.05, 0.6))
    return 0.0


FAULTS: Mapping[str, Fault] = {
    "late (10 to 300 ms each way)": _late,
    "silent (0.2 to 20 s)": _silent,
    "closed": _closed,
    "reset": _reset,
    "reset again and again": _flapping,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome.  sent, failed, waiting: by the ledger at the end.  The other counts are the subscriber's."""

    seconds: float
    sent: int
    failed: int
    connects: int
    distinct: int
    repeated: int
    reordered: int
    gaps: int
    waiting: int
    faults: Mapping[str, int]

    @property
    def missing(self) -> int:
        """Messages that the plant emitted and the subscriber never received."""
        return self.sent + self.failed - self.distinct

    @property
    def kept(self) -> bool:
        """Whether every guarantee held, which excludes any gap that is not in the ledger."""
        return self.missing == self.failed >= self.gaps and not self.reordered and not self.waiting


def run_with_faults(seconds: float, rate: float, seed: int) -> Outcome:
    """Run the simulator with random faults, let it drain, and return the counts."""
    random, faults = random_for(seed, 0), Counter[str]()
    with (
        tempfile.TemporaryDirectory() as directory,
        BenchBroker(Path(directory)) as broker,
        Proxy(broker.port) as proxy,
        CountingSubscriber(broker.port) as subscriber,
    ):
        plant = plant_file(Path(directory), _MACHINES, rate)
        with start(proxy.port, "--message-config-path", plant, "--mqtt-cloud-events", *_FLAGS) as process:
            process.says("connected to")
            began = time.monotonic()
            _inject_faults(proxy, random, faults, began + seconds, subscriber)
            proxy.restore()
            time.sleep(_SETTLE_SECONDS)
            process.signal(signal.SIGTERM)
            finish(process, _END_SECONDS)
            lasted = time.monotonic() - began
        broker.count()
        return _outcome(process, subscriber, lasted, faults)


def _inject_faults(
    proxy: Proxy, random: Random, faults: Counter[str], until: float, subscriber: CountingSubscriber
) -> None:
    reported_at = time.monotonic()
    while time.monotonic() < until:
        time.sleep(random.uniform(*_QUIET_SECONDS))
        name = random.choice([*FAULTS])
        faults[name] += 1
        time.sleep(min(FAULTS[name](proxy, random), max(0.0, until - time.monotonic())))
        proxy.restore()
        if time.monotonic() - reported_at > _REPORT_SECONDS:
            reported_at = time.monotonic()
            say(f"{until - reported_at:,.0f} s left: {faults.total()} faults, {subscriber.distinct:,} messages, "
                f"{subscriber.repeated:,} repeated, {subscriber.reordered} reordered")  # fmt: skip


def _outcome(process: DaemonProcess, subscriber: CountingSubscriber, seconds: float, faults: Counter[str]) -> Outcome:
    sent, failed = (int(said_last(process.log, f"Messages {what}")) for what in ("Sent", "Failed"))
    reconnects = re.findall(r"reconnects: (\d+)", process.log)
    return Outcome(
        seconds=round(seconds, 1),
        sent=sent,
        failed=failed,
        connects=1 + int(reconnects[-1]),
        distinct=subscriber.distinct,
        repeated=subscriber.repeated,
        reordered=subscriber.reordered,
        gaps=subscriber.gaps,
        waiting=int(said_last(process.log, "Queue Depth") + said_last(process.log, "In Flight")),
        faults=dict(faults),
    )


def markdown(outcome: Outcome, heading: str) -> str:
    """Return the paragraph and tables of the page."""
    figures = {
        "seconds": f"{outcome.seconds:,.0f}",
        "connections": f"{outcome.connects:,}",
        "generated": f"{outcome.sent + outcome.failed:,}",
        "acknowledged": f"{outcome.sent:,}",
        "dropped, by the ledger": f"{outcome.failed:,}",
        "missing, at the subscriber": f"{outcome.missing:,}",
        "repeated, at the subscriber": f"{outcome.repeated:,}",
        "reordered within a machine": f"{outcome.reordered:,}",
        "gaps in a machine's numbers, at the subscriber": f"{outcome.gaps:,}",
        "still queued or in flight at the end": f"{outcome.waiting:,}",
    }
    faults = table("fault | times:", [[name, str(outcome.faults.get(name, 0))] for name in FAULTS])
    verdict = (
        "missing = dropped, none reordered: **yes**" if outcome.kept else "missing = dropped, none reordered: **no**"
    )
    return f"{heading}\n\n{table('what | count:', [*map(list, figures.items())])}\n\n{verdict}\n\n{faults}"


def main() -> int:
    """Run what the command line asks for."""
    options = _parser().parse_args()
    seconds = max(20.0, _SECONDS * options.scale)
    heading = circumstances(f", {_RATE:,.0f} messages a second from {_MACHINES:,} machines for {seconds:,.0f} s")
    outcome = run_with_faults(seconds, _RATE, options.seed)
    text = markdown(outcome, heading)
    say(str(dataclasses.asdict(outcome)))
    print(text)
    if not options.no_page:
        write(PAGE, MARKS, text)
    return 0 if outcome.kept else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fuzz.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="what the faults are made from [1]")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="share of the hour [1]")
    parser.add_argument("--no-page", action="store_true", help="only print; leave docs/reliability.md as it is")
    return parser


if __name__ == "__main__":
    sys.exit(main())
