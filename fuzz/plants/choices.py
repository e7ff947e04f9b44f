"""Choices that random plants are made by."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random  # noqa: TID251 - makes the plants; no part of one
from typing import Any

Data = dict[str, Any]


def maybe(chance: Random, share: float = 0.5) -> bool:
    """Return whether, of so many cases, this is one; small random numbers say no."""
    return chance.random() > 1 - share


def some(chance: Random, names: Sequence[str]) -> list[str]:
    """Return some of the names, at least one, in any order."""
    return chance.sample(names, chance.randint(1, len(names)))
