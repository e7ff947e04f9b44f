"""Which processes this one has started and not yet seen end."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

NURSERIES: set[int] = set()
"""Processes that stay, and start others for the tests."""


def children() -> set[int]:
    """Process ids of this process's children, ended ones included; empty where the kernel does not tell (not Linux).

    Those of its nurseries are among them, in place of the nurseries.
    """
    found = _children_of("self")
    for each in NURSERIES:
        found |= _children_of(each)
    return found - NURSERIES


def _children_of(process: int | str) -> set[int]:
    found: set[int] = set()
    threads = f"/proc/{process}/task"
    with suppress(OSError):
        for thread in os.listdir(threads):  # noqa: PTH208 - twice a test, and three times as fast
            with suppress(OSError), open(f"{threads}/{thread}/children", "rb") as listing:  # noqa: PTH123
                found.update(map(int, listing.read().split()))
    return found


def command_line(pid: int) -> str:
    """Program and arguments of a process, or its id alone when it has ended."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        words = []
    return f"{pid} {b' '.join(words).decode(errors='replace')}".strip()
