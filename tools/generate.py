"""Writes anew what stands in two places: the plant in deployment.yaml and scenarios, the table of options in README.md.

    python -m tools.generate      after a change to message_structure.yaml or edge/options.py

Each is text between a begin and an end; all around them is written by hand and stays. The tests fail while a copy
is out of date.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

from edge.settings import markdown_table

ROOT = Path(__file__).parent.parent


def with_plant(manifest: str) -> str:
    """The manifest with message_structure.yaml as it is now in its ConfigMap."""
    plant = (ROOT / "message_structure.yaml").read_text(encoding="utf-8").rstrip("\n")
    return between(manifest, "\n  message_structure.yaml: |", "\n---\n", "\n" + textwrap.indent(plant, "    "))


def with_default_plant(scenario: str) -> str:
    """The scenario with message_structure.yaml as it is now after its own part."""
    own, last_line, _ = scenario.partition("`python -m tools.generate` copies it.\n")
    return f"{own}{last_line}\n{(ROOT / 'message_structure.yaml').read_text(encoding='utf-8')}"


def with_options(readme: str) -> str:
    """The README with the table of options as they are declared now."""
    return between(readme, "<!-- options: begin -->\n", "<!-- options: end -->", markdown_table())


def between(text: str, begin: str, end: str, new: str) -> str:
    """The text with `new` in place of what is between `begin` and the next `end`; ValueError where one is missing."""
    start = text.index(begin) + len(begin)
    return text[:start] + new + text[text.index(end, start) :]


GENERATED: dict[str, Callable[[str], str]] = {
    "deployment.yaml": with_plant,
    "README.md": with_options,
    "scenarios/two-shifts.yaml": with_default_plant,
}
"""File -> what brings it up to date."""


def main() -> None:
    """Bring all files up to date."""
    for name, renew in GENERATED.items():
        path = ROOT / name
        path.write_text(renew(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
