"""`python -m benchmarks.browser`: the page for minutes in Chromium, at 10,000 machines and 2,000 messages a second.

After each collection of garbage: the memory of the page's scripts, its elements and listeners, and what share of a core
it needs. It ends with 1 where a page holds more in the second half than in the first.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import yaml
from playwright.sync_api import Page, expect

from benchmarks.case import ROOT
from benchmarks.progress import say
from benchmarks.reporting.bounds import Bound, bound_table
from benchmarks.reporting.page import table
from tests.support.browser.chromium import chromium
from tests.support.browser.figures import Figures, figures_of
from tests.support.browser.simulators import Simulator, simulating
from tests.support.browser.views import VIEWS, is_live
from tests.support.browser.watched import watched

_HEAD: Final = (
    "view | minutes: | heap, MB: | of them at the end: | elements: | at the end: | listeners: | share of a core:"
)
_COUNTS: Final = {"cnc": 3000, "printer_3d": 3000, "welding": 2000, "painting": 1000, "testing": 1000}
_LEAST_SECONDS: Final = 2.0


class Watched(NamedTuple):
    """A view over some minutes.  found: at the beginning and after each part.  core: the share that it needed."""

    view: str
    minutes: float
    found: list[Figures]
    core: float

    def halves(self, name: str) -> tuple[float, float]:
        """The median of a figure in the first half and in the second."""
        values = [float(getattr(each, name)) for each in self.found]
        middle = len(values) // 2
        return statistics.median(values[:middle]), statistics.median(values[middle:])


def main(arguments: Sequence[str] | None = None) -> int:
    """Do as the command line says; 1 where a bound is not met."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory, chromium() as browser:
        folder = Path(directory)
        (folder / "large.yaml").write_text(_plant(options.rate))
        with simulating(folder, plant="large.yaml") as simulator:
            found = []
            for view in options.views:
                say(f"page in a browser, {view}")
                with watched(browser, simulator.url) as (page, watch):
                    found.append(_watch(page, simulator, view, options.minutes))
                if watch.wrong:
                    print(*watch.wrong, sep="\n", file=sys.stderr)
                    return 1
    bounds = [*_bounds(found)]
    print(_markdown(found), bound_table(bounds), sep="\n\n")
    return 0 if all(bound.met for bound in bounds) else 1


def _plant(rate: float) -> str:
    plant = yaml.safe_load((ROOT / "message_structure.yaml").read_text("utf-8"))
    plant["global"] = {**plant.get("global", {}), "machine_counts": _COUNTS, "target_rate": rate}
    return yaml.safe_dump(plant, sort_keys=False)


def _watch(page: Page, simulator: Simulator, view: str, minutes: float) -> Watched:
    page.goto(f"{simulator.url}/{VIEWS[view]}")
    is_live(page)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    session = page.context.new_cdp_session(page)
    page.wait_for_timeout(15_000)  # until what is kept for some seconds is there
    found, shares = [figures_of(session)], []
    parts = max(8, round(minutes * 4))
    for _ in range(parts):
        shares.append(_core(page, max(_LEAST_SECONDS, minutes * 60 / parts)))
        found.append(figures_of(session))
    return Watched(view, minutes, found, statistics.median(shares))


def _core(page: Page, seconds: float) -> float:
    """The share of a core that the page's main thread needs for some seconds."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def busy() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))

    before, began = busy(), time.monotonic()
    page.wait_for_timeout(seconds * 1000)
    share = (busy() - before) / (time.monotonic() - began)
    session.detach()
    return share


def _bounds(found: Sequence[Watched]) -> Iterator[Bound]:
    for each in found:
        for name, words, spare in (
            ("heap_mb", "MB of heap", 1.0),
            ("nodes", "elements", 200),
            ("listeners", "listeners", 20),
        ):
            first, second = each.halves(name)
            yield Bound(f"{each.view}: {words} in the second half", second, first * 1.1 + spare, least=False)


def _markdown(found: Sequence[Watched]) -> str:
    rows = []
    for each in found:
        (heap, heap_end), (nodes, nodes_end) = each.halves("heap_mb"), each.halves("nodes")
        figures = [f"{heap:.1f}", f"{heap_end:.1f}", f"{nodes:.0f}", f"{nodes_end:.0f}", str(each.found[-1].listeners)]
        rows.append([each.view, f"{each.minutes:g}", *figures, f"{each.core:.1%}"])
    return table(_HEAD, rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browser", description=__doc__)
    parser.add_argument("views", nargs="*", default=["Overview", "Traffic"], choices=[*VIEWS], metavar="VIEW")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long each view is looked at (default 10)")
    parser.add_argument("--rate", type=float, default=2000.0, help="messages a second of the plant (default 2000)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
