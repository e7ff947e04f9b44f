"""Draws an early shift of scenarios/two-shifts.yaml as an SVG: the ground truth of five machines, and their messages.

python -m tools.pictures.shift > docs/pictures/shift.svg      the same bytes each time; another file's name as argument
                                                             makes that file, of the kind that its ending says
"""

from __future__ import annotations

import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import orjson
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from messages import FactoryMessageGenerator
from plant.truth.events import FinishedJob, StateInterval, TruthEvent

SCENARIO = Path(__file__).parents[2] / "scenarios" / "two-shifts.yaml"
GOOD = frozenset({"good", "pass"})
SEED, HOURS = "42", 8
START: Final = datetime(2026, 1, 5, 5, tzinfo=UTC).timestamp()
FIRST_HOUR = 6
"""What the clock in Berlin shows at START."""

MACHINES = ("CNC-03", "3DP-01", "WELD-01", "PAINT-01", "TEST-01")
CLOSE_UP, CLOSE_UP_BEGIN, CLOSE_UP_HOURS = "CNC-03", 2 + 52 / 60, 9 / 60
COLOURS = {
    "at work": "#2da44e",
    "idle": "#c8d1da",
    "warming up, cooling, drying": "#e3b341",
    "maintenance, calibrating": "#8250df",
    "faulted": "#cf222e",
    "planned stop": "#57606a",
}
GROUPS = {
    "running": "at work",
    "testing": "at work",
    "idle": "idle",
    "warming_up": "warming up, cooling, drying",
    "cooling": "warming up, cooling, drying",
    "drying": "warming up, cooling, drying",
    "maintenance": "maintenance, calibrating",
    "calibrating": "maintenance, calibrating",
    "faulted": "faulted",
    "planned_stop": "planned stop",
}
"""State -> its name in the legend."""

STYLE: Final[dict[Any, Any]] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": SEED,
}


class Shift:
    """The ground truth of a shift by machine, and its messages. Times in hours from its beginning."""

    def __init__(self) -> None:
        self.stays: defaultdict[str, list[StateInterval]] = defaultdict(list)
        self.jobs: defaultdict[str, list[FinishedJob]] = defaultdict(list)
        self.rows: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.oee: defaultdict[str, list[float]] = defaultdict(list)
        plant = FactoryMessageGenerator(SCENARIO, SEED, start=START)
        plant.listen(self._note)
        for hour in range(1, HOURS + 1):
            for message in plant.advance(START + 3600 * hour):
                self.rows[message.source].append(orjson.loads(message.payload))
            for machine in plant.oee("last_hour"):
                self.oee[machine.machine_id].append(machine.oee or 0.0)
        plant.close_truth()

    def _note(self, event: TruthEvent) -> None:
        if isinstance(event, StateInterval):
            self.stays[event.machine_id].append(event)
        elif isinstance(event, FinishedJob):
            self.jobs[event.machine_id].append(event)


def hours(time_ms: float) -> float:
    """Hours from the beginning."""
    return (time_ms / 1000 - START) / 3600


def in_sight(time_ms: float) -> bool:
    """Whether a moment is in the close-up."""
    return 0 <= hours(time_ms) - CLOSE_UP_BEGIN <= CLOSE_UP_HOURS


def band(axes: Axes, stays: list[StateInterval], bottom: float, height: float) -> None:
    """A machine's states."""
    for stay in stays:
        width = hours(stay.to_ms) - hours(stay.from_ms)
        axes.broken_barh([(hours(stay.from_ms), width)], (bottom, height), color=COLOURS[GROUPS[stay.state]], lw=0)


def ticks(axes: Axes, jobs: list[FinishedJob], bottom: float, top: float) -> None:
    """Return marks of finished jobs; those that are not good are taller."""
    for good, colour, height in ((True, "#57606a", 0.65), (False, "#cf222e", 1.0)):
        times = [hours(job.finished_ms) for job in jobs if (job.result in GOOD) is good]
        axes.vlines(times, bottom, bottom + height * (top - bottom), color=colour, lw=0.9)


