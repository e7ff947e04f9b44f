"""Pages that a reader follows step by step: their pieces of YAML are written to a file, and their commands are run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from tests.support.exports import yamlread
from tests.support.processes import daemon
from tests.support.processes.daemon import ROOT
from tests.support.processes.starts import Forks

FILE: Final = "my-plant.yaml"
_FENCED: Final = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
PYTHON: Final = f'python() {{ shift; "{sys.executable}" "{ROOT / "app.py"}" "$@"; }}\n'
"""The word `python` in commands, whose first argument is app.py."""
_FORKED: Final = (
    f'python() {{{{ shift; "{sys.executable}" -I -S "{Path(__file__).with_name("command.py")}" {{}} "$@"; }}}}\n'
)


class Block(NamedTuple):
    """A fenced block of a page: its language, and its text."""

    language: str
    text: str


def python() -> tuple[str, Sequence[int]]:
    """Return the word `python` in commands, which is forked where the tests' daemons are, and descriptors it needs."""
    if isinstance(daemon.start, Forks):
        descriptor = daemon.start.descriptor()
        return _FORKED.format(descriptor), (descriptor,)
    return PYTHON, ()


def sections(page: str) -> dict[str, list[Block]]:
    """Return the blocks of a page of the root directory below each of its headings."""
    text = (ROOT / page).read_text("utf-8")
    fences = [(at.start(), Block(*at.groups())) for at in _FENCED.finditer(text)]
    outside = _FENCED.sub(lambda match: "\n" * match[0].count("\n") + " " * len(match[0].replace("\n", "")), text)
    headings = [(at.start(), at[1]) for at in _HEADING.finditer(outside)]
    ends = [start for start, _ in headings[1:]] + [len(text)]
    return {
        title: [block for at, block in fences if start < at < end]
        for (start, title), end in zip(headings, ends, strict=True)
    }


def laid_over(
    plant: Mapping[str, Any], piece: Mapping[str, Any], replaced: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return a plant with a piece of YAML laid over it. replaced: keys whose mappings are replaced and not merged."""
    deep = {key for key, value in piece.items() if isinstance(value, dict) and isinstance(plant.get(key), dict)}
    merged = {key: laid_over(plant[key], piece[key], replaced) for key in deep - replaced}
    return {**plant, **piece, **merged}


class Walkthrough:
    """A reader with a folder: `follow` does what blocks ask for, and lists what differs from what they show.

    plant: what the pieces have made so far.  output: of the last command.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plant: dict[str, Any] = {}
        self.output = ""

    def follow(self, blocks: list[Block]) -> list[str]:
        """Write pieces, run commands, and return every line that is shown and was not printed."""
        return [line for block in blocks for line in getattr(self, f"_{block.language}")(block.text)]

    def _yaml(self, text: str) -> list[str]:
        piece = yamlread.value(text)
        whole = laid_over(self.plant, piece)
        as_written = text if whole == piece else yaml.safe_dump(whole, sort_keys=False)
        (self.folder / FILE).write_text(as_written, encoding="utf-8")
        self.plant = whole
        return []

    def _bash(self, commands: str) -> list[str]:
        defined, descriptors = python()
        script = "set -e\n" + defined + commands.replace(".venv/bin/python", "python")
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=environ,
            pass_fds=descriptors,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.output = f"{done.stdout}{done.stderr}".replace(f"{self.folder}/", "")
        return [] if done.returncode == 0 else [f"exit code {done.returncode}: {self.output}"]

    def _json(self, shown: str) -> list[str]:
        return not_in(self.output, shown)

    def _text(self, shown: str) -> list[str]:
        return not_in(self.output, shown)


def not_in(output: str, shown: str) -> list[str]:
    """Return the lines that are shown and are not in the output, in which `...` stands for anything."""
    patterns = (re.escape(line).replace(r"\.\.\.", ".*") for line in shown.splitlines())
    return [pattern for pattern in patterns if not re.search(f"^{pattern}$", output, re.MULTILINE)]
