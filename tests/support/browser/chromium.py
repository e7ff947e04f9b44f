"""Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

from tests.support.browser.required import PROGRAM

REBOUND: Final = "factory.example"
"""A name that the browser takes for this machine, as one whose owner has rebound it to 127.0.0.1."""

_ARGUMENTS: Final = (
    f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1, MAP *.example 127.0.0.1",
    "--disable-gpu",
    "--hide-scrollbars",
    "--font-render-hinting=none",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser without a window."""
    fonts = str(Path(__file__).with_name("fonts.conf"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which(PROGRAM), args=[*_ARGUMENTS], env={**os.environ, "FONTCONFIG_FILE": fonts}
        )
        try:
            yield browser
        finally:
            browser.close()
