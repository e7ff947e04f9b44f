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

PATIENCE_MS: Final = 30_000
"""How long anything may take on a busy machine, in milliseconds: it says nothing of the page, which is sooner."""

_SEEN_BY_PAGE: Final = """
window.violations = [];
addEventListener("securitypolicyviolation", event => {
  const said = `${event.effectiveDirective} ${event.blockedURI} ${event.sample}`;
  window.violations.push(said);
  console.error(`policy violated: ${said}`);
});
"""


class Watch:
    """What went wrong on a page since the watch began.

    sent: all that the page has asked for.  allowed: status codes of answers that a test provokes, which a browser
    reports as an error; 0 for answers that are lost.
    """

    def __init__(self, page: Page, own: str) -> None:
        self.begin(own)
        page.on("console", self._console)
        page.on("pageerror", self._error)
        page.on("request", self._request)
        page.on("dialog", self._dialog)
        page.on("popup", lambda other: self.wrong.append(f"another page was opened: {other.url}"))
        page.add_init_script(_SEEN_BY_PAGE)

    @property
    def requested(self) -> list[str]:
        """The addresses that the page has asked for."""
        return [each.url for each in self.sent]

    def begin(self, own: str) -> None:
        """Begin anew. own: the address of the only simulator that may be called from now on."""
        self.wrong: list[str] = []
        self.sent: list[Request] = []
        self.allowed: set[int] = set()
        self._own = urlsplit(own).netloc

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
        self.sent.append(request)
        parts = urlsplit(request.url)
        if parts.netloc != self._own and parts.scheme not in ("blob", "data"):
            self.wrong.append(f"asked another host: {request.url}")

    def _dialog(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":  # who has edits is asked, and leaves them
            dialog.accept()
            return
        self.wrong.append(f"a dialog was opened: {dialog.message}")
        dialog.dismiss()


@contextmanager
def watched(
    browser: Browser, own: str, viewport: ViewportSize = WIDE, *, dark: bool = False, calm: bool = False
) -> Iterator[tuple[Page, Watch]]:
    """A page in a profile of its own, and its watch.

    own: the address of the simulator, the only one that may be called.  calm: the user wants little motion.
    """
    page = new_page(browser)
    adapt(page, viewport, dark=dark, calm=calm)
    try:
        yield page, Watch(page, own)
    finally:
        page.context.close()


def new_page(browser: Browser) -> Page:
    """A page in a profile of its own, which its caller closes."""
    # The zone is that of no plant: times are shown in the plant's zone.
    context = browser.new_context(locale="en-GB", timezone_id="America/New_York", viewport=WIDE)
    context.set_default_timeout(PATIENCE_MS)
    return context.new_page()


def adapt(page: Page, viewport: ViewportSize, *, dark: bool, calm: bool) -> None:
    """Give a page the screen of a user, and what that one likes. calm: little motion."""
    if page.viewport_size != viewport:
        page.set_viewport_size(viewport)
    page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce" if calm else "no-preference")


def soon(page: Page, condition: Callable[[], object], what: str, seconds: float = PATIENCE_MS / 1000) -> None:
    """Wait for a condition outside the page, such as one of its simulator; `what` names it in the AssertionError."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        page.wait_for_timeout(100)  # events of the browser arrive only while Playwright waits
