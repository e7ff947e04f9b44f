"""What this project has asked of itself, beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.reporting.page import table
from benchmarks.reporting.results import Results, cpu_us, rate, rss_mib
from benchmarks.runs.idle import Idle
from benchmarks.runs.memory import Held
from benchmarks.runs.pace import Paced
from benchmarks.runs.rates import Kept
from benchmarks.scenes import ALONE, LATE, PLAIN, PLAIN_EVENTS, SIZES, TLS, TLS_EVENTS

_OF_LIMIT: Final = (
    ("plain: of the limit", PLAIN, 0.9),
    ("CloudEvents, plain: of the limit with such frames", PLAIN_EVENTS, 0.8),
    ("TLS: of the limit over TLS", TLS, 0.8),
    ("CloudEvents, TLS: of the limit with such frames", TLS_EVENTS, 0.8),
)
_OURS: Final = {"": "ours", "`--speed max`, ": "ours_fast"}
"""Of both our senders as much is asked."""


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


def bound_table(asked: Sequence[Bound]) -> str:
    """All of them, with what of them is met."""
    rows = [[bound.what, bound.said, _figure(bound.value), "yes" if bound.met else "**no**"] for bound in asked]
    return table("bound | asked: | measured: | met", rows)


def bounds(results: Results) -> list[Bound]:
    """What was asked for, of medians; of pacing and idling where they have been measured."""
    paced = paced_bounds(results.paced) if results.paced else []
    kept = [bound for each in results.kept[-1:] for bound in _kept_bounds(each)]
    idle = _idle_bounds(results.idle) if results.idle else []
    return [*_ratios(results), *_costs(results), *paced, *kept, *idle]


def paced_bounds(paced: Paced) -> list[Bound]:
    """Of a run at a given rate over a stall of the broker."""
    run = f"{paced.rate:,g} msg/s over a stall of {paced.stall_seconds:.2g} s"
    return [
        Bound(f"{run}: rows more or less than were due", paced.off, 1, least=False),
        Bound(f"{run}: p99 of lateness outside the stall, ms", paced.outside.p99_ms, 10, least=False),
        Bound(f"{run}: seconds until caught up", paced.caught_up_seconds, 5, least=False),
    ]


def _kept_bounds(kept: Kept) -> list[Bound]:
    run = f"{kept.rate:,g} msg/s over TLS"
    return [
        Bound(f"{run}: rows more or less than were due", kept.off, 1, least=False),
        Bound(f"{run}: p99 of lateness, ms", kept.told_p99_ms, 10, least=False),
    ]


def held_bounds(held: Held) -> list[Bound]:
    """Of a long run under load."""
    run = f"{held.load.seconds:,.0f} s at {held.load.rate:,g} msg/s"
    return [
        Bound(f"{run}: messages more or less than were due", abs(held.counted - held.due), 1, least=False),
        Bound(f"{run}: seconds longer than asked, with the start", held.overtime_seconds, 5, least=False),
        Bound(f"{run}: MiB of growth after the first minute", held.growth_bytes / 2**20, 5, least=False),
    ]


def _ratios(results: Results) -> list[Bound]:
    plain, tls, late = (results.senders(title, rate) for title in (PLAIN, TLS, LATE))
    return [
        *(bound for which, sender in _OURS.items() for bound in _of_limit(results, which, sender)),
        Bound("plain: times `mosquitto_pub -l`", over(plain, "mosquitto_pub"), 2),
        Bound("plain: times stock paho", over(plain, "stock_paho"), 6),
        Bound("plain: times waiting for each", over(plain, "wait_each"), 20),
        Bound("10 ms round trip: times waiting for each", over(late, "wait_each"), 300),
        Bound("TLS: times stock paho over TLS", over(tls, "stock_paho"), 3),
    ]


def _of_limit(results: Results, which: str, sender: str) -> Iterator[Bound]:
    for what, title, asked in _OF_LIMIT:
        rates = results.senders(title, rate)
        yield Bound(which + what, rates[sender] / limit_of(rates), asked)


def _costs(results: Results) -> list[Bound]:
    alone, alone_us = results.sizes(ALONE, rate), results.sizes(ALONE, cpu_us)
    few, most = min(alone), max(alone)
    dearer = alone_us[most] / alone_us[few]
    return [
        Bound("plain: µs of client CPU a message", results.senders(PLAIN, cpu_us)["ours"], 4, least=False),
        Bound(f"plant alone: rows a second with {few:,} machines", alone[few], 400_000),
        Bound(f"plant alone: cost of a row at {most:,} machines to {few:,}", dearer, 1.3, least=False),
        Bound(f"sending: MiB of memory at {most:,} machines", results.sizes(SIZES, rss_mib)[most], 300, least=False),
    ]


def _idle_bounds(idle: Idle) -> list[Bound]:
    return [Bound("the default plant, connected: % of a core", 100 * idle.cpu_share, 1, least=False)]


def limit_of(rates: Mapping[str, float]) -> float:
    """The faster of the two limits."""
    return max(rates["limit"], rates.get("limit_quick", 0.0))


def over(rates: Mapping[str, float], other: str) -> float:
    """How many times as fast as another ours is."""
    return rates["ours"] / rates[other]


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
