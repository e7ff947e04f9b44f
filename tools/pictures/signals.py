"""Draws the signals of docs/signal-pictures.md, of alarms and of models as SVGs, by the YAML above each picture.

python -m tools.pictures.signals      writes docs/pictures/signals; so does `python -m tools.generate`
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import yaml

from messages import START, FactoryMessageGenerator
from plant.definition import plant_config
from plant.definition.document.weekly_windows import DAYS
from plant.definition.plant_config import PlantConfig
from plant.telemetry import Message, machine_of
from tools.pictures.drawing import (
    BAND,
    GAP,
    HEIGHT,
    STATES,
    TOP,
    Scale,
    Span,
    block,
    document,
    ends,
    ground,
    heading,
    legend,
    level,
    line,
    nice,
    texts_at,
    times,
)  # fmt: skip

ROOT = Path(__file__).parents[2]
LANGUAGE, FOLDER = ROOT / "docs" / "plant-language.md", "docs/pictures/signals"
PAGES: Final = tuple(LANGUAGE.with_name(name) for name in ("signal-pictures.md", "alarms.md", "models.md"))
_BLOCK: Final = re.compile(
    r"^```yaml\n((?:(?!```).*\n)*)```\n\n!\[(.*)\]\(pictures/signals/(\w+)\.svg\)$", re.MULTILINE
)
"""A piece of YAML that is followed by its picture: the YAML, the text of the picture, and its name."""

SEED = 4
RAISED, CLEARED = "#cf222e", "#2da44e"


HOUR: Final = Span(3600, 6, lambda at: f"{at / 60:g} min")
SPANS: Final = {
    "phases": Span(600, 5, HOUR.words),
    "daily": Span(86_400, 6, lambda at: f"{at / 3600:02.0f}:00"),
    "timetable": Span(7 * 86_400, 7, lambda at: DAYS[round(at / 86_400 + 3) % 7]),  # 2026 begins on a Thursday
    "yearly": Span(365 * 86_400, 5, lambda at: f"day {at / 86_400:.0f}"),
}
"""The pictures that do not show an hour."""

LINES: Final = ("#0969da", "#bc4c00", "#8250df", "#1a7f37")


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
        """The piece over the first plant, if it is about the same machine type; otherwise the piece alone."""
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
    """Return every example of the pages by its name."""
    found = [each for page in PAGES if page.exists() for each in _BLOCK.findall(page.read_text("utf-8"))]
    return {name: Example(yaml.safe_load(piece), text, SPANS.get(name, HOUR)) for piece, text, name in found}


@cache
def first_plant() -> Mapping[str, Any]:
    """Return the plant at the top of the page about the language."""
    found = re.search(r"^```yaml\n(.*?)^```", LANGUAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
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


def svg(name: str) -> str:
    """Return a picture by its name."""
    example = examples()[name]
    machines = messages(example)
    first, *_ = machines.values()
    shows_states = not example.several and "status" in first[0].values
    bottom = TOP + len(example.signals) * (HEIGHT + GAP) - GAP
    panels = (
        part
        for at, signal in enumerate(example.signals)
        for part in panel(example, signal, machines, TOP + at * (HEIGHT + GAP))
    )
    colours = dict(zip(machines, LINES, strict=False))
    parts = [
        *panels,
        *(band(first, example.span, bottom + 2) if shows_states else ()),
        *(legend(states_of(first)) if shows_states else legend(colours, height=3, letter=8)),
        *times(example.span, bottom),
    ]
    return document(example.text, bottom + 36, parts)


def panel(example: Example, signal: str, machines: Mapping[str, list[Row]], top: float) -> Iterator[str]:
    """Draw one signal of all machines."""
    yield heading(signal, example.signals[signal].get("unit", ""), top)
    yield ground(top)
    values = [row.values[signal] for rows in machines.values() for row in rows]
    names = sorted({*values}) if isinstance(values[0], str) else []
    scale = Scale(-0.5, len(names) - 0.5, top) if names else Scale(*nice(min(values), max(values)), top)
    yield from texts_at(scale, enumerate(names) if names else ends(scale))
    for rows, colour in zip(machines.values(), LINES, strict=False):
        heights = (scale.y(names.index(row.values[signal]) if names else row.values[signal]) for row in rows)
        yield line([*zip((row.at for row in rows), heights, strict=True)], example.span, colour)
    yield from alarms(example, signal, next(iter(machines)), scale)


def alarms(example: Example, signal: str, source: str, scale: Scale) -> Iterator[str]:
    """Draw the limits of a signal's alarms, their clearing values, and where a machine raises and clears them."""
    for each in example.plant.message_types.machines[example.key].alarms:
        if each.signal == signal:
            yield level(scale.y(each.limit), RAISED, "6 4", each.name.partition(".")[2])
            yield level(scale.y(each.clear), CLEARED, "2 4", "")
    for mark in marks(example):
        if mark.values["signal"] == signal and mark.source == source:
            x, y = example.span.x(mark.at), scale.y(mark.values["value"])
            colour, word = (RAISED, "raised") if mark.values["event"] == "raised" else (CLEARED, "cleared")
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}">'
            yield f"<title>{mark.values['alarm']} {word}</title></circle>"


def band(rows: Sequence[Row], span: Span, y: float) -> Iterator[str]:
    """Draw the states of a machine."""
    firsts = [next(group) for _, group in groupby(rows, key=lambda row: row.values["status"])]
    begins = [0.0, *(row.at for row in firsts[1:]), float(span.seconds)]
    for row, (begin, end) in zip(firsts, pairwise(begins), strict=True):
        yield block(begin, end, span, y, BAND, STATES[row.values["status"]])


def states_of(rows: Sequence[Row]) -> dict[str, str]:
    """Return the colours of the states of a machine."""
    found = {row.values["status"] for row in rows}
    return {name: colour for name, colour in STATES.items() if name in found}


def main() -> None:
    """Write every picture."""
    (ROOT / FOLDER).mkdir(parents=True, exist_ok=True)
    for name in examples():
        (ROOT / FOLDER / f"{name}.svg").write_text(svg(name), encoding="utf-8")


if __name__ == "__main__":
    main()
