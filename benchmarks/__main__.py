"""`python -m benchmarks`: measures everything side by side, prints the tables and writes them into the page."""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.broker import BenchBroker
from benchmarks.case import ROOT, Case, Measured
from benchmarks.delay import delaying
from benchmarks.progress import say
from benchmarks.reporting.circumstances import circumstances
from benchmarks.reporting.page import BENCH, PAGE, PICTURES, write
from benchmarks.reporting.picture import draw, overview
from benchmarks.reporting.report import markdown
from benchmarks.reporting.results import Results
from benchmarks.runs.idle import idle
from benchmarks.runs.live import finish, start
from benchmarks.runs.pace import Asked, pace
from benchmarks.runs.rates import keep
from benchmarks.scenes import Ports, Scene, scenes
from benchmarks.senders.raw import Listener

STORE = ROOT / "build" / "bench.json"
"""Where results are kept; a quick look has a file of its own, for it is not to take the place of a whole run."""
_PICTURE = "performance.svg"
_CAPTION = "senders beside each other, processor time a message by machines, and a stall of the broker"
_ONE_WAY_SECONDS, _MOST_SECONDS = 0.005, 120.0
_PACE = Asked(rate=1000, seconds=60, stall_seconds=5)
_RATES, _RATE_SECONDS, _LEAST_RATE_SECONDS = (10_000.0, 50_000.0, 100_000.0, 200_000.0), 10.0, 7.0
_LEAST_PACE_SECONDS, _IDLE_SECONDS, _LEAST_IDLE_SECONDS = 8.0, 20.0, 2.0


def measure(case: Case) -> Measured:
    """Measure a case in a process of its own; RuntimeError with what it said where it failed."""
    call = [sys.executable, "-m", "benchmarks.sender", json.dumps(dataclasses.asdict(case))]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=_MOST_SECONDS)  # noqa: S603, PLW1510 - ourselves
    if done.returncode:
        raise RuntimeError(f"{case}\n{done.stderr}")
    return Measured(**json.loads(done.stdout))


def counted(broker: BenchBroker, case: Case) -> Measured:
    """Measure a case; RuntimeError where the broker has not counted exactly its messages."""
    before = broker.received
    measured = measure(case)
    wanted = case.messages + (not case.qos)  # at QoS 0 the mark comes on top
    arrived = broker.count_to(before + wanted) - before
    if arrived != wanted:
        raise RuntimeError(f"{case}: the broker counted {arrived} messages, not {wanted}")
    return measured


def first_message_seconds(port: int) -> float:
    """From the start of a daemon, as a process, until a subscriber has its first message."""
    listener = Listener(port, "factory/#")
    began = time.perf_counter()
    with start(port, "--speed", "max", "--count", "1") as process:
        listener.wait()
        seconds = time.perf_counter() - began
        finish(process, _MOST_SECONDS)
    return seconds


def run_round(broker: BenchBroker, acts: list[Scene], results: Results) -> None:
    """Measure everything once that is measured several times."""
    for scene in acts:
        for case in scene.cases:
            measured = counted(broker, case) if scene.counted else measure(case)
            results.add(scene, case, measured)
            line = f"{scene.title}, {case.machines} machines, {case.sender}: {measured.rate:,.0f} msg/s"
            say(f"{line}, {measured.cpu_us:.2f} µs CPU")
    results.first_seconds.append(first_message_seconds(broker.port))
    broker.count_to(broker.received + 1)


def run(rounds: int, scale: float) -> Results:
    """Measure so many times, everything in turn, so that what the machine does besides meets all."""
    results = Results(circumstances(f", in one run; each figure is the median of {rounds} unless it says otherwise"))
    with ExitStack() as open_things:
        directory = Path(open_things.enter_context(tempfile.TemporaryDirectory()))
        broker = open_things.enter_context(BenchBroker(directory))
        late = open_things.enter_context(delaying(broker.port, _ONE_WAY_SECONDS))
        acts = scenes(Ports(broker.port, broker.tls_port, late, str(broker.ca_file)), scale)
        for number in range(1, rounds + 1):
            say(f"round {number} of {rounds}")
            run_round(broker, acts, results)
        run_once(broker, scale, results)
    return results


def run_once(broker: BenchBroker, scale: float, results: Results) -> None:
    """Measure what takes its time and is not repeated."""
    share = max(scale, _LEAST_PACE_SECONDS / _PACE.seconds)
    asked = Asked(_PACE.rate, _PACE.seconds * share, _PACE.stall_seconds * share)
    say(f"pacing: {asked.rate:,g} msg/s for {asked.seconds:g} s")
    results.paced = pace(broker, asked, say)
    for rate in _RATES:
        seconds = max(_LEAST_RATE_SECONDS, _RATE_SECONDS * scale)
        say(f"pacing over TLS: {rate * scale:,g} msg/s for {seconds:g} s")
        results.kept.append(keep(broker, rate * scale, seconds))
    seconds = max(_LEAST_IDLE_SECONDS, _IDLE_SECONDS * scale)
    say(f"idle: the default plant for {seconds:g} s")
    results.idle = idle(broker.port, seconds)


def main() -> None:
    """Do as the command line says."""
    options = _parser().parse_args()
    if options.stored:
        results = Results.load(options.stored)
    else:
        results = run(options.rounds, min(max(options.scale, 0.001), 1.0))
        results.save(STORE if options.scale >= 1 else STORE.with_stem("bench-quick"))
    tables = markdown(results)
    print(tables)
    if not options.no_page:
        draw(overview(results), PICTURES / _PICTURE)
        write(PAGE, BENCH, f"{tables}\n\n![{_CAPTION}](pictures/{_PICTURE})")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, choices=range(1, 21), default=5, metavar="N", help="runs of each case [5]"
    )
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="share of messages and seconds [1]")
    parser.add_argument("--no-page", action="store_true", help="only print; leave docs/performance.md as it is")
    parser.add_argument("--from", dest="stored", type=Path, metavar="FILE", help=f"measure nothing, take {STORE.name}")
    return parser


if __name__ == "__main__":
    main()
