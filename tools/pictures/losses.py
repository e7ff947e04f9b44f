"""Draws the losses of the lathes of docs/how-jobs-vary.md as Pareto charts: with `spread`, and without.

python -m tools.pictures.losses > docs/pictures/losses.svg      so does `python -m tools.generate`
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate
from math import fsum
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import parse
from plant.truth.events import FinishedJob, TruthEvent
from tools.pictures.drawing import LEFT, RED, Scale, document, legend

PAGE: Final = Path(__file__).parents[2] / "docs" / "how-jobs-vary.md"
SEED, DAYS = 3, 7
COLOURS: Final = {"faulted": RED, "slow cycles": "#0969da", "scrap": "#8250df"}
TOP, STRIP, BARS, HEIGHT = 66, 74, 100, 170
"""Where the line of the shares begins, its height, the distance to the bars below, and theirs."""

WIDTH, STEP, BAR = 416, 52, 36
"""Of a chart, of one bar with the gap after it, and of a bar."""


class Losses(NamedTuple):
    """The losses of a machine in hours, by what they are."""

    machine_id: str
    hours: Mapping[str, float]

    @property
    def total(self) -> float:
        """All of them."""
        return fsum(self.hours.values())


def losses(data: Mapping[str, Any]) -> list[Losses]:
    """Return the losses of each machine of a plant, the greatest first.

    Slow cycles: producing time beyond the ideal cycles.  Scrap: ideal cycles of jobs that are not good.
    """
    plant, scrap = FactoryMessageGenerator.of(parse(data), SEED), Counter[str]()

    def note(event: TruthEvent) -> None:
        if isinstance(event, FinishedJob) and event.result == "scrap":
            scrap[event.machine_id] += event.ideal_ms

    plant.listen(note)
    plant.advance_silently(START + DAYS * 86_400)
    found = []
    for each in plant.oee():
        slow, lost = each.producing_seconds - each.ideal_seconds, scrap[each.machine_id] / 1000
        seconds = (each.stopped_seconds["faulted"], slow, lost)
        found.append(Losses(each.machine_id, {name: s / 3600 for name, s in zip(COLOURS, seconds, strict=True)}))
    return sorted(found, key=lambda each: -each.total)


def svg() -> str:
    """Return the picture."""
    pieces = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    data = yaml.safe_load(pieces[1])
    alike = {name: {**each} for name, each in data["message_types"].items()}
    for each in alike.values():
        del each["spread"]
    charts = losses(data), losses({"message_types": alike})
    greatest = max(each.total for chart in charts for each in chart)
    texts = ("with spread: the machines differ", "without spread: only chance makes them differ")
    parts = [
        part
        for left, chart, text in zip((LEFT, LEFT + 478), charts, texts, strict=True)
        for part in pareto(chart, text, left, Scale(0, greatest * 1.04, TOP + BARS, HEIGHT))
    ]
    title = f"Losses of eight lathes in {DAYS} days, by machine"
    return document(title, TOP + BARS + HEIGHT + 30, [*legend(COLOURS), *parts])


def pareto(chart: list[Losses], text: str, left: float, scale: Scale) -> Iterator[str]:
    """Draw a bar for each machine, and above it the share of all losses that it and those before it have."""
    yield f'<text x="{left}" y="{TOP - 28}" font-weight="600">{text}</text>'
    yield f'<rect x="{left}" y="{scale.top}" width="{WIDTH}" height="{HEIGHT}" fill="#f6f8fa"/>'
    for hours in range(0, int(scale.high) + 1, 10):
        yield f'<text x="{left - 8}" y="{scale.y(hours) + 4:.0f}" text-anchor="end">{hours} h</text>'
        yield f'<path d="M{left} {scale.y(hours):.1f}h{WIDTH}" stroke="#d0d7de"/>'
    for place, each in enumerate(chart):
        yield from bar(each, left + place * STEP + (STEP - BAR) / 2, scale)
    yield from cumulative([each.total for each in chart], left)


def cumulative(totals: list[float], left: float) -> Iterator[str]:
    """Draw the line of the shares."""
    shares = [each / fsum(totals) for each in accumulate(totals)]
    points = [(left + (place + 0.5) * STEP, TOP + STRIP * (1 - share)) for place, share in enumerate(shares)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline points="{path}" fill="none" stroke="#24292f" stroke-width="1.4"/>'
    for (x, y), share in zip(points, shares, strict=True):
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>'
        yield f'<text x="{x - 4:.1f}" y="{y - 7:.1f}" text-anchor="middle">{share:.0%}</text>'


def bar(each: Losses, x: float, scale: Scale) -> Iterator[str]:
    """Draw the losses of a machine on each other, and its number below."""
    below = 0.0
    for name, hours in each.hours.items():
        y, height = scale.y(below + hours), scale.y(below) - scale.y(below + hours)
        yield f'<rect x="{x:.1f}" y="{y:.1f}" width="{BAR}" height="{height:.1f}" fill="{COLOURS[name]}"/>'
        below += hours
    text = each.machine_id.partition("-")[2]
    yield f'<text x="{x + BAR / 2:.1f}" y="{scale.y(0) + 18:.0f}" text-anchor="middle">{text}</text>'


def main() -> None:
    """Write the picture to stdout."""
    sys.stdout.write(svg())


if __name__ == "__main__":
    main()
