"""`python -m benchmarks.plants`: measure plants with signals, and write the tables into docs/performance.md.

Everything is measured several times in turn, each in a process of its own, so that other load meets all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from benchmarks.case import ROOT
from benchmarks.plants.declared import PLANTS
from benchmarks.plants.speed import Asked
from benchmarks.progress import say
from benchmarks.reporting.bounds import Bound, bound_table
from benchmarks.reporting.circumstances import circumstances
from benchmarks.reporting.page import PAGE, PLANT_SPEED, table, write

Figures = Mapping[str, float]

SIX: Final = "six signals"
SIZES: Final = (1_000, 100_000)
CALLS: Final = (100, 1_000, 2_000, 8_000)
DEFAULT: Final = Path(__file__).with_name("default_plant.py")
_MOST_SECONDS: Final = 600.0


class Live(NamedTuple):
    """Machines that report each second, in turns of a tenth of a second."""

    machines: int

    @property
    def asked(self) -> Asked:
        """Two thousand turns."""
        rows_a_call = self.machines / 10
        return Asked("turn", SIX, self.machines, 1.0, rows_a_call, round(2000 * rows_a_call))


LIVE: Final = (Live(10), Live(100))


def everything(scale: float) -> Iterator[Asked]:
    """Yield all that is measured. scale: share of the rows and machines."""
    rows = max(1, round(100_000 * scale))
    for machines in SIZES:
        for rows_a_call in CALLS:
            yield Asked("rate", SIX, machines, rows_a_call=rows_a_call, rows=rows)
    for plant in PLANTS:
        if plant != SIX:
            yield Asked("rate", plant, 1_000, rows_a_call=2_000, rows=rows)
    yield Asked("memory", SIX, max(100, round(100_000 * scale)))
    for live in LIVE:
        yield live.asked._replace(rows=max(100, round(live.asked.rows * scale)))


def measured(asked: Asked) -> Figures:
    """Measure in a process of its own."""
    return _run([sys.executable, "-m", "benchmarks.plants.speed", json.dumps(asked)], ROOT)


def default_plant(root: Path) -> Figures:
    """Measure the default plant of the version in a folder."""
    return _run([sys.executable, str(DEFAULT)], root)


def _run(call: Sequence[str], root: Path) -> Figures:
    done = subprocess.run(  # noqa: S603  ourselves
        call,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=_MOST_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{call}\n{done.stderr}")
    figures: Figures = json.loads(done.stdout)
    return figures


class Results:
    """Figures of several rounds. other: of the other version's default plant, if there is one."""

    def __init__(self) -> None:
        self.plants: dict[Asked, list[Figures]] = defaultdict(list)
        self.default: list[Figures] = []
        self.other: list[Figures] = []

    def of(self, what: str) -> Iterator[tuple[Asked, list[Figures]]]:
        """Yield what was measured of one kind."""
        return ((asked, rounds) for asked, rounds in self.plants.items() if asked.what == what)


def run(rounds: int, scale: float, other: Path | None) -> Results:
    """Measure everything in turn."""
    results = Results()
    for number in range(rounds):
        for asked in everything(scale):
            results.plants[asked].append(measured(asked))
            say(f"round {number + 1}: {asked} {results.plants[asked][-1]} load {os.getloadavg()[0]:.1f}")
        results.default.append(default_plant(ROOT))
        if other:
            results.other.append(default_plant(other))
        say(f"round {number + 1}: default plant {results.default[-1]} {results.other[-1:]}")
    return results


def middle(rounds: Sequence[Figures], figure: str) -> float:
    """Return the median of a figure over rounds."""
    return median(each[figure] for each in rounds)


def best(rounds: Sequence[Figures], figure: str) -> float:
    """Return the greatest of a figure over rounds."""
    return max(each[figure] for each in rounds)


def markdown(results: Results, name: str) -> str:
    """Return the tables. name: of the other version."""
    tables = [_rates(results), _others(results, name), bound_table([*bounds(results)])]
    return "\n\n".join(tables)


