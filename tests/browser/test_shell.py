"""What surrounds all views: navigation, status, the plant's clock, the theme, and what is said when the stream ends."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Final

import httpx
import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.conftest import Open
from tests.support.browser.simulators import Simulator, simulating
from tests.support.browser.views import VIEWS, is_live, visit
from tests.support.browser.watched import Watch

BOXES = """() => {
  document.getElementById("token-button").hidden = false;
  const parts = document.querySelectorAll(".brand, #views li, #status-word, .plant-clock, #token-button, #theme");
  return [...parts].map(each => each.getBoundingClientRect()).map(box => [box.left, box.top, box.right, box.bottom]);
}"""
"""Left, top, right and bottom of what is in the header."""

ZOOMED: Final = ViewportSize(width=320, height=256)
"""A screen of 1,280 x 1,024 at a zoom of 400 %."""
PLACES: Final = {**VIEWS, "Machine": "#/machines/CNC-03", "Command": "#/control/CNC-03"}
WIDER_THAN_SEEN: Final = """() => [...document.querySelectorAll("header *, main *")].filter(each => {
  const {overflowX, whiteSpace} = getComputedStyle(each);
  return each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 1 && overflowX !== "visible"
    && whiteSpace !== "pre" && each.matches(":not(.tile > *, .editor, .editor *, .scroll-x, .visually-hidden)");
}).map(each => each.outerHTML.slice(0, 100))"""
"""What is cut off at the right; but for code and tables, which may be scrolled."""


def test_a_browser_gets_the_page_and_everybody_else_the_list_of_calls(
    open_page: Open, default_plant: Simulator
) -> None:
    """At the same address."""
    page = open_page(default_plant)

    expect(page).to_have_title(re.compile("edgemqttsim"))
    assert httpx.get(f"{default_plant.url}/").json()["name"] == "edgemqttsim"


@pytest.mark.parametrize("title", VIEWS)
def test_each_view_has_an_address(title: str, open_page: Open, default_plant: Simulator) -> None:
    """It is then marked in the navigation, named in the title, and has one main heading."""
    page = open_page(default_plant, f"/{VIEWS[title]}", anew=False)
    is_live(page)

    expect(page.get_by_role("navigation", name="Views").locator("[aria-current=page]")).to_have_text(title)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert page.title().endswith("edgemqttsim")
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("banner")).to_have_count(1)


def test_going_to_and_fro_leaves_nothing_behind(open_page: Open, default_plant: Simulator) -> None:
    """Each view is taken away whole when another comes, also by the browser's buttons."""
    page = open_page(default_plant)
    is_live(page)
    for title in VIEWS:
        visit(page, title)
    for _ in VIEWS:
        page.go_back()
    is_live(page)

    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Overview"))
    assert page.locator("main > *").count() == 1


def test_a_link_leads_to_its_view_also_from_what_was_chosen_in_it(open_page: Open, default_plant: Simulator) -> None:
    """A filter and a machine that were chosen changed the address, and the view is another one without them."""
    page = open_page(default_plant, "/#/machines")
    is_live(page)
    page.get_by_role("searchbox", name="Part of the id").fill("CNC")
    expect(page).to_have_url(re.compile("text=CNC"))
    visit(page, "Machines")
    expect(page.get_by_role("searchbox", name="Part of the id")).to_have_value("")

    visit(page, "Control")
    picker = page.get_by_role("combobox", name="Machine")
    picker.fill("CNC-03")
    picker.press("Enter")
    expect(page).to_have_url(re.compile("CNC-03"))
    visit(page, "Control")
    expect(picker).to_have_value("")
    page.go_back()
    expect(picker).to_have_value("CNC-03")


def test_a_view_that_there_is_not_says_so(open_page: Open, default_plant: Simulator) -> None:
    """With the way to the overview."""
    page = open_page(default_plant, "/#/nothing")

    expect(page.get_by_role("alert")).to_contain_text("There is no such view")
    page.get_by_role("main").get_by_role("link", name="overview").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Overview"))


def test_the_status_and_the_plants_time_are_shown(open_page: Open, default_plant: Simulator) -> None:
    """In words, and in the zone of the plant, not in that of the browser."""
    page = open_page(default_plant)
    is_live(page)
    zone = default_plant.get("/api/v1/overview")["process"]["time_zone"]

    expect(page.locator("#status-word")).to_have_text(re.compile("Delivering|Running"))
    expect(page.locator("#zone")).to_have_text(zone)
    shown = page.locator("#clock").text_content() or ""
    now = datetime.now(UTC)
    assert zone == "UTC"
    late = now.hour * 60 + now.minute - int(shown[:2]) * 60 - int(shown[3:5])
    assert (late + 1) % (24 * 60) <= 2  # also around midnight


