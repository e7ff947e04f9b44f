"""A page that is left open, and one that is gone through again and again, holds no more at the end."""

from __future__ import annotations

from tests.browser.conftest import Open
from tests.support.browser.figures import Figures, figures_of
from tests.support.browser.simulators import Simulator
from tests.support.browser.views import VIEWS, is_live, visit


def test_going_through_all_views_leaves_no_elements_and_no_listeners(open_page: Open, faulty: Simulator) -> None:
    """After the first rounds, in which things are made once, nothing is added."""
    page = open_page(faulty)
    is_live(page)
    session = page.context.new_cdp_session(page)

    def rounds(count: int) -> Figures:
        for _ in range(count):
            for title in VIEWS:
                visit(page, title)
        visit(page, "Overview")
        return figures_of(session)

    before = rounds(2)
    after = rounds(4)

    assert after.nodes < before.nodes * 1.1 + 100
    assert after.listeners < before.listeners * 1.1 + 20
    assert after.heap_mb < before.heap_mb * 1.3 + 1
