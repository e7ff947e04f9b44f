"""docs/performance.md: where in it what was measured is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.case import ROOT

PAGE = ROOT / "docs" / "performance.md"
PICTURES = PAGE.parent / "pictures"


class Marks(NamedTuple):
    """The comments between which a part of the page is written anew."""

    begin: str
    end: str


def _marks(command: str) -> Marks:
    return Marks(f"<!-- measured: {command} writes from here -->", f"<!-- measured: {command} to here -->")


BENCH, SOAK_PACE, SOAK_MEMORY, PLANT_SPEED, FLEET, CONNECTIONS = map(
    _marks,
    (
        *("make bench", "make soak, pace,", "make soak, memory,"),
        *("make bench-plants", "make bench-fleet", "make bench-connections"),
    ),
)


def write(page: Path, marks: Marks, measured: str) -> None:
    """Put text between the page's marks; ValueError where it has none."""
    text, pattern = page.read_text("utf-8"), f"{re.escape(marks.begin)}.*{re.escape(marks.end)}"
    if not re.search(pattern, text, re.DOTALL):
        raise ValueError(f"{page.name} has no marks for the tables")
    filled = re.sub(pattern, lambda _: f"{marks.begin}\n\n{measured}\n\n{marks.end}", text, flags=re.DOTALL)
    page.write_text(filled, "utf-8")


def table(head: str, rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns stand to the right where the head says so with a colon."""
    names = [name.strip() for name in head.split("|")]
    rule = ["---:" if name.endswith(":") else "---" for name in names]
    lines = [[name.rstrip(":") for name in names], rule, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
