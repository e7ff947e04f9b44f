"""Signals have the same bits on processors with other instructions."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

import numpy as np
import pytest

from tests.support.processes.daemon import ROOT

WITHOUT_AVX512: Final = ("X86_V4", "AVX512_ICL", "AVX512_SPR")
LEFT_OUT: Final = {"AVX-512": WITHOUT_AVX512, "AVX-512 and AVX2": ("X86_V3", *WITHOUT_AVX512)}
"""Sets of instructions that numpy leaves out when asked to."""

BITS: Final = "483a7d1b87bd0d219dcda1bf54e6878f3f0eefe6efe22ee658ee26c74f2980e9"
"""What the signals of the press have been on every processor so far."""

DIGEST: Final = """
import sys
from hashlib import sha256
from tests.plant.signals.press import PRESS, RUNNING, START_MS, compiled, machines
signals = machines(compiled(PRESS + sys.argv[1]), 500)
for slot in range(0, 500, 3):
    signals.change(slot, RUNNING, START_MS + 7, new_job=True)
for row in range(9):
    signals.pending.extend(range(500), [START_MS + 5000 * row + slot for slot in range(500)], [1] * 500)
print(sha256(b"".join(column.tobytes() for column in signals.block().digits)).hexdigest())
"""

MORE: Final = """
formula: {formula: "sqrt(abs(pressure)) / 3 + decay(vibration) % 0.3 + temperature ** 2.5", limits: [-1000000, 1000000], decimals: 6}
own: {base: 7, spread: 0.1, uniform: [0, 1], yearly: {amplitude: 2, peak_day: 9}, decimals: 6}
"""  # noqa: E501 - a line a signal


def digest(disabled: tuple[str, ...] = ()) -> str:
    """Return a digest of the signals of a press, computed without some features of the processor."""
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(disabled)}
    command = [sys.executable, "-W", "ignore", "-c", DIGEST, MORE]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("names", LEFT_OUT.values(), ids=LEFT_OUT)
def test_bits_do_not_depend_on_the_processor(names: tuple[str, ...]) -> None:
    """Without AVX-512, and without AVX2 too, numpy has the same results."""
    found = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    present = tuple(name for name in names if name in found)
    if not present:
        pytest.skip("this processor has none of these instructions")

    assert digest(present) == BITS


def test_bits_are_those_of_other_processors_and_versions() -> None:
    """A seed gives the same signals on each computer and with each version."""
    assert digest() == BITS
