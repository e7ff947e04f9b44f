"""The views of the page: their names, their addresses, and how to come to them as a user does."""

from __future__ import annotations

import re
from typing import Final

from playwright.sync_api import Page, expect

VIEWS: Final = {
    "Overview": "#/",
    "Machines": "#/machines",
    "Control": "#/control",
    "Traffic": "#/traffic",
    "Plant": "#/plant",
    "Guide": "#/guide",
}
"""The title of each view -> its address within the page."""


def is_live(page: Page) -> None:
    """Wait until the page shows what the stream brings, and its view is there."""
    expect(page.locator("#status-word")).not_to_have_text("Connecting")
    expect(page.locator("main[aria-busy]")).to_have_count(0)
    expect(page.locator("main h1")).to_have_count(1)
    expect(page.locator("#clock")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))


def visit(page: Page, title: str) -> None:
    """Go to a view by its link."""
    page.get_by_role("navigation", name="Views").get_by_role("link", name=title).click()
    expect(page.get_by_role("navigation", name="Views").locator("[aria-current=page]")).to_have_text(title)
    is_live(page)
