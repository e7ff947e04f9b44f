"""Draws what a terminal showed as an SVG: text on stdin, picture on stdout.

    make run ARGS="--duration 31" 2>&1 | python -m tools.pictures.terminal 'make run' > docs/pictures/run.svg

The text is shown as it came, wrapped at the edge as a terminal would; only the colours are added.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html import escape

COLUMNS = 122
CELL_WIDTH, LINE_HEIGHT, MARGIN, BAR = 7.8, 18, 16, 34
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
BACKGROUND, PLAIN = "#0d1117", "#c9d1d9"
COLOURS = (
    (r"^\$ .*", "#7ee787"),
    (r"^\d{4}-\d\d-\d\dT[\d:.]+Z (?=[A-Z])", "#6e7681"),
    (r"\bINFO\b", "#58a6ff"),
    (r"\b(WARN|ERROR)\b", "#d29922"),
    (r"^📊.*", "#e3b341"),
    (r"(?<=first on )[\w/]+", "#7ee787"),
    (r'"\w+"(?=:)', "#79c0ff"),
    (r"mosquitto_sub .*", "#7ee787"),
)
"""Pattern -> colour; each character has the colour of the first match."""


def coloured(line: str) -> list[tuple[str, str]]:
    """Each character with its colour."""
    colours = [PLAIN] * len(line)
    for pattern, colour in reversed(COLOURS):
        for match in re.finditer(pattern, line):
            colours[slice(*match.span())] = [colour] * len(match[0])
    return list(zip(line, colours, strict=True))


def rows(text: str) -> Iterator[list[tuple[str, str]]]:
    """The lines as wide as the terminal."""
    for line in text.expandtabs().splitlines():
        cells = coloured(line)
        yield from (cells[start : start + COLUMNS] for start in range(0, max(len(cells), 1), COLUMNS))


def runs(row: list[tuple[str, str]]) -> Iterator[tuple[int, str, str]]:
    """Neighbours of one colour: column, text, colour."""
    start = 0
    for end in range(1, len(row) + 1):
        if end == len(row) or row[end][1] != row[start][1]:
            yield start, "".join(character for character, _ in row[start:end]), row[start][1]
            start = end


def drawn(row: list[tuple[str, str]], baseline: float) -> Iterator[str]:
    """A row as SVG text, each run at its own column so that no font's width moves it."""
    for column, text, colour in runs(row):
        if text.strip():
            x = MARGIN + column * CELL_WIDTH
            yield f'<text x="{x:.1f}" y="{baseline:.0f}" fill="{colour}" xml:space="preserve">{escape(text)}</text>'


def svg(text: str, title: str) -> str:
    """Return the picture."""
    shown = list(rows(text))
    width, height = round(COLUMNS * CELL_WIDTH + 2 * MARGIN), BAR + len(shown) * LINE_HEIGHT + MARGIN
    lights = [
        f'<circle cx="{18 + 18 * place}" cy="17" r="5.5" fill="{colour}"/>'
        for place, colour in enumerate(("#ff5f56", "#ffbd2e", "#27c93f"))
    ]
    lines = [line for at, row in enumerate(shown) for line in drawn(row, BAR + 12 + at * LINE_HEIGHT)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="{FONT}" font-size="13">'
    )
    return "\n".join(
        [
            head,
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}"/>',
            *lights,
            f'<text x="{width / 2:.0f}" y="21" text-anchor="middle" fill="#8b949e">{escape(title)}</text>',
            *lines,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(svg(sys.stdin.read(), " ".join(sys.argv[1:]) or "terminal"))
