"""What the page may cost: bytes, hosts, time to the first paint, motion; and what its policy lets it do."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.support.browser.simulators import Simulator
from tests.support.browser.views import VIEWS, is_live, visit
from tests.support.browser.watched import Watch
from tests.support.processes.daemon import ROOT

FILES: Final = sorted(path for path in (ROOT / "edge" / "page" / "files").iterdir() if path.is_file())
SOURCES: Final = [path for path in FILES if path.suffix in (".js", ".html")]
MOST_BYTES: Final = 150_000
POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
FORBIDDEN: Final = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|setHTML"
    r"|\beval\(|new Function|localStorage|sessionStorage|indexedDB|document\.cookie|\son\w+=|style=\"|https?://(?!www\.w3\.org/)"
)
"""What would make markup or code of a text, keep something, or call another host."""

MOVING: Final = """() => [...document.querySelectorAll("*")].filter(each => {
  const {transitionDuration: a, animationDuration: b} = getComputedStyle(each);
  return [a, b].some(text => text.split(",").some(one => parseFloat(one) > 0.01));
}).map(each => each.outerHTML.slice(0, 100))"""
"""The elements that would move."""


def address(path: Path) -> str:
    """Where a file of the page is served."""
    return "/" if path.name == "index.html" else f"/page/{path.name}"


def policy(answer: httpx.Response) -> dict[str, str]:
    """The content security policy of an answer."""
    parts = (each.strip().partition(" ") for each in answer.headers["content-security-policy"].split(";"))
    return {name: value for name, _, value in parts if name}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_file_has_the_strict_policy(path: Path, default_plant: Simulator) -> None:
    """No host but its own, nothing unsafe, and no markup from text; and no guessing of types."""
    answer = httpx.get(default_plant.url + address(path), headers={"accept": "text/html"})

    assert answer.status_code == 200
    assert policy(answer) == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.content == path.read_bytes()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_source_makes_markup_of_text(path: Path) -> None:
    """Nor does it keep anything in the browser, or name another host."""
    assert FORBIDDEN.findall(path.read_text("utf-8")) == []


def test_all_of_the_page_is_small(open_page: Open, watch_of: Callable[[Page], Watch], default_plant: Simulator) -> None:
    """All files of all views together, as they come over the wire."""
    page = open_page(default_plant)
    loaded: dict[str, int] = {}
    for title in VIEWS:
        visit(page, title)
    for url in {each.partition("?")[0] for each in watch_of(page).requested if "/api/" not in each}:
        answer = httpx.get(url, headers={"accept": "text/html", "accept-encoding": "gzip"})
        loaded[url] = int(answer.headers["content-length"])

    assert len(loaded) > len(VIEWS)
    assert sum(loaded.values()) < MOST_BYTES / 2, loaded


@pytest.mark.parametrize("title", VIEWS)
def test_the_first_paint_comes_within_a_second(title: str, open_page: Open, default_plant: Simulator) -> None:
    """Of a browser that has nothing of the page yet."""
    page = open_page(default_plant, f"/{VIEWS[title]}")
    is_live(page)
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")

    assert painted is not None
    assert painted < 1000


def test_nothing_moves_for_who_wants_little_motion(open_page: Open, default_plant: Simulator) -> None:
    """Neither transitions nor animations, at any element of any view; there are some for everybody else."""
    calm, usual = open_page(default_plant, calm=True), open_page(default_plant)
    is_live(usual)
    for title in VIEWS:
        visit(calm, title)
        assert calm.evaluate(MOVING) == []
        assert calm.evaluate("document.getAnimations().length") == 0
    assert usual.evaluate(MOVING) != []


def test_the_overview_needs_one_stream_whatever_was_seen_before(
    open_page: Open, watch_of: Callable[[Page], Watch], default_plant: Simulator
) -> None:
    """What other views have asked for ends with them."""
    page = open_page(default_plant)
    is_live(page)
    for title in VIEWS:
        visit(page, title)
    visit(page, "Overview")
    requested = watch_of(page).requested
    streams = [each.rstrip("?") for each in requested if "/stream" in each]

    assert streams[-1].endswith("/api/v1/stream")
    expect(page.locator("#status-word")).to_have_text(re.compile("Delivering|Running"))
    assert len(streams) <= 2 * len(VIEWS)
