"""axe-core finds no serious or critical violation on any view, light and dark, on a telephone and on a wall."""

from __future__ import annotations

from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Open
from tests.support.browser.audit import barriers
from tests.support.browser.simulators import Simulator
from tests.support.browser.views import VIEWS, is_live
from tests.support.browser.watched import PHONE, WALL, watched

THEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
PLACES: Final = {**VIEWS, "Machine": "#/machines/CNC-03"}


@pytest.mark.parametrize("place", PLACES)
def test_a_view_has_no_barriers(place: str, open_page: Open, faulty: Simulator) -> None:
    """With a plant that has signals, faults and alarms; and nothing is wider than the screen."""
    page = open_page(faulty, f"/{PLACES[place]}", calm=True)  # colours in transition have another contrast
    is_live(page)
    found: dict[str, list[str]] = {}
    widths = []
    for viewport in (PHONE, WALL):
        page.set_viewport_size(viewport)
        widths.append(page.evaluate("document.documentElement.scrollWidth"))
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            found[f"{theme} at {viewport['width']} px"] = barriers(page)

    assert {each: wrong for each, wrong in found.items() if wrong} == {}
    assert widths == [PHONE["width"], WALL["width"]]


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
