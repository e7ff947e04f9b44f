"""A page of the browser with all that must not happen on it: errors, violations of its policy, requests elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Dialog, Error, Page, Request, ViewportSize

WIDE: Final = ViewportSize(width=1440, height=900)
"""A screen in an office."""
WALL: Final = ViewportSize(width=1920, height=1080)
"""A screen on the wall of a control room."""
PHONE: Final = ViewportSize(width=375, height=812)
"""A telephone."""

_SEEN_BY_PAGE: Final = """
window.violations = [];
addEventListener("securitypolicyviolation", event => {
  const said = `${event.effectiveDirective} ${event.blockedURI} ${event.sample}`;
  window.violations.push(said);
  console.error(`policy violated: ${said}`);
});
"""


class Watch:
    """What went wrong on a page so far.

    allowed: status codes of answers that a test provokes, which a browser reports as an error.
    """

    def __init__(self, page: Page, own: str) -> None:
        self.wrong: list[str] = []
        self.requested: list[str] = []
        self.allowed: set[int] = set()
        self._own = urlsplit(own).netloc
        page.on("console", self._console)
        page.on("pageerror", self._error)
        page.on("request", self._request)
        page.on("dialog", self._dialog)
        page.on("popup", lambda other: self.wrong.append(f"another page was opened: {other.url}"))
        page.add_init_script(_SEEN_BY_PAGE)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        refused = any(f"status of {code}" in message.text for code in self.allowed)
        lost = "net::ERR_" in message.text and 0 in self.allowed
        if not refused and not lost:
            self.wrong.append(f"{message.text} ({message.location.get('url')})")

    def _error(self, error: Error) -> None:
        self.wrong.append(f"{error.name}: {error.message}\n{error.stack}")

    def _request(self, request: Request) -> None:
        self.requested.append(request.url)
        parts = urlsplit(request.url)
        if parts.netloc != self._own and parts.scheme not in ("blob", "data"):
            self.wrong.append(f"asked another host: {request.url}")

    def _dialog(self, dialog: Dialog) -> None:
        self.wrong.append(f"a dialog was opened: {dialog.message}")
        dialog.dismiss()


@contextmanager
def watched(
    browser: Browser, own: str, viewport: ViewportSize = WIDE, *, dark: bool = False, calm: bool = False
) -> Iterator[tuple[Page, Watch]]:
    """A page in a profile of its own, and its watch.

    own: the address of the simulator, the only one that may be called.  calm: the user wants little motion.
    """
    context = browser.new_context(
        viewport=viewport,
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce" if calm else "no-preference",
        locale="en-GB",
        timezone_id="America/New_York",  # that of no plant: times are shown in the plant's zone
        base_url=own,
    )
    context.set_default_timeout(10_000)
    page = context.new_page()
    try:
        yield page, Watch(page, own)
    finally:
        context.close()


def soon(page: Page, condition: Callable[[], object], what: str, seconds: float = 10.0) -> None:
    """Wait for a condition outside the page, such as one of its simulator; `what` names it in the AssertionError."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        page.wait_for_timeout(20)  # events of the browser arrive only while Playwright waits
