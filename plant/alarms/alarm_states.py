"""Which alarms of which machines are active, and what a row changes in that.

Values are whole numbers of the last decimal, as rows report them, times the sign of the alarm's side: so each alarm is
raised from a number on, and cleared below another one that is not greater.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from plant.definition.alarms.alarm_type import AlarmType
from plant.signals.laws.program import SignalProgram
from plant.signals.laws.signal_laws import Measured

RAISED: Final = "raised"
CLEARED: Final = "cleared"
NOT_BEYOND: Final = -1
"""Since when the value is at or beyond the limit: it is not, or the alarm has no delay or is active."""


class Limit(NamedTuple):
    """An alarm with its numbers.

    place: among the alarms of the type.  signal: the number of its signal.  missing: what stands for no value.
    """

    place: int
    alarm: AlarmType
    signal: int
    unit: int
    sign: int
    raised_from: int
    cleared_below: int
    delay_ms: int
    missing: int | None


class AlarmEvent(NamedTuple):
    """An alarm of a machine that a row raises or clears. digits: the value, as a whole number of its last decimal."""

    slot: int
    time_ms: int
    limit: Limit
    is_raised: bool
    digits: int


class AlarmStates:
    """The alarms of the machines of one type, by slot.

    active: 1 where an alarm is active, by alarm and slot.  since_ms: of alarms with a delay that are not active, since
    when the value is at or beyond the limit, or NOT_BEYOND; by alarm and slot, empty without a delay.
    active_counts, pending_counts: machines in which each alarm is active, or beyond its limit and not active yet.
    counts: events so far, by alarm and event; they belong to the fleet, which stays when this is replaced.
    """

    __slots__ = ("active", "active_counts", "counts", "limits", "pending_counts", "since_ms")

    def __init__(
        self, alarms: Sequence[AlarmType], program: SignalProgram, machines: int, counts: Counter[tuple[str, str]]
    ) -> None:
        self.limits: Final = tuple(_limit(place, alarm, program) for place, alarm in enumerate(alarms))
        self.active = [array("b", bytes(machines)) for _ in alarms]
        self.since_ms = [array("q", [NOT_BEYOND]) * (machines if each.delay_ms else 0) for each in alarms]
        self.active_counts, self.pending_counts = (array("q", bytes(8 * len(alarms))) for _ in range(2))
        self.counts = counts
        for alarm in alarms:
            for event in (RAISED, CLEARED):
                counts.setdefault((alarm.name, event), 0)

    def continue_from(self, earlier: AlarmStates, kept: int) -> None:
        """Take over the first machines from before a reload, in alarms of the same name and side."""
        before = {(each.alarm.name, each.sign): each.place for each in earlier.limits}
        for limit in self.limits:
            place = before.get((limit.alarm.name, limit.sign))
            if place is None:
                continue
            self.active[limit.place][:kept] = earlier.active[place][:kept]
            self.active_counts[limit.place] = sum(self.active[limit.place])
            if self.since_ms[limit.place] and earlier.since_ms[place]:
                self.since_ms[limit.place][:kept] = earlier.since_ms[place][:kept]
                waiting = (each for each in self.since_ms[limit.place] if each != NOT_BEYOND)
                self.pending_counts[limit.place] = sum(1 for _ in waiting)

    def row(self, slot: int, time_ms: int, digits: Sequence[int]) -> Iterator[AlarmEvent]:
        """Yield what a row changes. digits: of each signal, by number.  Rows of a machine come in order of time."""
        for limit in self.limits:
            value = digits[limit.signal]
            if self.changes(limit, slot, time_ms, value):
                yield AlarmEvent(slot, time_ms, limit, bool(self.active[limit.place][slot]), value)

    def changes(self, limit: Limit, slot: int, time_ms: int, digits: int) -> bool:
        """Apply a row to one alarm, and return whether that raises or clears it; a missing value changes nothing."""
        place, value = limit.place, digits * limit.sign
        if digits == limit.missing:
            return False
        if self.active[place][slot]:
            return value < limit.cleared_below and self._set(limit, slot, CLEARED)
        if value < limit.raised_from:
            if limit.delay_ms:
                self._set_since(limit, slot, NOT_BEYOND)
            return False
        if limit.delay_ms and not self._has_lasted(limit, slot, time_ms):
            return False
        return self._set(limit, slot, RAISED)

    def by_severity(self) -> Mapping[str, int]:
        """Return how many alarms are active."""
        found = Counter[str]()
        for limit, count in zip(self.limits, self.active_counts, strict=True):
            found[limit.alarm.severity] += count
        return found

    @property
    def arrays(self) -> Sequence[array[int]]:
        """All that changes, except the counts of events."""
        return (*self.active, *self.since_ms, self.active_counts, self.pending_counts)

    def _has_lasted(self, limit: Limit, slot: int, time_ms: int) -> bool:
        since_ms = self.since_ms[limit.place]
        if since_ms[slot] == NOT_BEYOND:
            self._set_since(limit, slot, time_ms)
        return time_ms - since_ms[slot] >= limit.delay_ms

    def _set(self, limit: Limit, slot: int, event: str) -> bool:
        is_raised = event is RAISED
        self.active[limit.place][slot] = is_raised
        self.active_counts[limit.place] += 1 if is_raised else -1
        self.counts[limit.alarm.name, event] += 1
        if limit.delay_ms:
            self._set_since(limit, slot, NOT_BEYOND)
        return True

    def _set_since(self, limit: Limit, slot: int, since_ms: int) -> None:
        before, self.since_ms[limit.place][slot] = self.since_ms[limit.place][slot], since_ms
        self.pending_counts[limit.place] += (since_ms != NOT_BEYOND) - (before != NOT_BEYOND)


def _limit(place: int, alarm: AlarmType, program: SignalProgram) -> Limit:
    signal = program.names.index(alarm.signal)
    law = program.laws[signal]
    numbers = alarm.raised_from(law.unit), alarm.cleared_below(law.unit)
    missing = law.missing if isinstance(law, Measured) else None
    return Limit(place, alarm, signal, law.unit, alarm.side.sign, *numbers, alarm.delay_ms, missing)
