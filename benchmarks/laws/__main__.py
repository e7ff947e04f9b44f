"""`python -m benchmarks.laws`: measure, print the table, write it into docs/reliability.md; 1 if a law is not met."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from benchmarks.case import ROOT
from benchmarks.laws.checks import LAWS
from benchmarks.laws.declared import CLOCK, PROBE, ZONE, clocks, probes
from benchmarks.laws.discrete_checks import by_clock
from benchmarks.laws.figures import Figure, exact
from benchmarks.laws.sample import Sample, sample
from benchmarks.reporting.page import Marks, table, write
from messages import START

PAGE: Final = ROOT / "docs" / "reliability.md"
MARKS: Final = Marks("<!-- measured: make laws writes from here -->", "<!-- measured: make laws to here -->")
SPRING: Final = datetime(2026, 3, 26, tzinfo=UTC).timestamp()
"""Three days before clocks are put forward in the time zone of the clocks."""

_WEEK_HOURS: Final = 168.0
_MACHINES: Final = 100
_CLOCKS: Final = 5
_HEAD: Final = "part | signal | figure | expected: | measured: | may be off by: | values: | bound | met"


def figures(hours: float, machines: int = _MACHINES) -> list[Figure]:
    """Return all figures of some hours of plant time."""
    found = sample(probes(machines), PROBE, hours, START)
    local = sample(clocks(_CLOCKS), CLOCK, hours, SPRING)
    return [*(figure for law in LAWS for figure in law(found)), *_clock_figures(local)]


def _clock_figures(local: Sample) -> Iterator[Figure]:
    """Yield how far a sine over the day, and the hour in formulas, are away from those of the local time."""
    zone = ZoneInfo(ZONE)
    moments = [datetime.fromtimestamp(ms / 1000, zone) for ms in local.times_ms.ravel().tolist()]
    hours = [each.hour + each.minute / 60 + (each.second + each.microsecond / 1e6) / 3600 for each in moments]
    expected = np.array(hours).reshape(local.times_ms.shape)
    sines = 20 + 5 * np.cos((expected - 15.5) / 24 * 2 * math.pi)
    how = f"rounding, the sine's table; {ZONE}, last week of March"
    yield exact(("daily", "daily", "greatest error, local time"), local.signals["daily"] - sines, 0.5e-6 + 1.5e-6, how)
    yield from by_clock(local, moments)
    yield exact(("formula", "local_hour", "greatest error"), local.signals["local_hour"] - expected, 0.5e-6 + 1e-9, how)


def markdown(found: Sequence[Figure]) -> str:
    """Return the table."""
    rows = [
        [
            f"`{each.part}`",
            each.signal,
            each.what,
            f"{each.expected:.6g}",
            f"{each.measured:.6g}",
            f"{each.bound:.2g}",
            f"{each.size:,}",
            each.how,
            "yes" if each.is_met else "**no**",
        ]
        for each in found
    ]
    return table(_HEAD, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do as the command line says."""
    options = _parser().parse_args(arguments)
    began = time.monotonic()
    found = figures(options.hours, options.machines)
    missed = sum(not each.is_met for each in found)
    head = (
        f"{options.hours:g} hours of plant time, {options.machines} machines that report each minute, measured on"
        f" {datetime.now(UTC):%Y-%m-%d} in {time.monotonic() - began:.0f} s: {len(found)} figures, {missed} not met."
    )
    tables = f"{head}\n\n{markdown(found)}"
    print(tables)
    if not options.no_page:
        write(PAGE, MARKS, tables)
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.laws", description=__doc__)
    parser.add_argument("--hours", type=float, default=_WEEK_HOURS, metavar="H", help="of plant time [168]")
    parser.add_argument("--machines", type=int, default=_MACHINES, metavar="N", help="that are measured [100]")
    parser.add_argument("--no-page", action="store_true", help="only print; leave docs/reliability.md as it is")
    return parser


if __name__ == "__main__":
    sys.exit(main())
