"""Draws four hours of the default plant as an SVG on stdout: each machine's states, by its messages.

python -m tools.pictures.plant > docs/pictures/plant.svg
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby

import orjson

from messages import START, FactoryMessageGenerator

HOURS, SEED = 4, "picture"
COLOURS = {
    "at work": "#2da44e",
    "idle": "#c8d1da",
    "warming up, cooling, drying": "#e3b341",
    "maintenance, calibrating": "#8250df",
    "faulted": "#cf222e",
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
}
"""State -> its name in the legend."""

LEFT, TOP, WIDTH, ROW, BAR = 80, 50, 860, 18, 12
SECOND = WIDTH / (HOURS * 3600)


def states() -> dict[str, list[tuple[float, str]]]:
    """Return each machine's messages: seconds from the start, and the legend's name of the state."""
    plant = FactoryMessageGenerator(seed=SEED)
    rows: dict[str, list[tuple[float, str]]] = {view.machine_id: [] for view in plant.machines()}
    for message in plant.advance(START + HOURS * 3600):
        if message.station is not None:
            status = orjson.loads(message.payload)["status"]
            rows[message.source].append((message.time_ms / 1000 - START, GROUPS[status]))
    return rows


def stretches(rows: list[tuple[float, str]]) -> Iterator[tuple[float, float, str]]:
    """Merge consecutive messages of one state: beginning, end, state."""
    firsts = [next(group) for _, group in groupby(rows, key=lambda row: row[1])]
    ends = [begin for begin, _ in firsts[1:]] + [HOURS * 3600.0]
    yield from ((begin, end, state) for (begin, state), end in zip(firsts, ends, strict=True))


def machine(name: str, rows: list[tuple[float, str]], y: float) -> Iterator[str]:
    """One machine's line."""
    yield f'<text x="{LEFT - 8}" y="{y + BAR - 2:.0f}" text-anchor="end">{name}</text>'
    for begin, end, state in stretches(rows):
        x, width = LEFT + begin * SECOND, (end - begin) * SECOND
        yield f'<rect x="{x:.1f}" y="{y:.0f}" width="{width:.1f}" height="{BAR}" fill="{COLOURS[state]}"/>'


def legend() -> Iterator[str]:
    """Return the legend."""
    x = LEFT
    for label, colour in COLOURS.items():
        yield f'<rect x="{x}" y="14" width="12" height="12" fill="{colour}"/><text x="{x + 18}" y="24">{label}</text>'
        x += 52 + 7 * len(label)


def hours(bottom: float) -> Iterator[str]:
    """A mark for each hour."""
    for hour in range(HOURS + 1):
        x = LEFT + hour * 3600 * SECOND
        yield f'<line x1="{x:.0f}" x2="{x:.0f}" y1="{TOP - 6}" y2="{bottom:.0f}" stroke="#d0d7de"/>'
        yield f'<text x="{x:.0f}" y="{bottom + 16:.0f}" text-anchor="middle">{hour} h</text>'


def svg() -> str:
    """Return the picture."""
    machines = states()
    bottom = TOP + len(machines) * ROW
    bars = (part for at, (name, rows) in enumerate(machines.items()) for part in machine(name, rows, TOP + at * ROW))
    size = f'viewBox="0 0 {LEFT + WIDTH + 30} {bottom + 28}"'
    style = 'font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif" font-size="12" fill="#24292f"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" {style}>',
        f"<title>{HOURS} hours of the default plant</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *legend(),
        *hours(bottom),
        *bars,
        "</svg>\n",
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(svg())
