"""A page that is left open, and one that is gone through again and again, holds no more at the end."""

from __future__ import annotations

from playwright.sync_api import Browser, Page

from tests.support.browser.figures import Figures, figures_of
from tests.support.browser.simulators import Simulator
from tests.support.browser.views import VIEWS, is_live, visit
from tests.support.browser.watched import watched


def rounds(page: Page, count: int) -> Figures:
    """Go through all views so often, and tell what the page then holds on the overview."""
    for _ in range(count):
        for title in VIEWS:
            visit(page, title)
    visit(page, "Overview")
    return figures_of(page.context.new_cdp_session(page))


def test_going_through_all_views_leaves_no_elements_and_no_listeners(browser: Browser, faulty: Simulator) -> None:
    """After the first rounds, in which things are made once, nothing is added."""
    with watched(browser, faulty.url) as (page, watch):  # which has nothing of other tests
        page.goto(faulty.url)
        is_live(page)
        before = rounds(page, 2)
        after = rounds(page, 4)
        assert watch.wrong == []

    assert after.nodes < before.nodes * 1.1 + 100
    assert after.listeners < before.listeners * 1.1 + 20
    assert after.heap_mb < before.heap_mb * 1.3 + 1
