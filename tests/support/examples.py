"""How many examples a law is tried with: some at each run of the tests, many more by `make test-thorough`."""

from __future__ import annotations

import os
from typing import Final

USUAL: Final = 25
TIMES: Final = 10


def examples(most: int) -> int:
    """Return how many examples to try. most: that show what a law can miss; without haste ten times as many."""
    return most * TIMES if os.environ.get("EDGEMQTTSIM_THOROUGH") == "1" else min(most, USUAL)
