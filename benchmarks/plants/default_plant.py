"""The default plant, of this version of the program or of another one whose folder is on PYTHONPATH: figures as JSON.

It is run as a file, and imports nothing but what both versions have.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import Final

from messages import FactoryMessageGenerator

_WARM_UP_SECONDS: Final = 20.0
_STEP_SECONDS: Final = 100.0
_TURNS: Final = 7
_ROWS: Final = 30_000


def _rss_bytes() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _rate(plant: FactoryMessageGenerator) -> float:
    rows, began = 0, time.process_time()
    while rows < _ROWS:
        rows += len(plant.advance(plant.now + _STEP_SECONDS))
    return rows / (time.process_time() - began)


def main() -> None:
    """Measure, and print."""
    plant = FactoryMessageGenerator(seed="bench")
    plant.advance(plant.now + _WARM_UP_SECONDS)
    rss_bytes = _rss_bytes()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1000)
    rates = sorted(_rate(plant) for _ in range(_TURNS))
    numpy_is_imported = any(name.partition(".")[0] == "numpy" for name in sys.modules)
    figures = {"best": rates[-1], "median": rates[_TURNS // 2], "rss_bytes": rss_bytes, "numpy": numpy_is_imported}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
