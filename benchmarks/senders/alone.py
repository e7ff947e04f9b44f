"""The plant without any broker."""

from __future__ import annotations

from benchmarks.case import Case, Measured, Stopwatch, plant_of
from edge.runtime.tasks import tune_garbage_collector

_WARM_UP_SECONDS = 20.0
_SLICE_ROWS = 1000
_LOOKS = 200


def plant_alone(case: Case) -> Measured:
    """Rows with their payloads encoded, in slices of about a thousand; the first lap of the machines is not counted."""
    plant, rows, warm = plant_of(case), 0, 0
    # In slices here too: all rows of the warm-up at once would be the most memory of the whole run.
    for _ in range(_LOOKS):
        warm += len(plant.advance(plant.now + _WARM_UP_SECONDS / _LOOKS))
    step_seconds = _WARM_UP_SECONDS * _SLICE_ROWS / warm
    tune_garbage_collector()
    watch = Stopwatch()
    while rows < case.messages:
        rows += len(plant.advance(plant.now + step_seconds))
    return watch.stop(rows)
