"""Draws a fleet that is scaled up and down as an SVG: each message of each device, and how many come in a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import load
from plant.telemetry import Message
from tools.pictures.drawing import Scale, Span, block, document, ends, ground, heading, legend, texts_at, times
from tools.rooms import ROOT

SECONDS, FEW, MANY = 30.0, 10, 40
SCALED: Final = ((10.0, MANY), (20.0, FEW))
STAYS, COMES = "#2da44e", "#0969da"
TOP, DEVICES, RATE = 60, 260, 60


def picture_of_fleet() -> str:
    """Return the picture of scenarios/sensors.yaml, scaled as by two calls."""
    span = Span(SECONDS, 6, lambda at: f"{at:.0f} s")
    messages = recorded()
    bottom = TOP + DEVICES + 40
    parts = [
        *legend({"devices that stay": STAYS, "devices that come and go": COMES}),
        heading("Messages by device:", f"{FEW} devices, then {MANY}, then {FEW} again", TOP - 18),
        ground(TOP, DEVICES),
        *dots(messages, span),
        *calls(span, bottom + RATE),
        heading("Messages a second", "", bottom),
        ground(bottom, RATE),
        *rates(messages, span, Scale(0, 24, bottom, RATE)),
        *times(span, bottom + RATE),
    ]
    return document("A fleet that is scaled", bottom + RATE + 40, parts)


def recorded() -> list[Message]:
    """Return the messages of a fleet that is scaled."""
    plant = FactoryMessageGenerator.of(load(ROOT / "scenarios" / "sensors.yaml"), 1, start=START)
    (key,) = plant.config.message_types.machines
    found: list[Message] = []
    for second, count in SCALED:
        found += plant.advance(START + second)
        plant.execute({"command": "scale", "message_type": key, "count": count})
    return [*found, *plant.advance(START + SECONDS)]


def dots(messages: Sequence[Message], span: Span) -> Iterator[str]:
    """Draw a dot for each message."""
    scale = Scale(MANY - 0.5, -0.5, TOP, DEVICES)
    yield from texts_at(scale, [(number, f"{number:03d}") for number in (0, FEW - 1, MANY - 1)])
    for message in messages:
        number = int(message.source.rpartition("_")[2])
        x, y = span.x(message.time_ms / 1000 - START), scale.y(number)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{STAYS if number < FEW else COMES}"/>'


def calls(span: Span, bottom: float) -> Iterator[str]:
    """Draw when the fleet was scaled, and by which call."""
    for second, count in SCALED:
        x = span.x(second)
        yield f'<path d="M{x:.1f} {TOP - 12}V{bottom:g}" stroke="#57606a" stroke-dasharray="3 3"/>'
        yield f'<text x="{x + 5:.1f}" y="{TOP - 4}" fill="#57606a">/scale?count={count}</text>'


def rates(messages: Sequence[Message], span: Span, scale: Scale) -> Iterator[str]:
    """Draw how many messages come in each second."""
    yield from texts_at(scale, ends(scale))
    counts = Counter(int(message.time_ms / 1000 - START) for message in messages)
    for second in range(int(SECONDS)):
        y = scale.y(counts[second])
        yield block(second + 0.1, second + 0.9, span, y, scale.top + scale.height - y, "#8c959f")
