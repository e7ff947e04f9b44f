"""Tables and constants of an arithmetic that has the same bits on every processor.

IEEE 754 defines the result of + - * /, comparisons, rounding and square roots to the last bit. It does not for exp, log
and sin, and those of numpy differ between processors (numpy issue 23523). What needs them is a table, made once,
rounded to 2^-40, where C libraries agree, and read by exact steps.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from hashlib import blake2b
from statistics import NormalDist
from typing import Final

WORD: Final = (1 << 64) - 1
"""The mask of 64 bits."""

STEP, FIRST_MIX, SECOND_MIX = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""The constants of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014)."""

SALT_STEP: Final = FIRST_MIX
"""What lies between the purposes of draws that are numbered: times that are so far apart do not occur."""

TO_UNIT: Final = 2.0**-53
"""What makes 53 bits a number in [0, 1)."""

_COARSE: Final = 2.0**40
_NORMAL_BITS: Final = 14
NORMAL_SHIFT: Final = 64 - _NORMAL_BITS
"""How far a word of 64 bits is shifted to be an index of NORMAL."""

SINE_STEPS: Final = 4096
DECAY_STEPS: Final = 64
"""Entries of the tables SINE, in a period, and DECAY, for each 1."""
DECAY_END: Final = 39.0
"""Where e^-x is practically 0: it is below 2^-56."""


def rounded(number: float) -> float:
    """Return a number rounded to 40 binary places."""
    return round(number * _COARSE) / _COARSE


def _normals() -> array[float]:
    """Return equally likely values of the normal distribution: mean 0 exactly, variance 1."""
    size = 1 << _NORMAL_BITS
    half = [NormalDist().inv_cdf((index + 0.5) / size) for index in range(size // 2, size)]
    scale = math.sqrt(len(half) / math.fsum(value * value for value in half))
    upper = [rounded(value * scale) for value in half]
    return array("d", [-value for value in reversed(upper)] + upper)


NORMAL: Final = _normals()
"""16,384 equally likely values of the standard normal distribution, up to 3.98 in magnitude."""

SINE: Final = array("d", (rounded(math.sin(2 * math.pi * step / SINE_STEPS)) for step in range(SINE_STEPS + 1)))
"""The sine over one period; between the entries lie straight lines, which are within 3e-7."""

DECAY: Final = array("d", (rounded(math.exp(-step / DECAY_STEPS)) for step in range(int(DECAY_END) * DECAY_STEPS + 2)))
"""e^-x from 0; between the entries a polynomial of the third degree is within 3e-9."""


def purpose(signal: str, use: str) -> int:
    """Return what a draw is for as 64 bits: another name has other draws, another order of signals has not."""
    return int.from_bytes(blake2b(f"{signal}/{use}".encode(), digest_size=8).digest(), "little")


GRID_POINTS: Final = 64
"""Grid points of a walk in its memory. Straight lines between them lose 0.5 % of the variance on average."""

APART: Final = 8
"""Memories between two points of a walk that are drawn independently: their true correlation is below e^-8."""


@dataclass(frozen=True, slots=True)
class BridgeStep:
    """The middle of an interval whose ends are known: mean * (left + right) + sigma * (a standard normal draw)."""

    level: int
    mean: float
    sigma: float


@dataclass(frozen=True, slots=True)
class WalkGrid:
    """An Ornstein-Uhlenbeck process with mean 0 and variance 1, at any time, without memory of other times.

    Time is a grid of `every_ms`. Points at multiples of 2^levels are independent draws. Each other point is the middle
    of an interval between two earlier ones; given these, it is normal with mean (left + right) / (2 cosh d) and
    variance tanh d, where d is half the interval in units of the memory. That is exact for this process (a bridge), so
    the points have its law, and a value costs levels + 2 draws wherever it is.
    """

    salt: int
    every_ms: int
    steps: tuple[BridgeStep, ...]

    @property
    def levels(self) -> int:
        """How often an interval is halved."""
        return len(self.steps)


def walk_grid(salt: int, memory_ms: float) -> WalkGrid:
    """Return the grid of a walk. memory_ms: the time in which its correlation falls to 1/e."""
    every_ms = max(1, int(memory_ms // GRID_POINTS))
    levels = max(0, math.ceil(math.log2(APART * memory_ms / every_ms)))
    return WalkGrid(
        salt, every_ms, tuple(_bridge_step(level, every_ms / memory_ms) for level in reversed(range(levels)))
    )


def _bridge_step(level: int, spacing: float) -> BridgeStep:
    """Return a step that halves an interval of 2^(level + 1) grid points. spacing: of the grid, in memories."""
    half = spacing * 2**level
    return BridgeStep(level, rounded(1 / (2 * math.cosh(half))), rounded(math.sqrt(math.tanh(half))))
