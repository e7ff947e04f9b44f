"""Facts about what the product is known by from outside: it stays as it is, unless a change of it is meant."""

from __future__ import annotations

import subprocess
import sys
from difflib import unified_diff
from pathlib import Path

import pytest

from tools.golden import GOLDEN, GROUPS, ROOT, hashes, made

REMEDY = "If this is meant: `python -m tools.golden`, and read its diff."


def stored(name: str) -> list[str]:
    """The lines of a golden file; none where there is no such file."""
    path = GOLDEN / name
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def changes(name: str, now: str) -> list[str]:
    """The lines that are not as stored, with the file's name before each."""
    lines = list(unified_diff(stored(name), now.splitlines(), n=0, lineterm=""))
    return [f"{name}: {line}" for line in lines[2:] if not line.startswith("@@")]


@pytest.mark.parametrize("group", GROUPS)
def test_what_others_rely_on_is_as_it_was(group: str) -> None:
    """Bytes of exports, metrics, keys of answers, options, flags and statistics are those of tests/data/golden."""
    changed = [line for name, text in made(group).items() for line in changes(name, text)]

    assert not changed, "\n".join([REMEDY, *changed])


def test_every_golden_file_is_compared() -> None:
    """None is left of what is no longer made."""
    assert {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*.txt")} == {
        name for group in GROUPS for name in made(group)
    }


def test_the_command_line_writes_the_golden_bytes(tmp_path: Path) -> None:
    """`app.py export all` as its users run it, from another folder: the files of all targets, and no other byte."""
    plant = ROOT / "message_structure.yaml"
    command = [sys.executable, str(ROOT / "app.py"), "export", "all", "--output", "here", "--file", str(plant)]
    subprocess.run(command, cwd=tmp_path, env={}, check=True, capture_output=True)

    lines = [line.split(" ") for line in stored("exports/message_structure.type.txt")]
    assert dict(hashes(tmp_path / "here")) == {name: digest for _target, name, digest in lines}
