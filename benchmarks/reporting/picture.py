"""Pictures of what was measured: senders, costs by size, a stall of the broker, memory over an hour."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmarks.reporting.bounds import limit_of
from benchmarks.reporting.results import Results, cpu_us, rate
from benchmarks.runs.memory import Held
from benchmarks.runs.pace import Paced
from benchmarks.scenes import ALONE, PLAIN, SIZES, TLS

SENDERS = {
    "limit": "the limit:\nready frames, bare socket",
    "ours": "ours,\nplant by the clock",
    "ours_fast": "ours,\n--speed max",
    "mosquitto_pub": "mosquitto_pub -l",
    "stock_paho": "stock paho loop",
    "wait_each": "paho,\nwaiting for each",
}
"""From the fastest that can be to the slowest, as the picture has them."""

_FIRST, _SECOND, _GREY, _RED = "#0969da", "#8250df", "#57606a", "#cf222e"
_STYLE: Final[dict[Any, Any]] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "svg.fonttype": "none",
    "svg.hashsalt": "bench",
}


def draw(figure: Figure, path: Path) -> None:
    """Write a picture to a file, of the kind that its ending says."""
    with mpl.rc_context(_STYLE):
        # No date in it: the same figures make the same file.
        figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else {})


def overview(results: Results) -> Figure:
    """What `make bench` has measured."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10, 6.2), facecolor="white", layout="constrained")
        panels = figure.subplot_mosaic([["senders", "sizes"], ["senders", "stall"]], width_ratios=[1.15, 1])
        _senders(panels["senders"], results)
        _sizes(panels["sizes"], results)
        if results.paced:
            _stall(panels["stall"], results.paced)
        else:
            panels["stall"].set_axis_off()
    return figure


def stall(paced: Paced) -> Figure:
    """A run at a given rate, with the stall of the broker in its middle."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10, 2.8), facecolor="white", layout="constrained")
        _stall(figure.add_subplot(), paced)
    return figure


def growth(held: Held) -> Figure:
    """Memory by time, and the least and the most that it may be after the settling time."""
    minutes = [sample.seconds / 60 for sample in held.samples]
    mib = [sample.rss_bytes / 2**20 for sample in held.samples]
    settled = next(row.rss_bytes / 2**20 for row in held.samples if row.seconds >= held.load.settle_seconds)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10, 2.8), facecolor="white", layout="constrained")
        axes = figure.add_subplot()
        axes.plot(minutes, mib, color=_FIRST, lw=1.4)
        axes.axhline(settled + 5, color=_RED, lw=1, ls="--")
        axes.text(
            minutes[-1], settled + 5, "5 MiB more than after the first minute ", color=_RED, ha="right", va="bottom"
        )
        axes.set(xlim=(0, minutes[-1]), ylim=(0, 1.15 * max(*mib, settled + 5)), xlabel="minutes")
        axes.set_title(f"Memory (RSS) in MiB: {held.load.machines:,} machines, {held.load.rate:,g} messages a second")
        _clear(axes)
    return figure


def _senders(axes: Axes, results: Results) -> None:
    series = {label: results.senders(title, rate) for label, title in (("plain", PLAIN), ("TLS", TLS))}
    series = {label: {**rates, "limit": limit_of(rates)} for label, rates in series.items()}
    names = [name for name in SENDERS if name in series["plain"]]
    for rates, colour, shift in zip(series.values(), (_FIRST, _SECOND), (-0.2, 0.2), strict=True):
        places, values = [place + shift for place in range(len(names))], [rates[name] for name in names]
        bars = axes.barh(places, values, height=0.37, color=colour)
        axes.bar_label(bars, [f"{value:,.0f}" for value in values], padding=3, fontsize=8)
        bars[names.index("limit")].set_alpha(0.45)  # no sender: it makes nothing of what it sends
    labels = axes.set_yticks(range(len(names)), [SENDERS[name] for name in names])
    labels[names.index("ours")].label1.set_fontweight("bold")
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xticks([1e3, 1e4, 1e5, 1e6], ["1,000", "10,000", "100,000", ""])
    axes.set_xlim(1000, 3.5 * max(max(rates.values()) for rates in series.values()))
    axes.minorticks_off()
    axes.set_axisbelow(True)
    axes.set_title("Messages a second, QoS 1 (logarithmic)")
    handles = [Patch(color=colour, label=label) for label, colour in zip(series, (_FIRST, _SECOND), strict=True)]
    axes.legend(handles=handles, loc="lower right", frameon=False)
    axes.grid(axis="x", color="#d0d7de", lw=0.6)
    _clear(axes)


def _sizes(axes: Axes, results: Results) -> None:
    series = {"plant and sending": results.sizes(SIZES, cpu_us), "plant alone": results.sizes(ALONE, cpu_us)}
    for (label, values), colour, shift in zip(series.items(), (_FIRST, _GREY), (-0.2, 0.2), strict=True):
        bars = axes.bar(
            [at + shift for at in range(len(values))], list(values.values()), 0.37, color=colour, label=label
        )
        axes.bar_label(bars, [f"{value:.1f}" for value in values.values()], padding=2, fontsize=8)
    machines: Mapping[int, float] = series["plant alone"]
    axes.set_xticks(range(len(machines)), [f"{count:,}" for count in machines])
    axes.set_yticks([])
    axes.set_xlabel("machines")
    axes.set_ylim(0, 1.35 * max(max(values.values()) for values in series.values()))
    axes.set_title("Processor time a message, µs")
    axes.legend(loc="upper left", frameon=False, ncols=2, borderpad=0)
    _clear(axes)


def _stall(axes: Axes, paced: Paced) -> None:
    begin = (paced.seconds - paced.stall_seconds) / 2
    seconds = range(len(paced.arrived))
    axes.axvspan(begin, begin + paced.stall_seconds, color="#ffebe9", lw=0)
    axes.bar(seconds, paced.arrived, width=1, align="edge", color=_FIRST, lw=0)
    axes.set(xlim=(0, paced.seconds), ylim=(0, 1.12 * max(paced.arrived)), xlabel="seconds")
    top = axes.get_ylim()[1]
    axes.text(
        begin - 0.01 * paced.seconds,
        top,
        f"broker still\nfor {paced.stall_seconds:.2g} s",
        color=_RED,
        ha="right",
        va="top",
    )
    axes.set_title(f"Messages by second, {paced.rate:,g} asked for")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    _clear(axes)


def _clear(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0)
