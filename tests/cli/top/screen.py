"""A screen of `top` that a test reads and presses keys on, at a real simulator."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from textual.pilot import Pilot

from cli.ctl.client import Client
from cli.top.app import TopApp
from cli.top.list_screen import ListScreen

PATIENCE_SECONDS = 40.0
_LOOK_SECONDS = 0.1
"""How often the screen is looked at, which takes long, while something is waited for."""


class Shown:
    """The screen of a TopApp."""

    def __init__(self, app: TopApp, pilot: Pilot[None]) -> None:
        self.app, self._pilot = app, pilot

    @property
    def lines(self) -> list[str]:
        """What is on the screen, line by line."""
        return [strip.text for strip in self.app.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(line.rstrip() for line in self.lines)

    def line(self, begin: str) -> str:
        """The line that begins so; "" where there is none."""
        return next((line.rstrip() for line in self.lines if line.startswith(begin)), "")

    @property
    def selected(self) -> str | None:
        """The key of the line that is selected."""
        on_top = self.app.screen
        assert isinstance(on_top, ListScreen)
        return on_top.selected

    async def press(self, *keys: str) -> None:
        """Press keys, and let the screen take them."""
        await self._pilot.press(*keys)
        await self._pilot.pause()

    async def until(self, is_so: Callable[[], object], what: str) -> None:
        """Wait until something is so."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < end, f"not within {PATIENCE_SECONDS} s: {what} in:\n{self.text}"
            await self._pilot.pause(_LOOK_SECONDS)

    async def shows(self, text: str) -> None:
        """Wait until a text is on the screen."""
        await self.until(lambda: text in self.text, repr(text))

    async def wait(self, seconds: float) -> None:
        """Let time pass, for what must not happen meanwhile."""
        await self._pilot.pause(seconds)

    async def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size."""
        await self._pilot.resize_terminal(columns, lines)
        await self._pilot.pause()


@asynccontextmanager
async def shown(url: str, columns: int = 110, lines: int = 32) -> AsyncIterator[Shown]:
    """Run the screen on a terminal of this size, which is in memory."""
    app = TopApp(Client(url, timeout_seconds=5), time.monotonic)
    async with app.run_test(size=(columns, lines)) as pilot:
        yield Shown(app, pilot)


def on_screen(url: str, do: Callable[[Shown], Any], columns: int = 110, lines: int = 32) -> None:
    """Do something on a screen that has begun to show the simulator."""

    async def run() -> None:
        async with shown(url, columns, lines) as screen:
            await screen.shows("LAST COMMANDS")
            await do(screen)

    asyncio.run(run())


def execute(url: str, **command: object) -> None:
    """Give a command over HTTP, which may be refused."""
    answer = httpx.post(f"{url}/api/v1/commands", json=command, timeout=10)
    assert answer.status_code in (200, 422), answer.text


def fetched(url: str, path: str) -> Mapping[str, Any]:
    """What an address answers."""
    found: Mapping[str, Any] = httpx.get(f"{url}{path}", timeout=10).raise_for_status().json()
    return found
