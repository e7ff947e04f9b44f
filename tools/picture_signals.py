"""Draws the signals of docs/plant-language.md as SVGs, by the messages of plants of the YAML that stands above each.

python -m tools.picture_signals      writes docs/pictures/signals; so does `python -m tools.generate`
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import yaml

from messages import START, FactoryMessageGenerator
from plant.definition import plant_config
from plant.definition.plant_config import PlantConfig
from plant.telemetry import Message, machine_of

ROOT = Path(__file__).parent.parent
PAGE, FOLDER = ROOT / "docs" / "plant-language.md", "docs/pictures/signals"
_BLOCK: Final = re.compile(
    r"^```yaml\n((?:(?!```).*\n)*)```\n\n!\[(.*)\]\(pictures/signals/(\w+)\.svg\)$", re.MULTILINE
)
"""A piece of YAML that is followed by its picture: the YAML, the text of the picture, and its name."""

SEED = 4
RAISED, CLEARED = "#cf222e", "#2da44e"


class Span(NamedTuple):
    """What a picture shows: its length, the parts of its axis of time, and the words at a time from its beginning."""

    seconds: int
    parts: int
    words: Callable[[float], str]


HOUR: Final = Span(3600, 6, lambda at: f"{at / 60:g} min")
SPANS: Final = {
    "phases": Span(600, 5, HOUR.words),
    "daily": Span(86_400, 6, lambda at: f"{at / 3600:02.0f}:00"),
    "yearly": Span(365 * 86_400, 5, lambda at: f"day {at / 86_400:.0f}"),
}
"""The pictures that do not show an hour."""

STATES: Final = {"running": "#2da44e", "idle": "#c8d1da", "faulted": "#cf222e"}
LINES: Final = ("#0969da", "#bc4c00", "#8250df", "#1a7f37")
LEFT, TOP, WIDTH, HEIGHT, GAP, BAND = 74, 24, 890, 84, 30, 8
STYLE = 'font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif" font-size="12" fill="#24292f"'


class Example(NamedTuple):
    """A picture: its YAML, the text of the picture, and what it shows."""

    piece: Mapping[str, Any]
    text: str
    span: Span

    @property
    def key(self) -> str:
        """The machine type."""
        (key,) = self.piece["message_types"]
        return str(key)

    @property
    def signals(self) -> dict[str, Mapping[str, Any]]:
        """The signals of the piece that are in messages."""
        signals = self.piece["message_types"][self.key]["signals"]
        return {name: each for name, each in signals.items() if each.get("shown", True)}

    @property
    def several(self) -> bool:
        """Whether it is about more than one machine."""
        return "count" in self.piece["message_types"][self.key]

    @property
    def plant(self) -> PlantConfig:
        """The piece over the page's first plant, if it is about the same machine type; otherwise the piece alone."""
        first = first_plant()
        return plant_config.parse(laid_over(first if self.key in first["message_types"] else {}, self.piece))


class Mark(NamedTuple):
    """An alarm that is raised or cleared: the machine's source, seconds from the start, and what the message says."""

    source: str
    at: float
    values: Mapping[str, Any]


class Row(NamedTuple):
    """A message: seconds from the start, and what it reports."""

    at: float
    values: Mapping[str, Any]


@cache
def examples() -> dict[str, Example]:
    """Return every example of the page by its name."""
    found = _BLOCK.findall(PAGE.read_text("utf-8")) if PAGE.exists() else []
    return {name: Example(yaml.safe_load(piece), text, SPANS.get(name, HOUR)) for piece, text, name in found}


