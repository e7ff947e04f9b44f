"""The random detector: as many detections of the same lengths, at random moments on random machines.

What it finds is found by chance: a detector that is no better knows nothing of the faults. Its draws do not depend on
the plant, only on a fixed seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from cli.evaluate.case import Case, Detections
from cli.evaluate.input.detections import NO_NAME

REPEATS: Final = 20
_SEED: Final = 20180101


def random_detections(case: Case, like: Detections) -> Iterator[Detections]:
    """Yield several sets of detections with the lengths of others, uniform over machines and over the time scored.

    Yield nothing if there is no machine or no detection.
    """
    generator = np.random.default_rng(_SEED)
    count = like.begin.size
    if not case.machines or not count:
        return
    lengths = like.end.clip(case.start_ms, case.end_ms) - like.begin.clip(case.start_ms, case.end_ms)
    for _ in range(REPEATS):
        machine = generator.integers(0, len(case.machines), count)
        begin = generator.integers(case.start_ms, case.end_ms - lengths, endpoint=True)
        yield Detections(machine, begin, begin + lengths, np.full(count, np.nan), np.full(count, NO_NAME))
