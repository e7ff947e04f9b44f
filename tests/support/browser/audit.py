"""What axe-core, the checker of accessibility that browsers' makers use, says of a page."""

from __future__ import annotations

from typing import Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_AXE: Final = Axe()
_GRAVE: Final = ("serious", "critical")


def barriers(page: Page) -> list[str]:
    """The serious and critical violations on a page as it is: the rule, and the elements that break it."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_AXE.axe_script)
    found = page.evaluate("axe.run({resultTypes: ['violations']}).then(({violations}) => violations)")
    return [
        f"{each['impact']} {each['id']}: {each['help']}: " + "; ".join(node["html"][:200] for node in each["nodes"][:4])
        for each in found
        if each["impact"] in _GRAVE
    ]
