"""A consistent snapshot of many machines, read a few at a time while plant time goes on.

To read 20,000 machines at once takes half a second, in which no message would be emitted. So they are read in small
groups. A machine that is about to change before its group is read is read just before the change: its OEE accounts
report that by `before_change`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from operator import attrgetter
from typing import Final, NamedTuple, cast

from plant.fleets.fleet import Fleet
from plant.machines.machine import Machine
from plant.oee_accounting import AccountedMachine, Span
from plant.telemetry import KindOee, MachineFilter, MachineOee
from plant.truth.events import FaultEpisode

_READ_PER_TURN: Final = 50
_COUNTED_PER_TURN: Final = 1000
"""Machines in one group; to read or count a group takes one or two milliseconds."""
_number_of: Final = attrgetter("number")


class NoSuchMachine(ValueError):
    """No machine type of that key, or no machine of that id; the text names it."""


class SnapshotOutdated(Exception):
    """The plant was reloaded before all machines had been read."""


class PlacedOee(NamedTuple):
    """The OEE figures of a machine, and its place among all: the index of its type, and its number."""

    place: tuple[int, int]
    oee: MachineOee


class FleetCounts(NamedTuple):
    """Counts over some machines of a type: machines by (kind, state), and the sum of their OEE figures."""

    states: Counter[tuple[str, str]]
    oee: KindOee


class FleetSnapshot:
    """The OEE figures of some machines over a span as of `now_ms`, in order of type and number.

    more: whether there are other machines after them.  outdated: whether the plant has been reloaded since.
    An event queue must have advanced to `now_ms` before. Only one snapshot may be read at a time.
    Raises NoSuchMachine.
    """

    def __init__(
        self,
        fleets: Sequence[Fleet],
        only: MachineFilter,
        span: Span,
        now_ms: int,
        outdated: Callable[[], bool],
    ) -> None:
        self._span, self.now_ms, self._outdated = span, now_ms, outdated
        self._fleets, self.more = select(fleets, only)

    def figures(self) -> Generator[list[PlacedOee], None, None]:
        """Yield the figures of all, a group at a time; close the generator to end early. Raises SnapshotOutdated."""
        readers = [_MachineReader(self._span, self.now_ms, machines) for _, _, machines in self._fleets]
        for (_, fleet, _), reader in zip(self._fleets, readers, strict=True):
            fleet.accounts.before_change = reader.read_before_change
        try:
            for (type_number, _, machines), reader in zip(self._fleets, readers, strict=True):
                for first in range(0, len(machines), _READ_PER_TURN):
                    if self._outdated():
                        raise SnapshotOutdated
                    some = machines[first : first + _READ_PER_TURN]
                    yield [PlacedOee((type_number, machine.number), reader.read(machine)) for machine in some]
        finally:
            for _, fleet, _ in self._fleets:
                fleet.accounts.before_change = None


class _MachineReader:
    """Reads each machine of one type once: with its group, or before something is recorded for it."""

    def __init__(self, span: Span, now_ms: int, machines: Sequence[Machine]) -> None:
        self._span, self._now_ms = span, now_ms
        self._unread, self._read_early = set(map(_number_of, machines)), dict[int, MachineOee]()

    def read(self, machine: Machine) -> MachineOee:
        """Return the figures of a machine of the current group."""
        machine.advance_to(self._now_ms)
        self._unread.discard(machine.number)
        return self._read_early.pop(machine.number, None) or machine.oee(self._span, self._now_ms)

    def read_before_change(self, machine: AccountedMachine, time_ms: int) -> None:
        """Read a machine that is about to change at a time after the snapshot, if it is not read yet."""
        if time_ms > self._now_ms and machine.number in self._unread:
            self._unread.discard(machine.number)
            self._read_early[machine.number] = cast("Machine", machine).oee(self._span, self._now_ms)


def count_group(fleet: Fleet, now_ms: int, first: int) -> FleetCounts:
    """Count a group of machines of a fleet, which are advanced to now. first: index of the first machine."""
    machines, kind = fleet.machines[first : first + _COUNTED_PER_TURN], fleet.key
    for machine in machines:
        if machine.next_ms <= now_ms:
            machine.advance_to(now_ms)
    states = Counter(machine.state.name for machine in machines)
    named = Counter({(kind, name): number for name, number in states.items()})
    return FleetCounts(named, fleet.oee_of(machines, "run", now_ms))


class OpenEpisodes(NamedTuple):
    """The episodes of faults that have begun and not ended, of some machines of a type."""

    kind: str
    episodes: Sequence[FaultEpisode]


def open_episodes(fleet: Fleet, now_ms: int, first: int) -> OpenEpisodes:
    """Return the open episodes of a group of machines of a fleet, which are advanced to now."""
    found: list[FaultEpisode] = []
    for machine in fleet.machines[first : first + _COUNTED_PER_TURN]:
        machine.advance_to(now_ms)
        if machine.conditions is not None:
            found += machine.conditions.open_episodes(now_ms)
    return OpenEpisodes(fleet.key, found)


def group_starts(fleet: Fleet) -> range:
    """Return the indexes from which `count_group` and `open_episodes` cover all machines of a fleet."""
    return range(0, len(fleet.machines), _COUNTED_PER_TURN)


def machines_at(fleets: Sequence[Fleet], counts: Mapping[str, int], places: range) -> list[Machine]:
    """Return the machines at some places in the whole plant, counted from 0 over all types; a shard has some of them.

    counts: number of machines of each type in the whole plant.
    """
    found: list[Machine] = []
    before = 0
    for fleet in fleets:
        first, last = (
            bisect_right(fleet.machines, place - before, key=_number_of) for place in (places.start, places.stop)
        )
        found += fleet.machines[first:last]
        before += counts.get(fleet.key, 0)
    return found


def select(fleets: Sequence[Fleet], only: MachineFilter) -> tuple[list[tuple[int, Fleet, Sequence[Machine]]], bool]:
    """Return the selected machines by type, and whether there are more. Raises NoSuchMachine."""
    if only.kind is not None and only.kind not in (kinds := [fleet.key for fleet in fleets]):
        raise NoSuchMachine(f"machine_type: no such machine type; there are {', '.join(kinds)}")
    after = (-1, 0) if only.after is None else _place_of(fleets, only.after)
    left, more = only.limit, False
    chosen: list[tuple[int, Fleet, Sequence[Machine]]] = []
    for type_number, fleet in enumerate(fleets):
        if type_number < after[0] or only.kind not in (None, fleet.key):
            continue
        begin = bisect_right(fleet.machines, after[1], key=_number_of) if type_number == after[0] else 0
        machines = fleet.machines[begin : None if left is None else begin + left]
        more = more or begin + len(machines) < len(fleet.machines)
        left = None if left is None else left - len(machines)
        if machines:
            chosen.append((type_number, fleet, machines))
    return chosen, more


def _place_of(fleets: Sequence[Fleet], machine_id: str) -> tuple[int, int]:
    """Return the place that a machine of that id has, or would have. Raises NoSuchMachine."""
    for number in map(int, re.findall(r"[0-9]{1,9}", machine_id)):
        for type_number, fleet in enumerate(fleets):
            if fleet.machine_type.id_of(number) == machine_id:
                return type_number, number
    raise NoSuchMachine("after: no machine has such an id")


def alarm_counts(fleets: Sequence[Fleet]) -> tuple[Mapping[tuple[str, str, str], int], Mapping[tuple[str, str], int]]:
    """Return how often alarms were raised and cleared, and how many are active, as a `Snapshot` has them."""
    events = {(each.key, *event): count for each in fleets for event, count in each.alarm_counts.items()}
    active = {(each.key, severity): count for each in fleets for severity, count in each.active_alarms.items()}
    return events, active