def test_the_theme_is_that_of_the_system_until_the_button_says_otherwise(
    open_page: Open, default_plant: Simulator
) -> None:
    """Nothing of it is stored."""
    page = open_page(default_plant, dark=True)
    is_live(page)
    button = page.get_by_role("button", name="Theme")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(background)
    button.click()
    expect(button).to_have_accessible_name(re.compile("light"))
    light = page.evaluate(background)
    button.click()
    expect(button).to_have_accessible_name(re.compile("dark"))

    assert page.evaluate(background) == dark != light
    page.reload()
    expect(button).to_have_accessible_name(re.compile("automatic"))
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0


@pytest.mark.parametrize("width", [375, 768, 900, 1000, 1199, 1200, 1440])
def test_nothing_of_the_header_covers_another(width: int, open_page: Open, faulty: Simulator) -> None:
    """Whatever the width, with a zone of a longer name and a field for the token."""
    page = open_page(faulty, "/#/", anew=False)
    page.set_viewport_size({"width": width, "height": 600})
    is_live(page)
    found = page.evaluate(BOXES)

    assert len(found) == 11
    assert all(left >= 0 and right <= width for left, _, right, _ in found)
    for one, other in combinations(found, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@pytest.mark.parametrize("place", PLACES)
def test_all_of_a_view_is_within_320_px(place: str, open_page: Open, faulty: Simulator) -> None:
    """As at a zoom of 400 % (WCAG 2.2, 1.4.10): nothing scrolls sideways, and no link of the navigation is cut off."""
    page = open_page(faulty, f"/{PLACES[place]}", anew=False)
    page.set_viewport_size(ZOOMED)
    is_live(page)
    links = page.get_by_role("navigation", name="Views").get_by_role("link")
    boxes = [each.bounding_box() for each in links.all()]

    assert page.evaluate("document.documentElement.scrollWidth") == ZOOMED["width"]
    assert len(boxes) == len(VIEWS)
    assert all(box is not None and box["x"] >= 0 and box["x"] + box["width"] <= ZOOMED["width"] for box in boxes)
    assert page.evaluate(WIDER_THAN_SEEN) == []


def test_all_is_reached_by_the_keyboard_in_order_with_visible_focus(open_page: Open, default_plant: Simulator) -> None:
    """The skip link first, then brand, header and views; each shows that it is focused."""
    page = open_page(default_plant)
    is_live(page)
    names = []
    for _ in range(9):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.textContent.trim()"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", names

    assert names[0] == "Skip to the content"
    assert names[1] == "edgemqttsim"
    assert [each for each in names if each in VIEWS] == [*VIEWS]
    page.keyboard.press("Shift+Tab")
    page.get_by_role("navigation").get_by_role("link", name="Control").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation").locator("[aria-current=page]")).to_have_text("Control")
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_the_skip_link_leads_past_the_header(open_page: Open, default_plant: Simulator) -> None:
    """And to no other view."""
    page = open_page(default_plant, "/#/control")
    is_live(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_role("main")).to_be_focused()
    expect(page.get_by_role("navigation").locator("[aria-current=page]")).to_have_text("Control")


def test_a_simulator_that_ends_and_starts_again_is_shown(
    open_page: Open, watch_of: Callable[[Page], Watch], tmp_path: Path
) -> None:
    """What is seen is marked as old with its time; the page goes on by itself when the simulator does."""
    with simulating(tmp_path) as simulator:
        page = open_page(simulator)
        watch_of(page).allowed.add(0)
        is_live(page)
        port = simulator.url.rpartition(":")[2]
        simulator.daemon.signal(signal.SIGTERM)
        simulator.daemon.wait()
        expect(page.locator("#banner")).to_contain_text("Connection to the simulator lost")
        expect(page.locator("#status-word")).to_have_text("Disconnected")
        expect(page.locator("#banner")).to_contain_text(re.compile(r"What you see is of \d\d:\d\d:\d\d"))
    with simulating(tmp_path, "--http-port", port):
        expect(page.locator("#banner")).to_be_hidden()
        expect(page.locator("#status-word")).to_have_text(re.compile("Delivering|Running"))
