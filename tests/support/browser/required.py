"""What the tests in a browser need: skipped without it, or failed where it is required."""

from __future__ import annotations

import os
import shutil
from typing import Final

import pytest

PROGRAM: Final = "chromium"
NO_CHROMIUM: Final = "no Chromium"
"""How the reason of every such skip begins."""


def why_no_chromium() -> str | None:
    """Why the browser cannot be used here, with what to do about it; None if it can."""
    if shutil.which(PROGRAM):
        return None
    return f"{NO_CHROMIUM} here (apt-get install chromium fonts-inter, or as root: sh tests/setup_chromium.sh)"


def require_chromium() -> None:
    """Skip the test where there is no Chromium; fail it where EDGEMQTTSIM_REQUIRE_CHROMIUM=1."""
    missing = why_no_chromium()
    if missing is None:
        return
    if os.environ.get("EDGEMQTTSIM_REQUIRE_CHROMIUM") == "1":
        pytest.fail(missing)
    pytest.skip(missing)
