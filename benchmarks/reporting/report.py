"""Tables of what was measured, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks.case import Case, Measured
from benchmarks.reporting.bounds import bound_table, bounds, limit_of, over
from benchmarks.reporting.page import table
from benchmarks.reporting.results import Results, cpu_us, median, rate, rss_mib
from benchmarks.runs.idle import Idle
from benchmarks.runs.memory import Held
from benchmarks.runs.pace import Paced
from benchmarks.runs.rates import Kept
from benchmarks.scenes import ALONE, SIZES

NAMES = {
    "ours": "**ours**, plant included, by the clock",
    "ours_fast": "**ours**, plant included, `--speed max`",
    "limit": "the limit: ready frames, bare socket",
    "limit_quick": "the limit, acknowledging at once",
    "mosquitto_pub": "`mosquitto_pub -l`",
    "stock_paho": "stock paho loop",
    "wait_each": "paho, waiting for each",
    "plant_alone": "plant",
}


def markdown(results: Results) -> str:
    """All tables."""
    parts = [results.circumstances, _speed_table(results), _size_table(results), _first(results)]
    parts += [pace_table(results.paced)] if results.paced else []
    parts += [_kept_table(results.kept)] if results.kept else []
    parts += [_idle(results.idle)] if results.idle else []
    return "\n\n".join([*parts, bound_table(bounds(results))])


def pace_table(paced: Paced) -> str:
    """How many rows came, and how late."""
    head = f"{paced.rate:,g} msg/s asked for, {paced.seconds:,g} s, broker still for {paced.stall_seconds:.2g} s | :"
    counts = {
        "rows due by the plant's own arithmetic": f"{paced.due:,}",
        "at a subscriber": f"{paced.delivered:,}",
        "counted by the broker": f"{paced.counted:,}",
        "acknowledged, as the simulator counts": f"{paced.acknowledged:,}",
        "rate that came, orders and dispatches included": f"{100 * paced.rate_error:+.3f} % of what was asked",
    }
    late = {
        "lateness at the subscriber outside the stall: p50, p99, most": paced.outside,
        "the same of all rows": paced.whole,
    }
    told = {
        "lateness of the simulator's turns outside the stall, by its own histogram: p50, p99": (
            f"at most {paced.told_p50_ms:g} ms, {paced.told_p99_ms:g} ms"
        ),
        "on time again after the end of the stall": f"{paced.caught_up_seconds:.2f} s",
    }
    figures = {what: f"{each.p50_ms:.2f}, {each.p99_ms:.2f}, {each.max_ms:,.1f} ms" for what, each in late.items()}
    return table(head, list((counts | figures | told).items()))


def _kept_table(runs: Sequence[Kept]) -> str:
    rows = [
        [
            f"{kept.rate:,g}",
            f"{kept.due:,}",
            f"{kept.counted:,}",
            f"at most {kept.told_p50_ms:g} ms, {kept.told_p99_ms:g} ms",
            f"{100 * kept.cpu_share:.0f} %",
        ]
        for kept in runs
    ]
    head = f"msg/s asked for, TLS: | due in {runs[0].seconds:g} s: | counted by the broker: "
    return table(f"{head}| lateness of its turns, p50, p99: | of a core:", rows)


def held_table(held: Held) -> str:
    """Memory by time: at the first look, when the settling time was over, and then at every sixth of the run."""
    load, last = held.load, held.samples[-1].seconds
    moments = [0.0, load.settle_seconds, *(last * part / 6 for part in range(1, 6)), last]
    looks = {next(sample for sample in held.samples if sample.seconds >= moment) for moment in moments}
    rows = [[f"{look.seconds:,.0f}", f"{look.rss_bytes / 2**20:.2f} MiB"] for look in sorted(looks)]
    head = f"{load.machines:,} machines, {load.rate:,g} msg/s, {load.seconds:,.0f} s; at second: | memory (RSS):"
    counted = f"Messages due: {held.due:,}. Counted by the broker: {held.counted:,}."
    return f"{table(head, rows)}\n\n{counted}"


def _speed_table(results: Results) -> str:
    rows = [_speed_row(results, title, case) for title, case in results.runs if title not in (ALONE, SIZES)]
    head = (
        "what | sender | msg/s: | lowest to highest: | of the limit: | ours is: | client CPU a message: | most memory:"
    )
    return table(head, rows)


def _speed_row(results: Results, title: str, case: Case) -> list[str]:
    runs, rates = results.runs[title, case], results.senders(title, rate)
    lowest, highest = (f"{pick(map(rate, runs)):,.0f}" for pick in (min, max))
    of_limit = f"{rates[case.sender] / limit_of(rates):.2f}" if "limit" in rates else ""
    times = "" if case.sender.startswith("ours") else f"{over(rates, case.sender):,.2f} times"
    cost = [f"{median(runs, cpu_us):.1f} µs", f"{median(runs, rss_mib):.0f} MiB"]
    return [title, NAMES[case.sender], f"{median(runs, rate):,.0f}", f"{lowest} to {highest}", of_limit, times, *cost]


def _size_table(results: Results) -> str:
    rows = [
        [title, f"{case.machines:,}", *_size_figures(runs)]
        for (title, case), runs in results.runs.items()
        if title in (ALONE, SIZES)
    ]
    return table("what | machines: | msg/s: | CPU a message: | most memory:", rows)


def _size_figures(runs: Sequence[Measured]) -> list[str]:
    return [f"{median(runs, rate):,.0f}", f"{median(runs, cpu_us):.2f} µs", f"{median(runs, rss_mib):.0f} MiB"]


def _first(results: Results) -> str:
    seconds = statistics.median(results.first_seconds)
    return f"From the start of `app.py run` to its first message at a subscriber: {seconds:.2f} s."


def _idle(idle: Idle) -> str:
    return (
        f"The default plant, connected, {idle.seconds:g} s: {100 * idle.cpu_share:.2f} % of a core, "
        f"{idle.rss_bytes / 2**20:.0f} MiB."
    )
