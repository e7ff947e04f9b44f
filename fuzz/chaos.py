"""`python -m fuzz.chaos`: an hour of random faults on the way to the broker, while a foreign subscriber counts.

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
from fuzz.part import chance
from fuzz.witness import Witness
from tests.support.brokers.proxy import Proxy
from tests.support.processes.daemon import DaemonProcess

MARKS = Marks("<!-- measured: make chaos writes from here -->", "<!-- measured: make chaos to here -->")
_MACHINES, _RATE, _SECONDS = 5_000, 3_000.0, 3600.0
_FLAGS = ("--queue-size", "20000", "--mqtt-window", "2000", "--mqtt-keep-alive", "5", "--drain-seconds", "60")
_QUIET_SECONDS, _SETTLE_SECONDS, _END_SECONDS = (1.0, 8.0), 5.0, 120.0
_LOOK_SECONDS = 60.0

Fault = Callable[[Proxy, Random], float]
"""Does something to the link, and says for how many seconds to leave it so."""


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
    """What came of it. sent, failed, waiting: by the ledger at the end.  The other counts are the subscriber's."""

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
        """Messages that the plant has said and the subscriber never got."""
        return self.sent + self.failed - self.distinct

    @property
    def kept(self) -> bool:
        """Whether all that is promised was kept; a gap that the ledger knows nothing of would be one too many."""
        return self.missing == self.failed >= self.gaps and not self.reordered and not self.waiting


def unleash(seconds: float, rate: float, seed: int) -> Outcome:
    """Run the simulator for so long with such faults, let it finish, and count."""
    random, faults = chance(seed, 0), Counter[str]()
    with (
        tempfile.TemporaryDirectory() as directory,
        BenchBroker(Path(directory)) as broker,
        Proxy(broker.port) as proxy,
        Witness(broker.port) as witness,
    ):
        plant = plant_file(Path(directory), _MACHINES, rate)
        with start(proxy.port, "--message-config-path", plant, "--mqtt-cloud-events", *_FLAGS) as process:
            process.says("connected to")
            began = time.monotonic()
            _disturb(proxy, random, faults, began + seconds, witness)
            proxy.restore()
            time.sleep(_SETTLE_SECONDS)
            process.signal(signal.SIGTERM)
            finish(process, _END_SECONDS)
            lasted = time.monotonic() - began
        broker.count()
        return _outcome(process, witness, lasted, faults)


def _disturb(proxy: Proxy, random: Random, faults: Counter[str], until: float, witness: Witness) -> None:
    told = time.monotonic()
    while time.monotonic() < until:
        time.sleep(random.uniform(*_QUIET_SECONDS))
        name = random.choice([*FAULTS])
        faults[name] += 1
        time.sleep(min(FAULTS[name](proxy, random), max(0.0, until - time.monotonic())))
        proxy.restore()
        if time.monotonic() - told > _LOOK_SECONDS:
            told = time.monotonic()
            say(f"{until - told:,.0f} s left: {faults.total()} faults, {witness.distinct:,} messages, "
                f"{witness.repeated:,} repeated, {witness.reordered} reordered")  # fmt: skip


def _outcome(process: DaemonProcess, witness: Witness, seconds: float, faults: Counter[str]) -> Outcome:
    sent, failed = (int(said_last(process.log, f"Messages {what}")) for what in ("Sent", "Failed"))
    reconnects = re.findall(r"reconnects: (\d+)", process.log)
    return Outcome(
        seconds=round(seconds, 1),
        sent=sent,
        failed=failed,
        connects=1 + int(reconnects[-1]),
        distinct=witness.distinct,
        repeated=witness.repeated,
        reordered=witness.reordered,
        gaps=witness.gaps,
        waiting=int(said_last(process.log, "Queue Depth") + said_last(process.log, "In Flight")),
        faults=dict(faults),
    )


def markdown(outcome: Outcome, told: str) -> str:
    """The page's paragraph and tables."""
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
    return f"{told}\n\n{table('what | count:', [*map(list, figures.items())])}\n\n{verdict}\n\n{faults}"


def main() -> int:
    """Do as the command line says."""
    options = _parser().parse_args()
    seconds = max(20.0, _SECONDS * options.scale)
    told = circumstances(f", {_RATE:,.0f} messages a second from {_MACHINES:,} machines for {seconds:,.0f} s")
    outcome = unleash(seconds, _RATE, options.seed)
    text = markdown(outcome, told)
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