@cache
def first_plant() -> Mapping[str, Any]:
    """Return the plant at the top of the page."""
    found = re.search(r"^```yaml\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    plant: Mapping[str, Any] = yaml.safe_load(found[1]) if found else {}
    return plant


def laid_over(base: Mapping[str, Any], piece: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plant with a piece over it. The signals of the piece replace those of the plant."""
    deep = {key for key, value in piece.items() if isinstance(value, dict) and key not in {"signals", "phases"}}
    return {**base, **piece, **{key: laid_over(base.get(key, {}), piece[key]) for key in deep}}


def messages(example: Example) -> dict[str, list[Row]]:
    """Return the messages of each machine in the picture."""
    rows: dict[str, list[Row]] = {}
    for message in sent(example):
        if "." not in message.kind:
            row = Row(message.time_ms / 1000 - START, orjson.loads(message.payload))
            rows.setdefault(message.source, []).append(row)
    return dict(sorted(rows.items())[: len(LINES) if example.several else 1])


def marks(example: Example) -> list[Mark]:
    """Return the alarms that machines raise and clear."""
    return [
        Mark(machine_of(message), message.time_ms / 1000 - START, orjson.loads(message.payload))
        for message in sent(example)
        if ".alarms" in message.kind
    ]


def sent(example: Example) -> list[Message]:
    """Return all messages."""
    return FactoryMessageGenerator.of(example.plant, seed=SEED).advance(START + example.span.seconds)


class Scale(NamedTuple):
    """Where values are in a panel."""

    low: float
    high: float
    top: float

    def y(self, value: float) -> float:
        """Return the height of a value."""
        return self.top + HEIGHT * (1 - (value - self.low) / ((self.high - self.low) or 1))


def svg(name: str) -> str:
    """Return a picture by its name."""
    example = examples()[name]
    machines = messages(example)
    first, *_ = machines.values()
    shows_states = not example.several and "status" in first[0].values
    bottom = TOP + len(example.signals) * (HEIGHT + GAP) - GAP
    panels = (part for at, signal in enumerate(example.signals)
              for part in panel(example, signal, machines, TOP + at * (HEIGHT + GAP)))  # fmt: skip
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 {bottom + 36}" role="img" {STYLE}>',
        f"<title>{example.text}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *panels,
        *(band(first, example.span.seconds, bottom + 2) if shows_states else ()),
        *(legend_of_states(first) if shows_states else legend_of_machines(machines)),
        *times(example.span, bottom),
        "</svg>\n",
    ]
    return "\n".join(parts)


def panel(example: Example, signal: str, machines: Mapping[str, list[Row]], top: float) -> Iterator[str]:
    """Draw one signal of all machines."""
    unit = example.signals[signal].get("unit", "")
    yield f'<text x="{LEFT}" y="{top - 6}" font-weight="600">{signal}<tspan font-weight="400"> {unit}</tspan></text>'
    yield f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="#f6f8fa"/>'
    values = [row.values[signal] for rows in machines.values() for row in rows]
    names = sorted({*values}) if isinstance(values[0], str) else []
    scale = Scale(-0.5, len(names) - 0.5, top) if names else Scale(*nice(min(values), max(values)), top)
    marks = enumerate(names) if names else ((each, f"{each:,g}") for each in (scale.low, scale.high))
    for value, text in marks:
        yield f'<text x="{LEFT - 8}" y="{scale.y(value) + 4:.0f}" text-anchor="end">{text}</text>'
    for rows, colour in zip(machines.values(), LINES, strict=False):
        heights = (scale.y(names.index(row.values[signal]) if names else row.values[signal]) for row in rows)
        points = [*zip((row.at for row in rows), heights, strict=True)]
        yield line(points, example.span.seconds, colour)
    yield from alarms(example, signal, next(iter(machines)), scale)


def alarms(example: Example, signal: str, source: str, scale: Scale) -> Iterator[str]:
    """Draw the limits of a signal's alarms, their clearing values, and where a machine raises and clears them."""
    for each in example.plant.message_types.machines[example.key].alarms:
        if each.signal == signal:
            yield level(scale.y(each.limit), RAISED, "6 4", each.name.partition(".")[2])
            yield level(scale.y(each.clear), CLEARED, "2 4", "")
    for mark in marks(example):
        if mark.values["signal"] == signal and mark.source == source:
            x, y = LEFT + mark.at / example.span.seconds * WIDTH, scale.y(mark.values["value"])
            colour, word = (RAISED, "raised") if mark.values["event"] == "raised" else (CLEARED, "cleared")
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}">'
            yield f"<title>{mark.values['alarm']} {word}</title></circle>"


def level(y: float, colour: str, dashes: str, text: str) -> str:
    """Draw a level across a panel, with a text at its end."""
    drawn = f'<path d="M{LEFT} {y:.1f}h{WIDTH}" stroke="{colour}" stroke-dasharray="{dashes}"/>'
    return drawn + (
        f'<text x="{LEFT + WIDTH - 4}" y="{y - 3:.1f}" text-anchor="end" fill="{colour}">{text}</text>' if text else ""
    )


def nice(low: float, high: float) -> tuple[float, float]:
    """Return round numbers around a range, each at most an eighth of it away."""
    span = high - low or abs(high) or 1.0
    step = next(
        digit * 10.0**power for power in range(-6, 13) for digit in (1, 2, 5) if digit * 10.0**power * 8 >= span
    )
    return math.floor(low / step) * step, math.ceil(high / step) * step


def line(points: Sequence[tuple[float, float]], seconds: int, colour: str) -> str:
    """Draw a line through points, except those in the middle of a level stretch."""
    inner = zip(points, points[1:], points[2:], strict=False)
    kept = [points[0], *(b for a, b, c in inner if not a[1] == b[1] == c[1]), points[-1]]
    path = " ".join(f"{LEFT + at / seconds * WIDTH:.1f},{y:.1f}" for at, y in kept)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.2" stroke-linejoin="round"/>'


def band(rows: Sequence[Row], seconds: int, y: float) -> Iterator[str]:
    """Draw the states of a machine."""
    firsts = [next(group) for _, group in groupby(rows, key=lambda row: row.values["status"])]
    ends = [row.at for row in firsts[1:]] + [float(seconds)]
    for begin, (row, end) in zip([0.0, *ends], zip(firsts, ends, strict=True), strict=False):
        x, width = LEFT + begin / seconds * WIDTH, (end - begin) / seconds * WIDTH
        colour = STATES[row.values["status"]]
        yield f'<rect x="{x:.1f}" y="{y:.0f}" width="{width:.1f}" height="{BAND}" fill="{colour}"/>'


def legend_of_states(rows: Sequence[Row]) -> Iterator[str]:
    """Name the colours of states, at the right."""
    found = {row.values["status"] for row in rows}
    x = LEFT + WIDTH
    for state, colour in reversed(STATES.items()):
        if state in found:
            x -= 34 + 7 * len(state)
            yield f'<rect x="{x}" y="5" width="12" height="12" fill="{colour}"/>'
            yield f'<text x="{x + 18}" y="15">{state}</text>'


def legend_of_machines(machines: Mapping[str, object]) -> Iterator[str]:
    """Name the colours of machines, at the right."""
    x = LEFT + WIDTH
    for name, colour in reversed([*zip(machines, LINES, strict=False)]):
        x -= 34 + 8 * len(name)
        yield f'<rect x="{x}" y="9" width="12" height="3" fill="{colour}"/><text x="{x + 18}" y="15">{name}</text>'


def times(span: Span, bottom: float) -> Iterator[str]:
    """Draw the axis of time."""
    for part in range(span.parts + 1):
        x, at = LEFT + part / span.parts * WIDTH, span.seconds * part / span.parts
        yield f'<text x="{x:.0f}" y="{bottom + 26}" text-anchor="middle">{span.words(at)}</text>'


def main() -> None:
    """Write every picture."""
    (ROOT / FOLDER).mkdir(parents=True, exist_ok=True)
    for name in examples():
        (ROOT / FOLDER / f"{name}.svg").write_text(svg(name), encoding="utf-8")


if __name__ == "__main__":
    main()
