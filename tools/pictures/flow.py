"""Draws the line of scenarios/spaceship-flow.yaml as an SVG on stdout, with how its machines spend a week.

python -m tools.pictures.flow > docs/pictures/flow.svg
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from messages import START, FactoryMessageGenerator
from plant.telemetry import KindOee

SCENARIO = Path(__file__).parents[2] / "scenarios" / "spaceship-flow.yaml"
DAYS, SEED = 7, 1
WIDTH, HEIGHT, BOX, TALL = 1000, 310, 146, 74
NAMES = {
    "cnc_machine": ("CNC mills", 20, 70),
    "printer_3d": ("3D printers", 20, 190),
    "welding": ("welding", 246, 130),
    "painting": ("painting", 440, 130),
    "testing": ("testing", 634, 130),
}
"""Type -> its name in the picture, and the position of its box."""

STORE = (828, 130)
TIP = (
    '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0,0 L8,4 L0,8 z" fill="#57606a"/></marker>'
)
COLOURS = {"at work": "#2da44e", "own stops": "#c8d1da", "starved": "#e3b341", "blocked": "#cf222e"}
ARROW = 'stroke="#57606a" stroke-width="1.5" fill="none" marker-end="url(#tip)"'
BACK = f'{ARROW} stroke-dasharray="5 4"'


def week() -> FactoryMessageGenerator:
    """The plant after a week."""
    plant = FactoryMessageGenerator(SCENARIO, seed=SEED)
    plant.advance_silently(START + DAYS * 86_400)
    return plant


def shares(kind: KindOee) -> dict[str, float]:
    """Return the shares of time of a machine type by the legend's names."""
    whole = kind.producing_seconds + sum(kind.stopped_seconds.values())
    waits = {state: kind.stopped_seconds.get(state, 0.0) / whole for state in ("starved", "blocked")}
    work = kind.producing_seconds / whole
    return {"at work": work, "own stops": 1 - work - sum(waits.values()), **waits}


def station(kind: KindOee) -> Iterator[str]:
    """A box with a name, a bar of the shares, and the waits in words."""
    name, x, y = NAMES[kind.kind]
    yield f'<rect x="{x}" y="{y}" width="{BOX}" height="{TALL}" rx="6" fill="#f6f8fa" stroke="#57606a"/>'
    yield f'<text x="{x + 10}" y="{y + 20}" font-weight="600">{kind.machines} {name}</text>'
    at = x + 10.0
    found = shares(kind)
    for label, share in found.items():
        width = share * (BOX - 20)
        yield f'<rect x="{at:.1f}" y="{y + 30}" width="{width:.1f}" height="12" fill="{COLOURS[label]}"/>'
        at += width
    waits = " ".join(f"{label} {found[label]:.0%}" for label in ("starved", "blocked") if found[label] >= 0.005)
    yield f'<text x="{x + 10}" y="{y + 62}" font-size="10">{waits}</text>'


def arrow(path: str, style: str = ARROW) -> str:
    """A route of pieces."""
    return f'<path d="{path}" {style}/>'


def ways(places: dict[str, int]) -> Iterator[str]:
    """The arrows between the boxes, with the room on each, and those back."""
    middle = NAMES["welding"][2] + TALL // 2
    for key in ("cnc_machine", "printer_3d"):
        _, x, top = NAMES[key]
        right, y = x + BOX, top + TALL // 2
        yield arrow(f"M{right},{y} C{right + 50},{y} {right + 30},{middle} 242,{middle}")
        yield room(right + 16, y + (-8 if y < middle else 16), places[key])
    for key in ("welding", "painting", "testing"):
        right = NAMES[key][1] + BOX
        yield arrow(f"M{right},{middle} h44")
        yield room(right + 22, middle - 8, places[key])
    for key in ("welding", "painting"):
        x = NAMES[key][1]
        yield arrow(f"M{x + 56},204 v18 q0,8 -8,8 h-16 q-8,0 -8,-8 v-14", BACK)
        yield f'<text x="{x + 22}" y="246" font-size="10">rework</text>'
    yield arrow("M707,204 v52 q0,8 -8,8 h-354 q-8,0 -8,-8 v-48", BACK)
    yield '<text x="500" y="280" font-size="10">failed tests</text>'


def room(x: int, y: int, places: int) -> str:
    """Return the capacity of a buffer in pieces."""
    return f'<text x="{x}" y="{y}" text-anchor="middle" font-size="10">{places}</text>'


def store() -> Iterator[str]:
    """The box from which orders are filled."""
    x, y = STORE
    yield f'<rect x="{x}" y="{y}" width="{BOX}" height="{TALL}" rx="6" fill="#ffffff" stroke="#57606a"/>'
    yield f'<text x="{x + 10}" y="{y + 20}" font-weight="600">shipping store</text>'
    yield f'<text x="{x + 10}" y="{y + 42}" font-size="10">the oldest order first</text>'
    yield (
        arrow(f"M{x + BOX // 2},{y - 40} v36")
        + f'<text x="{x + BOX // 2 + 8}" y="{y - 20}" font-size="10">orders</text>'
    )
    yield arrow(f"M{x + BOX // 2},{y + TALL} v36")
    yield f'<text x="{x + BOX // 2 + 8}" y="{y + TALL + 24}" font-size="10">dispatches</text>'


def legend() -> Iterator[str]:
    """Return the legend."""
    x = 20
    for label, colour in COLOURS.items():
        yield f'<rect x="{x}" y="14" width="12" height="12" fill="{colour}"/><text x="{x + 18}" y="24">{label}</text>'
        x += 52 + 7 * len(label)
    yield f'<text x="{x + 10}" y="24">numbers at arrows: room for so many pieces</text>'


def svg() -> str:
    """Return the picture."""
    plant = week()
    flow = plant.config.flow
    places = {stage.key: stage.places for stage in flow.line.stages.values()} if flow else {}
    style = 'font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif" font-size="12" fill="#24292f"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" {style}>',
        "<title>The line of the flow scenario, and how its machines spend a week</title>",
        f"<defs>{TIP}</defs>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *legend(),
        *ways(places),
        *(part for kind in plant.oee_by_kind() for part in station(kind)),
        *store(),
        "</svg>\n",
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(svg())
