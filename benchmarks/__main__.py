"""`python -m benchmarks`: measures everything side by side, prints the tables and writes them into the page."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.broker import BenchBroker
from benchmarks.case import ROOT, Case, Measured
from benchmarks.circumstances import circumstances
from benchmarks.delay import delaying
from benchmarks.raw import Listener
from benchmarks.report import Results, markdown, write
from benchmarks.scenes import Ports, Scene, scenes

PAGE = ROOT / "docs" / "performance.md"
_ONE_WAY_SECONDS, _MOST_SECONDS = 0.005, 120.0


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
    flags = ["--mqtt-broker", "127.0.0.1", "--mqtt-port", str(port), "--no-mqtt-tls", "--mqtt-auth-method", "none"]
    call = [sys.executable, str(ROOT / "app.py"), "run", *flags, "--speed", "max", "--count", "1"]
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "LANG")}
    environ, quiet = inherited | {"HTTP_PORT": "0"}, subprocess.DEVNULL
    began = time.perf_counter()
    with subprocess.Popen(call, cwd=ROOT, env=environ, stdout=quiet, stderr=quiet) as daemon:  # noqa: S603 - ourselves
        try:
            listener.wait()
            seconds = time.perf_counter() - began
            daemon.wait(_MOST_SECONDS)
        finally:
            daemon.kill()
    return seconds


def run_round(broker: BenchBroker, acts: list[Scene], results: Results) -> None:
    """Measure everything once."""
    for scene in acts:
        for case in scene.cases:
            measured = counted(broker, case) if scene.counted else measure(case)
            results.add(scene, case, measured)
            line = f"{scene.title}, {case.machines} machines, {case.sender}: {measured.rate:,.0f} msg/s"
            print(f"{line}, {measured.cpu_us:.2f} µs CPU", file=sys.stderr, flush=True)
    results.first_seconds.append(first_message_seconds(broker.port))
    broker.count_to(broker.received + 1)


def run(rounds: int, scale: float) -> str:
    """Measure so many times, everything in turn, so that what the machine does besides meets all; the tables."""
    results, where = Results(), circumstances(rounds)
    with ExitStack() as open_things:
        directory = Path(open_things.enter_context(tempfile.TemporaryDirectory()))
        broker = open_things.enter_context(BenchBroker(directory))
        late = open_things.enter_context(delaying(broker.port, _ONE_WAY_SECONDS))
        acts = scenes(Ports(broker.port, broker.tls_port, late, str(broker.ca_file)), scale)
        for _ in range(rounds):
            run_round(broker, acts, results)
    return markdown(results, where)


def main() -> None:
    """Do as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, choices=range(1, 21), default=5, metavar="N", help="runs of each case [5]"
    )
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="share of the messages to send [1]")
    parser.add_argument("--no-page", action="store_true", help="only print; leave docs/performance.md as it is")
    options = parser.parse_args()
    tables = run(options.rounds, min(max(options.scale, 0.001), 1.0))
    print(tables)
    if not options.no_page:
        write(PAGE, tables)


if __name__ == "__main__":
    main()
