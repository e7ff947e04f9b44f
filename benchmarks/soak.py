"""`python -m benchmarks.soak`: long runs, written into the page; it ends with 1 where a bound is not met.

pace: ten minutes at 1,000 messages a second, in whose middle the broker stands still for half a minute.
memory: an hour at 20,000 messages a second from 20,000 machines.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from matplotlib.figure import Figure

from benchmarks.broker import BenchBroker
from benchmarks.case import ROOT
from benchmarks.progress import say
from benchmarks.reporting.bounds import Bound, bound_table, held_bounds, paced_bounds
from benchmarks.reporting.circumstances import circumstances
from benchmarks.reporting.page import PAGE, PICTURES, SOAK_MEMORY, SOAK_PACE, Marks, write
from benchmarks.reporting.picture import draw, growth, stall
from benchmarks.reporting.report import held_table, pace_table
from benchmarks.reporting.results import save
from benchmarks.runs.memory import Held, Load, hold
from benchmarks.runs.pace import Asked, Paced, pace

_PACE = Asked(rate=1000, seconds=600, stall_seconds=30)
_LOAD = Load(machines=20_000, rate=20_000, seconds=3600, settle_seconds=60, look_seconds=10)
_LEAST_SECONDS = 8.0
T = TypeVar("T", Paced, Held)


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """One of the runs: how it is measured at a scale, read from its file, judged, and shown."""

    measure: Callable[[BenchBroker, float], T]
    read: Callable[[dict[str, Any]], T]
    bounds: Callable[[T], list[Bound]]
    table: Callable[[T], str]
    draw: Callable[[T], Figure]
    marks: Marks
    picture: str
    caption: str

    def run(self, scale: float) -> T:
        """Measure, with a broker of its own."""
        with tempfile.TemporaryDirectory() as directory, BenchBroker(Path(directory)) as broker:
            return self.measure(broker, scale)

    def show(self, stored: dict[str, Any], *, page: bool) -> bool:
        """Print it, and write it into the page; whether all bounds are met."""
        measured = self.read(stored["measured"])
        judged = self.bounds(measured)
        text = "\n\n".join([stored["circumstances"], self.table(measured), bound_table(judged)])
        print(text)
        if page:
            draw(self.draw(measured), PICTURES / self.picture)
            write(PAGE, self.marks, f"{text}\n\n![{self.caption}](pictures/{self.picture})")
        return all(bound.met for bound in judged)


def _pace(broker: BenchBroker, scale: float) -> Paced:
    share = max(scale, _LEAST_SECONDS / _PACE.seconds)
    return pace(broker, Asked(_PACE.rate, _PACE.seconds * share, _PACE.stall_seconds * share), say)


def _hold(broker: BenchBroker, scale: float) -> Held:
    """Looks and settling time become shorter only where the run would be too short for them."""
    seconds = max(_LEAST_SECONDS, _LOAD.seconds * scale)
    settle, look = min(_LOAD.settle_seconds, seconds / 3), min(_LOAD.look_seconds, seconds / 20)
    return hold(broker, _LOAD._replace(seconds=seconds, settle_seconds=settle, look_seconds=look), say)


PARTS: dict[str, Part[Any]] = {
    "pace": Part(
        _pace, Paced.of, paced_bounds, pace_table, stall, SOAK_PACE, "soak-pace.svg",
        "messages by second: a steady thousand, none while the broker stands still, then all that were due at once",
    ),
    "memory": Part(
        _hold, Held.of, held_bounds, held_table, growth, SOAK_MEMORY, "soak-memory.svg",
        "memory over the run: a flat line",
    ),
}  # fmt: skip


def main() -> int:
    """Do as the command line says; 1 where a bound is not met."""
    options = _parser().parse_args()
    met = [_do(name, options) for name in ([options.part] if options.part else PARTS)]
    return 0 if all(met) else 1


def store(file: Path, told: str, measured: Paced | Held) -> None:
    """Write what a part has measured, and on what."""
    save(file, {"circumstances": told, "measured": dataclasses.asdict(measured)})


def _do(name: str, options: argparse.Namespace) -> bool:
    # A quick look has a file of its own: it is not to take the place of a whole run.
    file = ROOT / "build" / f"soak-{name}{'' if options.scale >= 1 else '-quick'}.json"
    if not options.stored:
        say(f"soak, {name}")
        store(file, circumstances(), PARTS[name].run(min(max(options.scale, 0.001), 1.0)))
    return PARTS[name].show(json.loads(file.read_text("utf-8")), page=not options.no_page)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--part", choices=PARTS, help="only this one [all in turn]")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="share of the seconds [1]")
    parser.add_argument("--no-page", action="store_true", help="only print; leave docs/performance.md as it is")
    parser.add_argument("--stored", action="store_true", help="measure nothing: show what build/soak-*.json have")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
