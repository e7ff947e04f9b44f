"""How much is tried at each run of the tests; `make test-thorough` tries all of it, laws with more examples."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, TypeVar

import pytest

USUAL: Final = 10
TIMES: Final = 10
THOROUGH: Final = os.environ.get("EDGEMQTTSIM_THOROUGH") == "1"
_T = TypeVar("_T")

thorough: Final = pytest.mark.skipif(not THOROUGH, reason="takes long, and others show most of it: make test-thorough")


def examples(most: int, usual: int = USUAL) -> int:
    """Return how many examples to try. most: that show what a law can miss; without haste ten times as many.

    usual: at each run of the tests, where an example is dear.
    """
    return most * TIMES if THOROUGH else min(most, usual)


def cases(every: Sequence[_T], usual: int) -> list[_T]:
    """Return the cases to try: all of them, or so many that are evenly spread."""
    if THOROUGH or usual >= len(every):
        return [*every]
    return [every[place * len(every) // usual] for place in range(usual)]