def _rates(results: Results) -> str:
    rows = [
        [
            asked.plant,
            f"{asked.machines:,}",
            f"{asked.rows_a_call:,g}",
            f"{best(rounds, 'best'):,.0f}",
            f"{middle(rounds, 'median'):,.0f}",
            f"{1e6 / middle(rounds, 'median'):.2f} µs",
        ]
        for asked, rounds in results.of("rate")
    ]
    return table("plant | machines: | rows a call: | best rows/s: | median rows/s: | a row", rows)


def _others(results: Results, name: str) -> str:
    rows = []
    for asked, rounds in results.of("turn"):
        figures = ", ".join(f"{middle(rounds, figure):.2f}" for figure in ("p50", "p99", "most"))
        what = f"a turn of 0.1 s, {asked.machines} machines that report each second: p50, p99, most"
        rows.append([what, f"{figures} ms"])
    for asked, rounds in results.of("memory"):
        rows.append([f"memory (RSS) of each of {asked.machines:,} machines", f"{middle(rounds, 'bytes'):,.0f} bytes"])
        rows.append([f"to build {asked.machines:,} machines", f"{middle(rounds, 'build_seconds'):.2f} s"])
    for which, each in (("this version", results.default), (name, results.other)):
        if each:
            rates = f"{best(each, 'best'):,.0f} and {middle(each, 'median'):,.0f} rows/s"
            rss = f"{middle(each, 'rss_bytes') / 2**20:.1f} MiB, numpy {'' if each[0]['numpy'] else 'not '}imported"
            rows.append([f"the default plant, {which}: best and median, memory", f"{rates}, {rss}"])
    return table("what | measured", rows)


def bounds(results: Results) -> Iterator[Bound]:
    """Yield what is asked of plants with signals, of medians."""
    for asked, rounds in results.of("rate"):
        if asked.plant == SIX and asked.rows_a_call == 1_000:
            what = f"{asked.machines:,} machines, 1,000 rows a call: rows a second"
            yield Bound(what, middle(rounds, "median"), 300_000)
    for asked, rounds in results.of("memory"):
        yield Bound(f"bytes of each of {asked.machines:,} machines", middle(rounds, "bytes"), 2_048, least=False)
        yield Bound(f"seconds to build {asked.machines:,} machines", middle(rounds, "build_seconds"), 5, least=False)
    for asked, rounds in results.of("turn"):
        yield Bound(f"a turn of {asked.machines} machines: p50, ms", middle(rounds, "p50"), 1, least=False)
    yield Bound("the default plant: numpy imported", max(each["numpy"] for each in results.default), 0, least=False)
    if results.other:
        for figure, asked_ratio, least in (("best", 0.97, True), ("rss_bytes", 1.05, False)):
            ratio = middle(results.default, figure) / middle(results.other, figure)
            yield Bound(f"the default plant: {figure} to that of the other version", ratio, asked_ratio, least)
        more = (middle(results.default, "rss_bytes") - middle(results.other, "rss_bytes")) / 2**20
        yield Bound("the default plant: MiB more than the other version", more, 2, least=False)


def main() -> None:
    """Do as the command line says."""
    options = _parser().parse_args()
    how = f", in one run of {options.rounds} rounds, each with several turns"
    began = circumstances(how, ("numpy", "orjson", "pydantic"), broker=False)
    results = run(options.rounds, options.scale, options.other)
    load = f"Load as it ended: {os.getloadavg()[0]:.1f}."
    tables = f"{began} {load}\n\n{markdown(results, options.name)}"
    print(tables)
    if not options.no_page:
        write(PAGE, PLANT_SPEED, tables)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plants", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="times that everything is measured [3]")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="share of rows and machines [1]")
    parser.add_argument("--other", type=Path, metavar="DIR", help="folder of another version, for its default plant")
    parser.add_argument("--name", default="the other version", metavar="TEXT", help="what that version is called")
    parser.add_argument("--no-page", action="store_true", help="only print; leave docs/performance.md as it is")
    return parser


if __name__ == "__main__":
    main()
