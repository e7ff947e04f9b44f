"""axe-core finds no serious or critical violation on any view, light and dark, on a telephone and on a wall."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, ViewportSize, expect

from tests.browser.conftest import Open
from tests.support.browser.audit import barriers
from tests.support.browser.simulators import Simulator
from tests.support.browser.views import VIEWS, is_live
from tests.support.browser.watched import PHONE, WALL, watched

PLACES = {**VIEWS, "Machine": "#/machines/CNC-03"}


@pytest.mark.parametrize("viewport", [PHONE, WALL], ids=["375 px", "1920 px"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("place", PLACES)
def test_a_view_has_no_barriers(
    place: str, dark: bool, viewport: ViewportSize, open_page: Open, faulty: Simulator
) -> None:
    """With a plant that has signals, faults and alarms."""
    page = open_page(faulty, f"/{PLACES[place]}", viewport, dark=dark)
    is_live(page)

    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_the_checker_finds_barriers(browser: Browser, faulty: Simulator) -> None:
    """It is at work: a picture without a text and a field without a label are found."""
    with watched(browser, faulty.url) as (page, _):
        page.goto(faulty.url)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.evaluate(
            """() => {
              const [image, input] = ["img", "input"].map(each => document.createElement(each));
              document.querySelector("main").append(image, input);
            }"""
        )

        assert {each.split(":")[0] for each in barriers(page)} >= {"critical image-alt", "critical label"}
