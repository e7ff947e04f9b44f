"""Calls that block, and files that are none."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from edge.blocking import read_small, run_aside

HANGS = """
import asyncio, time
from edge.blocking import run_aside
async def main():
    asyncio.create_task(run_aside(lambda: time.sleep(60)))
    await asyncio.sleep(0.1)
asyncio.run(main())
"""


def test_the_result_of_a_blocking_call_comes_back() -> None:
    """The loop turns meanwhile."""

    def block() -> str:
        time.sleep(0.1)
        return "call"

    async def both() -> tuple[str, str]:
        call = asyncio.create_task(run_aside(block))
        await asyncio.sleep(0)
        return "loop" if not call.done() else "blocked", await call

    assert asyncio.run(both()) == ("loop", "call")


def test_what_a_blocking_call_raises_is_raised() -> None:
    """With its own type."""

    def fail() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        asyncio.run(run_aside(fail))


def test_a_call_that_hangs_does_not_keep_the_process() -> None:
    """It ends as if the call were not there."""
    began = time.monotonic()

    subprocess.run([sys.executable, "-c", HANGS], check=True, cwd=Path(__file__).parents[2], timeout=30)

    assert time.monotonic() - began < 20


def test_a_small_file_is_read(tmp_path: Path) -> None:
    """Up to the last byte that is allowed."""
    (tmp_path / "file").write_bytes(b"12345")

    assert read_small(tmp_path / "file", 5) == b"12345"


def leave_out(_path: Path) -> None:
    """Nothing is there."""


NO_SMALL_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (leave_out, "No such file"),
    "too large": (lambda path: path.write_bytes(b"123456"), "larger than 5 bytes"),
    "a directory": (lambda path: path.mkdir(), "a directory"),
    "a pipe": (os.mkfifo, "a pipe, not a file"),
    "endless": (lambda path: path.symlink_to("/dev/zero"), "a device, not a file"),
    "larger than it says": (lambda path: path.symlink_to("/proc/self/maps"), "larger than 5 bytes"),
}


@pytest.mark.parametrize("kind", NO_SMALL_FILES)
def test_what_is_no_small_file_is_an_error_that_says_so(kind: str, tmp_path: Path) -> None:
    """At once, and without reading it."""
    make, reason = NO_SMALL_FILES[kind]
    make(tmp_path / "file")

    with pytest.raises(OSError, match=reason):
        read_small(tmp_path / "file", 5)


@pytest.mark.parametrize("kind", NO_SMALL_FILES)
def test_no_file_stays_open(kind: str, tmp_path: Path) -> None:
    """However often it is tried."""
    NO_SMALL_FILES[kind][0](tmp_path / "file")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with suppress(OSError):
            read_small(tmp_path / "file", 5)

    assert len(list(Path("/proc/self/fd").iterdir())) == before
