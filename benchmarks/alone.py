"""The plant without any broker."""

from __future__ import annotations

from benchmarks.case import Case, Measured, Stopwatch, plant_of

_WARM_UP_SECONDS = 20.0
_SLICE_ROWS = 1000


def plant_alone(case: Case) -> Measured:
    """Rows with their payloads encoded, in slices of about a thousand; the first lap of the machines is not counted."""
    plant, rows = plant_of(case.machines), 0
    warm = len(plant.advance(plant.now + _WARM_UP_SECONDS))
    step_seconds = _WARM_UP_SECONDS * _SLICE_ROWS / warm
    watch = Stopwatch()
    while rows < case.messages:
        rows += len(plant.advance(plant.now + step_seconds))
    return watch.stop(rows)
