"""Which processes this one has started and not yet seen end."""

from __future__ import annotations

from pathlib import Path


def children() -> set[int]:
    """Process ids of this process's children, ended ones included; empty where the kernel does not tell (not Linux)."""
    found: set[int] = set()
    for listing in Path("/proc/self/task").glob("*/children"):
        try:
            found.update(map(int, listing.read_text().split()))
        except OSError:  # that thread has ended meanwhile
            continue
    return found


def command_line(pid: int) -> str:
    """Program and arguments of a process, or its id alone when it has ended."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        words = []
    return f"{pid} {b' '.join(words).decode(errors='replace')}".strip()