def machine(axes: Axes, shift: Shift, name: str) -> None:
    """A machine's shift: states above, jobs that did not turn out well, and the OEE of each hour below."""
    band(axes, shift.stays[name], 1.25, 0.5)
    ticks(axes, [job for job in shift.jobs[name] if job.result not in GOOD], 1.05, 1.22)
    for hour, oee in enumerate(shift.oee[name]):
        axes.bar(hour + 0.5, oee, width=0.96, color="#ddf4ff", edgecolor="#54aeff", lw=0.6)
        axes.text(hour + 0.5, 0.06, f"{oee:.0%}", ha="center", color="#0a3069", fontsize=8)
    axes.set(xlim=(0, HOURS), ylim=(0, 1.8), yticks=[])
    axes.set_ylabel(f"{name}\n{len(shift.jobs[name]):,} jobs", rotation=0, ha="right", va="center")
    axes.tick_params(axis="x", length=0, labelbottom=False)
    clear(axes)


def close_up(axes: Axes, shift: Shift) -> None:
    """A few minutes of one machine: states, every job, every message."""
    band(axes, [stay for stay in shift.stays[CLOSE_UP] if in_sight(stay.from_ms) or in_sight(stay.to_ms)], 2.1, 0.7)
    ticks(axes, [job for job in shift.jobs[CLOSE_UP] if in_sight(job.finished_ms)], 1.2, 1.9)
    for row in shift.rows[CLOSE_UP]:
        time_ms = datetime.fromisoformat(row["timestamp"]).timestamp() * 1000
        if in_sight(time_ms):
            told = row["part_id"] is not None
            axes.plot(hours(time_ms), 0.5, "o", ms=5.5 if told else 3.5, color=COLOURS[GROUPS[row["status"]]], mew=0.9,
                      mec="#24292f" if told else "none")  # fmt: skip
    axes.set(xlim=(CLOSE_UP_BEGIN, CLOSE_UP_BEGIN + CLOSE_UP_HOURS), ylim=(0, 3))
    axes.set_yticks([2.45, 1.5, 0.5], ["states", "jobs", "rows"])
    minutes = [CLOSE_UP_BEGIN + minute / 60 for minute in range(round(CLOSE_UP_HOURS * 60) + 1)]
    axes.set_xticks(minutes, [clock(at) for at in minutes])
    axes.tick_params(length=0)
    clear(axes)


def clear(axes: Axes) -> None:
    """No frame."""
    axes.spines[:].set_visible(False)


def clock(at: float) -> str:
    """What the clock on the wall shows."""
    minutes = round(at * 60)
    return f"{FIRST_HOUR + minutes // 60:02}:{minutes % 60:02}"


def picture() -> Figure:
    """Return the picture."""
    shift = Shift()
    figure = Figure(figsize=(10, 8.4), facecolor="white")
    grid = figure.add_gridspec(
        len(MACHINES) + 1, hspace=0.12, left=0.09, right=0.97, top=0.93, bottom=0.25, height_ratios=[1] * 5 + [0.001]
    )
    for place, name in enumerate(MACHINES):
        axes = figure.add_subplot(grid[place])
        machine(axes, shift, name)
    axes.tick_params(axis="x", labelbottom=True)
    axes.set_xticks(range(HOURS + 1), [clock(hour) for hour in range(HOURS + 1)])
    close_up(figure.add_axes((0.09, 0.05, 0.88, 0.15)), shift)
    handles = [Patch(color=colour, label=label) for label, colour in COLOURS.items()]
    figure.legend(handles=handles, loc="upper left", ncols=6, frameon=False, bbox_to_anchor=(0.08, 0.995))
    note = (
        f"{CLOSE_UP}, close up. Jobs: each as it finishes; scrap in red. Rows: one each 5 s; a ring: it reports a job."
    )
    figure.text(0.09, 0.207, note, fontsize=9)
    figure.text(0.09, 0.945, "States; below in red, jobs that are not good; the bars are the OEE of each hour.")
    return figure


def main(arguments: list[str]) -> None:
    """Write the picture to the file that is named, or as an SVG to stdout."""
    with mpl.rc_context(STYLE):
        figure = picture()
        if arguments:
            figure.savefig(arguments[0], dpi=110)
        else:
            figure.savefig(sys.stdout.buffer, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    main(sys.argv[1:])
