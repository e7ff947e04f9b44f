"""Collects the rows of regular messages of machines to which nothing happens. Imported where there are many."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from plant.fleets.class_emitter import ClassEmitter, DuePlaces
from plant.fleets.pending_rows import PendingRows
from plant.fleets.reporting import REGULAR, DueMessage
from plant.machines.jobs import NO_JOB
from plant.machines.machine import Machine

if TYPE_CHECKING:
    from plant.fleets.fleet_measurements import FleetMeasurements
    from plant.fleets.reporter import Steadiness

Integers = npt.NDArray[np.int64]


def collect_steady(
    due: Sequence[DuePlaces],
    steadiness: Steadiness,
    measurements: FleetMeasurements,
    rows: PendingRows,
    machines: Sequence[Machine],
) -> Iterator[DueMessage]:
    """Append the rows before the next event of each machine, and yield the due messages after it.

    All are in one period, so that a machine has at most one message of each class.
    """
    next_ms, changed = np.asarray(steadiness.next_ms), np.asarray(steadiness.changed)
    phase_ends = np.asarray(measurements.phase_ends)
    for emitter, began_ms, first, last in due:
        slots: Integers = np.array(emitter.ring_slots[first:last])
        times = began_ms + np.array(emitter.ring.offsets[first:last]) if emitter.ring else slots
        steady = (next_ms[slots] > times) & (changed[slots] == 0) & (phase_ends[slots] > times)
        _append(emitter, _array(slots[steady]), _array(times[steady]), measurements, rows, machines)
        for slot, time_ms in zip(slots[~steady].tolist(), times[~steady].tolist(), strict=True):
            machine = machines[slot]
            yield DueMessage(time_ms, machine.number, emitter.number, REGULAR, machine)


def refresh(slot: int, machine: Machine, emitters: Sequence[ClassEmitter], steadiness: Steadiness) -> None:
    """Note when the next event of a machine is, and what its messages have until then."""
    steadiness.next_ms[slot] = machine.next_ms
    if machine.finished is NO_JOB:
        for emitter in emitters:
            if not emitter.layout.varies:
                emitter.steady_texts[slot] = emitter.layout.machine_texts(machine, machine.message_ms)
        steadiness.changed[slot] = 0


def _append(
    emitter: ClassEmitter,
    slots: array[int],
    times: array[int],
    measurements: FleetMeasurements,
    rows: PendingRows,
    machines: Sequence[Machine],
) -> None:
    if emitter.layout.varies:
        texts = [
            emitter.layout.machine_texts(machines[slot], time_ms) for slot, time_ms in zip(slots, times, strict=True)
        ]
    else:
        texts = [*map(emitter.steady_texts.__getitem__, slots)]
    rows.extend(times, slots, emitter.number, texts, measurements.add_rows(slots, times, emitter))


def _array(numbers: Integers) -> array[int]:
    return array("q", numbers.tobytes())
