"""Pages that tests use one after another: to open one costs three times what another document in it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, NamedTuple, Self

from playwright.sync_api import Browser, Error, Page, ViewportSize, expect

from tests.support.browser.watched import WIDE, Watch, adapt, new_page

_EMPTY: Final = '<!doctype html><link rel="icon" href="data:,">'
_ALIKE: Final = {"Content-Type": "text/html", "Cross-Origin-Opener-Policy": "same-origin"}
"""A document like one of the simulator's, so that the process of the browser goes on with it."""


class Screen(NamedTuple):
    """A page in a profile of its own, and its watch."""

    page: Page
    watch: Watch


class Screens:
    """The pages of a browser that no test uses now."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: list[Screen] = []

    @contextmanager
    def one(
        self, own: str, viewport: ViewportSize = WIDE, *, dark: bool = False, calm: bool = False
    ) -> Iterator[Screen]:
        """A page without a document, and its watch, which begins. own: the address of the simulator."""
        screen = self._free.pop() if self._free else self._new(own)
        adapt(screen.page, viewport, dark=dark, calm=calm)
        screen.watch.begin(own)
        try:
            yield screen
        finally:
            self._leave(screen, own)

    def _new(self, own: str) -> Screen:
        page = new_page(self._browser)
        return Screen(page, Watch(page, own))

    def _leave(self, screen: Screen, own: str) -> None:
        """End the document of a page, and take back what a test has done to it; or close it, if that cannot be."""
        page = screen.page
        try:
            page.unroute_all(behavior="ignoreErrors")
            page.context.clear_permissions()
            page.mouse.move(0, 0)
            address = f"{own}/left"
            page.route(address, lambda route: route.fulfill(headers=_ALIKE, body=_EMPTY))
            page.goto(address)
            page.unroute(address)
        except Error:  # the test has closed it
            page.context.close()
        else:
            self._free.append(screen)


class Kept:
    """Pages whose document stays from test to test, one for each simulator: a view is made anew in it."""

    def __init__(self, screens: Screens) -> None:
        self._screens = screens
        self._kept: dict[str, Screen] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextmanager
    def one(self, own: str, path: str) -> Iterator[Screen]:
        """The page of a simulator, with a view, and its watch, which begins."""
        screen = self._kept.get(own)
        if screen is None:
            screen = self._kept[own] = self._stack.enter_context(self._screens.one(own))
        else:
            screen.watch.begin(own)
            adapt(screen.page, WIDE, dark=False, calm=False)
            screen.page.goto(f"{own}/#/nothing")
            expect(screen.page.get_by_role("alert")).to_contain_text("There is no such view")
        screen.page.goto(own + path)
        yield screen
        screen.page.unroute_all(behavior="ignoreErrors")
        screen.page.mouse.move(0, 0)
        screen.page.context.clear_permissions()
