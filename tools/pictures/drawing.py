"""What the pictures of signals, faults and wear are drawn with: panels one below the other, over one axis of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

LEFT, TOP, WIDTH, HEIGHT, GAP, BAND = 74, 24, 890, 84, 30, 8
STYLE: Final = 'font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif" font-size="12" fill="#24292f"'
STATES: Final = {"running": "#2da44e", "idle": "#c8d1da", "maintenance": "#8250df", "faulted": "#cf222e"}
RED, GREY = "#cf222e", "#6e7781"


class Span(NamedTuple):
    """What a picture shows: its length, the parts of its axis of time, and the words at a time from its beginning."""

    seconds: float
    parts: int
    words: Callable[[float], str]

    def x(self, at: float) -> float:
        """Return the place of a time, in seconds from the beginning."""
        return LEFT + at / self.seconds * WIDTH


class Scale(NamedTuple):
    """Where values are in a panel."""

    low: float
    high: float
    top: float
    height: float = HEIGHT

    def y(self, value: float) -> float:
        """Return the height of a value."""
        return self.top + self.height * (1 - (value - self.low) / ((self.high - self.low) or 1))


def document(title: str, height: float, parts: Iterable[str]) -> str:
    """Return a picture."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 {height:g}" role="img" {STYLE}>'
    background = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return "\n".join([head, f"<title>{title}</title>", background, *parts, "</svg>\n"])


def heading(name: str, more: str, top: float) -> str:
    """Write the name of a panel, and more about it, above it."""
    rest = f'<tspan dx="5" font-weight="400">{more}</tspan>' if more else ""
    return f'<text x="{LEFT}" y="{top - 6:g}" font-weight="600">{name}{rest}</text>'


def ground(top: float, height: float = HEIGHT) -> str:
    """Draw the ground of a panel."""
    return f'<rect x="{LEFT}" y="{top:g}" width="{WIDTH}" height="{height:g}" fill="#f6f8fa"/>'


def texts_at(scale: Scale, texts: Iterable[tuple[float, str]]) -> Iterator[str]:
    """Write texts at values, left of the panel."""
    return (f'<text x="{LEFT - 8}" y="{scale.y(at) + 4:.0f}" text-anchor="end">{text}</text>' for at, text in texts)


def ends(scale: Scale) -> list[tuple[float, str]]:
    """Return the least and the greatest value of a scale, with their texts."""
    return [(each, f"{each:,g}") for each in (scale.low, scale.high)]


def nice(low: float, high: float) -> tuple[float, float]:
    """Return round numbers around a range, each at most an eighth of it away."""
    span = high - low or abs(high) or 1.0
    step = next(
        digit * 10.0**power for power in range(-6, 13) for digit in (1, 2, 5) if digit * 10.0**power * 8 >= span
    )
    return math.floor(low / step) * step, math.ceil(high / step) * step


def line(points: Sequence[tuple[float, float]], span: Span, colour: str, width: float = 1.2) -> str:
    """Draw a line through points, of times and heights, except those in the middle of a level stretch."""
    inner = zip(points, points[1:], points[2:], strict=False)
    kept = [points[0], *(b for a, b, c in inner if not a[1] == b[1] == c[1]), points[-1]]
    path = " ".join(f"{span.x(at):.1f},{y:.1f}" for at, y in kept)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"/>'


def level(y: float, colour: str, dashes: str, text: str) -> str:
    """Draw a level across a panel, with a text at its end."""
    drawn = f'<path d="M{LEFT} {y:.1f}h{WIDTH}" stroke="{colour}" stroke-dasharray="{dashes}"/>'
    return drawn + (
        f'<text x="{LEFT + WIDTH - 4}" y="{y - 3:.1f}" text-anchor="end" fill="{colour}">{text}</text>' if text else ""
    )


def block(begin: float, end: float, span: Span, y: float, height: float, colour: str) -> str:
    """Draw a time span as a rectangle, as far as it is in the picture."""
    begin, end = max(begin, 0.0), min(end, span.seconds)
    x, width = span.x(begin), span.x(end) - span.x(begin)
    return f'<rect x="{x:.1f}" y="{y:.0f}" width="{width:.1f}" height="{height:g}" fill="{colour}"/>'


def legend(colours: Mapping[str, str], *, height: int = 12, letter: int = 7) -> Iterator[str]:
    """Name colours, at the right of the first line. letter: the width of one."""
    x = LEFT + WIDTH
    for name, colour in reversed([*colours.items()]):
        x -= 34 + letter * len(name)
        yield f'<rect x="{x}" y="{11 - (height + 1) // 2}" width="12" height="{height}" fill="{colour}"/>'
        yield f'<text x="{x + 18}" y="15">{name}</text>'


def times(span: Span, bottom: float) -> Iterator[str]:
    """Draw the axis of time."""
    for part in range(span.parts + 1):
        at = span.seconds * part / span.parts
        yield f'<text x="{span.x(at):.0f}" y="{bottom + 26:g}" text-anchor="middle">{span.words(at)}</text>'
