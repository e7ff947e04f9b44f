"""The progress of a long scenario on a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import io
from pathlib import Path

import pytest

from cli.scenario import progress
from cli.scenario.progress import Progress
from cli.scenario.running.run import Standing
from tests.cli.scenario.scenes import plan_of


class Terminal(io.StringIO):
    """A stream that is a terminal, or not."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        """Whether it is one."""
        return self._is_terminal


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_shows_lines_at_a_limited_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool
) -> None:
    """Plant time, its share, and the steps; a file or a pipe gets none."""
    plan = plan_of("- {at: 1m, do: {command: rate}}", tmp_path)
    stream = Terminal(is_terminal=is_terminal)
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.2)

    async def watch() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.7):
                await Progress(plan, stream).watch(lambda: Standing(plan.start_ms / 1000 + 150, 3, 1, 2))

    asyncio.run(watch())
    lines = stream.getvalue().splitlines()

    assert set(lines) <= {"00:02:30 of 00:10:00 (25%): 3 passed, 1 failed, 2 open"}
    assert (1 <= len(lines) <= 3) == is_terminal
