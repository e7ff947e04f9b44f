"""A plant of presses on which everything can be done, and nothing goes wrong by itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.browser.simulators import Simulator, simulating

_PLANT: Final = Path(__file__).parent / "plants" / "presses.yaml"


@contextmanager
def pressing(folder: Path, *flags: str) -> Iterator[Simulator]:
    """A simulator of 120 presses. flags: further ones."""
    shutil.copy(_PLANT, folder)
    with simulating(folder, *flags, plant=_PLANT.name) as simulator:
        yield simulator


def machine(simulator: Simulator, machine_id: str) -> dict[str, Any]:
    """A machine as it is now."""
    found: dict[str, Any] = simulator.get(f"/api/v1/machines/{machine_id}")
    return found


def newest(simulator: Simulator) -> dict[str, Any]:
    """The newest command of the journal; empty where there is none."""
    entries = simulator.journal()
    return entries[0] if entries else {"command": {}, "number": 0}
