"""Tables of what was measured, and what of it was asked for."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.case import Case, Measured
from benchmarks.scenes import ALONE, LATE, PLAIN, PLAIN_EVENTS, SIZES, TLS, TLS_EVENTS, Scene

BEGIN, END = "<!-- measured: make bench writes from here -->", "<!-- measured: to here -->"
NAMES = {
    "ours": "**ours**, plant included",
    "limit": "the limit: ready frames, bare socket",
    "mosquitto_pub": "`mosquitto_pub -l`",
    "stock_paho": "stock paho loop",
    "wait_each": "paho, waiting for each",
    "plant_alone": "plant",
}


@dataclass(slots=True)
class Results:
    """Everything measured, by scene title and case.  first_seconds: from a daemon's start to its first message."""

    runs: dict[tuple[str, Case], list[Measured]] = field(default_factory=dict)
    first_seconds: list[float] = field(default_factory=list)

    def add(self, scene: Scene, case: Case, measured: Measured) -> None:
        """One more run of a case."""
        self.runs.setdefault((scene.title, case), []).append(measured)

    def rates(self, title: str) -> dict[str, float]:
        """Median messages a second of each sender in a scene."""
        return {case.sender: median(runs, rate) for (scene, case), runs in self.runs.items() if scene == title}

    def sizes(self, title: str, figure: Callable[[Measured], float]) -> dict[int, float]:
        """Median of a figure by number of machines."""
        return {case.machines: median(runs, figure) for (scene, case), runs in self.runs.items() if scene == title}


def rate(measured: Measured) -> float:
    """Messages a second."""
    return measured.rate


def cpu_us(measured: Measured) -> float:
    """Microseconds of the sender's processor time a message."""
    return measured.cpu_us


def rss_mib(measured: Measured) -> float:
    """The most memory the sender had, in MiB."""
    return measured.rss_bytes / 2**20


def median(runs: Sequence[Measured], figure: Callable[[Measured], float]) -> float:
    """The median of a figure over the runs."""
    return statistics.median(map(figure, runs))


@dataclass(frozen=True, slots=True)
class Bound:
    """Something asked for.  least: `value` has to be at least `asked`, else at most."""

    what: str
    value: float
    asked: float
    least: bool = True

    @property
    def said(self) -> str:
        """What was asked, in words."""
        return f"{'at least' if self.least else 'at most'} {self.asked:,g}"

    @property
    def met(self) -> bool:
        """Whether it is so."""
        return self.value >= self.asked if self.least else self.value <= self.asked


def bounds(results: Results) -> list[Bound]:
    """What was asked for, beside what was measured; of medians."""
    plain, events, tls, tls_events, late = map(results.rates, (PLAIN, PLAIN_EVENTS, TLS, TLS_EVENTS, LATE))
    alone, alone_us = results.sizes(ALONE, rate), results.sizes(ALONE, cpu_us)
    few, most = min(alone), max(alone)
    dearer = alone_us[most] / alone_us[few]
    plain_cpu = next(runs for (title, case), runs in results.runs.items() if (title, case.sender) == (PLAIN, "ours"))
    return [
        Bound("plain: of the limit", _over(plain, "limit"), 0.9),
        Bound("plain: times `mosquitto_pub -l`", _over(plain, "mosquitto_pub"), 2),
        Bound("plain: times stock paho", _over(plain, "stock_paho"), 6),
        Bound("plain: times waiting for each", _over(plain, "wait_each"), 20),
        Bound("10 ms round trip: times waiting for each", _over(late, "wait_each"), 300),
        Bound("CloudEvents, plain: of the limit with such frames", _over(events, "limit"), 0.8),
        Bound("TLS: of the limit over TLS", _over(tls, "limit"), 0.8),
        Bound("TLS: times stock paho over TLS", _over(tls, "stock_paho"), 3),
        Bound("CloudEvents, TLS: of the limit with such frames", _over(tls_events, "limit"), 0.8),
        Bound("plain: µs of client CPU a message", median(plain_cpu, cpu_us), 4, least=False),
        Bound(f"plant alone: rows a second, the fewest of {few:,} to {most:,} machines", min(alone.values()), 400_000),
        Bound(f"plant alone: cost of a row at {most:,} machines to {few:,}", dearer, 1.3, least=False),
        Bound(f"sending: MiB of memory at {most:,} machines", results.sizes(SIZES, rss_mib)[most], 300, least=False),
    ]


def markdown(results: Results, circumstances: str) -> str:
    """All tables, as Markdown."""
    parts = [circumstances, _speed_table(results), _size_table(results), _first(results), _bound_table(bounds(results))]
    return "\n\n".join(parts)


def write(page: Path, measured: str) -> None:
    """Put the tables between the page's marks; ValueError where it has none."""
    text, pattern = page.read_text("utf-8"), f"{re.escape(BEGIN)}.*{re.escape(END)}"
    if not re.search(pattern, text, re.DOTALL):
        raise ValueError(f"{page.name} has no marks for the tables")
    filled = re.sub(pattern, lambda _: f"{BEGIN}\n\n{measured}\n\n{END}", text, flags=re.DOTALL)
    page.write_text(filled, "utf-8")


def _over(rates: Mapping[str, float], other: str) -> float:
    return rates["ours"] / rates[other]


def _table(head: str, rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns stand to the right where the head says so with a colon."""
    names = [name.strip() for name in head.split("|")]
    rule = ["---:" if name.endswith(":") else "---" for name in names]
    lines = [[name.rstrip(":") for name in names], rule, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _speed_table(results: Results) -> str:
    rows = [_speed_row(results, title, case) for title, case in results.runs if title not in (ALONE, SIZES)]
    head = "what | sender | msg/s: | lowest to highest: | of the limit: | ours is: | client CPU a message:"
    return _table(head, rows)


def _speed_row(results: Results, title: str, case: Case) -> list[str]:
    runs, rates = results.runs[title, case], results.rates(title)
    lowest, highest = (f"{pick(map(rate, runs)):,.0f}" for pick in (min, max))
    of_limit = f"{rates[case.sender] / rates['limit']:.2f}" if "limit" in rates else ""
    times = "" if case.sender == "ours" else f"{_over(rates, case.sender):,.2f} times"
    cpu = f"{median(runs, cpu_us):.1f} µs"
    return [title, NAMES[case.sender], f"{median(runs, rate):,.0f}", f"{lowest} to {highest}", of_limit, times, cpu]


def _size_table(results: Results) -> str:
    rows = [
        [title, f"{case.machines:,}", *_size_figures(runs)]
        for (title, case), runs in results.runs.items()
        if title in (ALONE, SIZES)
    ]
    return _table("what | machines: | msg/s: | CPU a message: | most memory:", rows)


def _size_figures(runs: Sequence[Measured]) -> list[str]:
    return [f"{median(runs, rate):,.0f}", f"{median(runs, cpu_us):.2f} µs", f"{median(runs, rss_mib):.0f} MiB"]


def _first(results: Results) -> str:
    seconds = statistics.median(results.first_seconds)
    return f"From the start of `app.py run` to its first message at a subscriber: {seconds:.2f} s."


def _bound_table(asked: Sequence[Bound]) -> str:
    rows = [[bound.what, bound.said, _figure(bound.value), "yes" if bound.met else "**no**"] for bound in asked]
    return _table("bound | asked: | measured: | met", rows)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
