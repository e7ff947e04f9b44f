"""Collects the rows of regular messages of machines to which nothing happens. Imported where there are many."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from plant.fleets.class_emitter import ClassEmitter, DuePlaces
from plant.fleets.pending_rows import PendingRows
from plant.fleets.reporting import REGULAR, DueMessage, Steadiness
from plant.jobs.jobs import NO_JOB
from plant.machines.machine import Machine

if TYPE_CHECKING:
    from plant.fleets.fleet_measurements import FleetMeasurements

Integers = npt.NDArray[np.int64]

_MOST_PERIODS: Final = 256
"""Periods whose rows are collected at once: their columns fit into the cache of a processor."""


class _Rows(NamedTuple):
    """Rows of one class. slots, times: one a row."""

    emitter: ClassEmitter
    slots: Integers
    times: Integers


def collect_steady(
    due: Sequence[DuePlaces],
    steadiness: Steadiness,
    measurements: FleetMeasurements,
    rows: PendingRows,
    machines: Sequence[Machine],
) -> Iterator[DueMessage]:
    """Append the rows before the next event of each machine, and yield the due messages after it.

    due: class by class.
    """
    next_ms, changed = np.asarray(steadiness.next_ms), np.asarray(steadiness.changed)
    phase_ends = np.asarray(measurements.phase_ends)
    found: list[_Rows] = []
    for emitter, slots, times in _by_class(due):
        steady = (next_ms[slots] > times) & (changed[slots] == 0) & (phase_ends[slots] > times)
        found.append(_Rows(emitter, slots[steady], times[steady]))
        for slot, time_ms in zip(slots[~steady].tolist(), times[~steady].tolist(), strict=True):
            machine = machines[slot]
            yield DueMessage(time_ms, machine.number, emitter.number, REGULAR, machine)
    measured = [each for each in found if each.emitter.signals or measurements.advances(each.emitter)]
    places = dict(zip(map(id, measured), _add_measured(measured, measurements), strict=True))
    for each in found:
        _append(each, places.get(id(each)), rows, machines)


def quiet_window(
    begins_ms: int,
    period_ms: int,
    machines: Sequence[Machine],
    measurements: FleetMeasurements,
    emitters: Sequence[ClassEmitter],
    steadiness: Steadiness,
) -> int:
    """Return when something happens to one of few machines: a period or more later, and not too many of them.

    What the machines are like until then is noted.
    """
    next_ms = min((*(machine.next_ms for machine in machines), *measurements.phase_ends))
    for slot, machine in enumerate(machines):
        if steadiness.changed[slot]:
            refresh(slot, machine, emitters, steadiness)
    return begins_ms + max(period_ms, min(next_ms - 1 - begins_ms, period_ms * _MOST_PERIODS))


def _by_class(due: Iterable[DuePlaces]) -> Iterator[_Rows]:
    """Yield the rows that are due of each class, lap after lap."""
    for emitter, laps in groupby(due, key=attrgetter("emitter")):
        slots, offsets = array("q"), array("q")
        begins, counts = array("q"), array("q")
        for _, began_ms, first, last in laps:
            slots += emitter.ring_slots[first:last]
            offsets += emitter.ring.offsets[first:last]
            begins.append(began_ms)
            counts.append(last - first)
        yield _Rows(emitter, np.array(slots), np.repeat(begins, counts) + np.array(offsets))


def refresh(slot: int, machine: Machine, emitters: Sequence[ClassEmitter], steadiness: Steadiness) -> None:
    """Note when the next event of a machine is, and what its messages have until then."""
    steadiness.next_ms[slot] = machine.next_ms
    if machine.finished is NO_JOB:
        for emitter in emitters:
            if not emitter.layout.varies:
                emitter.steady_texts[slot] = emitter.layout.machine_texts(machine, machine.message_ms)
        steadiness.changed[slot] = 0


def _add_measured(found: Sequence[_Rows], measurements: FleetMeasurements) -> Iterator[array[int]]:
    """Add rows to those whose signals are computed, and yield their places, class by class.

    Registers are advanced in order of time, also by one class while another one reports them.
    """
    if not found:
        return
    slots, times = np.concatenate([each.slots for each in found]), np.concatenate([each.times for each in found])
    lengths = [len(each.slots) for each in found]
    advancing = np.repeat([measurements.advances(each.emitter) for each in found], lengths)
    order = np.argsort(times, kind="stable")
    in_order = array("b", advancing[order].astype(np.int8).tobytes())
    added = measurements.add_rows(_array(slots[order]), _array(times[order]), in_order)
    places = np.empty(len(order), dtype=np.int64)
    places[order] = added
    for last, length in zip(accumulate(lengths), lengths, strict=True):
        yield _array(places[last - length : last])


def _append(found: _Rows, measured: array[int] | None, rows: PendingRows, machines: Sequence[Machine]) -> None:
    emitter, slots, times = found.emitter, _array(found.slots), _array(found.times)
    if emitter.layout.varies:
        texts = [
            emitter.layout.machine_texts(machines[slot], time_ms) for slot, time_ms in zip(slots, times, strict=True)
        ]
    else:
        texts = [*map(emitter.steady_texts.__getitem__, slots)]
    rows.extend(times, slots, emitter.number, texts, measured)


def _array(numbers: Integers) -> array[int]:
    return array("q", numbers.tobytes())
