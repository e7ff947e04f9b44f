"""Finds what the rows of a block change in alarms: only machines beyond a limit are looked at one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from plant.alarms.alarm_states import NOT_BEYOND, AlarmEvent, AlarmStates, Limit

_BEYOND_ALL: Final = 1 << 62
"""Greater than any value, and without a sign less: of a block in which no row has signals."""

Integers = npt.NDArray[np.int64]


def limits_in_reach(states: AlarmStates, digits: Sequence[Integers]) -> list[Limit]:
    """Return the alarms that rows may raise or clear: where one is active or about to be, or any value is beyond."""
    return [
        limit
        for limit in states.limits
        if states.active_counts[limit.place]
        or states.pending_counts[limit.place]
        or _furthest(digits[limit.signal], limit.sign) >= limit.raised_from
    ]


def _furthest(values: Integers, sign: int) -> int:
    return int(values.max(initial=-_BEYOND_ALL) if sign > 0 else -values.min(initial=_BEYOND_ALL))


def block_events(
    states: AlarmStates,
    limits: Sequence[Limit],
    slots: Integers,
    times_ms: Integers,
    digits: Sequence[Integers],
    measured: Integers,
) -> list[tuple[int, AlarmEvent]]:
    """Return the events of rows in order of time, each with its place among the rows. limits: those in reach.

    digits: of each signal, by number.  measured: the place of each row in them.
    """
    found = [event for limit in limits for event in _of_alarm(states, limit, slots, times_ms, digits, measured)]
    return sorted(found, key=lambda each: (each[0], each[1].limit.place))


def _of_alarm(
    states: AlarmStates,
    limit: Limit,
    slots: Integers,
    times_ms: Integers,
    digits: Sequence[Integers],
    measured: Integers,
) -> Iterator[tuple[int, AlarmEvent]]:
    values = digits[limit.signal][measured]
    rows = _affected(states, limit, slots, values * limit.sign)
    for row, slot, time_ms, value in zip(
        rows.tolist(), slots[rows].tolist(), times_ms[rows].tolist(), values[rows].tolist(), strict=True
    ):
        if states.changes(limit, slot, time_ms, value):
            yield row, AlarmEvent(slot, time_ms, limit, bool(states.active[limit.place][slot]), value)


def _affected(states: AlarmStates, limit: Limit, slots: Integers, values: Integers) -> Integers:
    """Return the places of all rows of the machines of which some row may change something."""
    is_beyond = values >= limit.raised_from
    if states.active_counts[limit.place]:
        active = np.asarray(states.active[limit.place])[slots].astype(bool)
        is_beyond = np.where(active, values < limit.cleared_below, is_beyond)
    if states.pending_counts[limit.place]:
        is_beyond |= np.asarray(states.since_ms[limit.place])[slots] != NOT_BEYOND
    if limit.missing is not None:
        is_beyond &= values != limit.missing * limit.sign
    if not is_beyond.any():
        return np.empty(0, dtype=np.int64)
    is_touched = np.zeros(len(states.active[limit.place]), dtype=bool)
    is_touched[slots[is_beyond]] = True
    return np.flatnonzero(is_touched[slots])
