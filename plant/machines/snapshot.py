"""Machines as of one moment, though they go on: what is asked of all of them, worked out bit by bit.

To look at 20,000 machines takes half a second, in which a plant would say nothing. So they are looked at a few at a
time. A machine that is about to change before its turn has come is looked at then: its books tell of it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from operator import attrgetter
from typing import Final, NamedTuple, cast

from plant.machines.fleet import Fleet
from plant.machines.machine import Machine
from plant.oee_accounting import AccountedMachine, Span
from plant.telemetry import KindOee, MachineOee, Which

_LOOKED_AT: Final = 50
_COUNTED: Final = 1000
"""Machines a turn; each of these comes to one or two milliseconds."""
_number_of: Final = attrgetter("number")


class NoSuchMachine(ValueError):
    """There are no machines of that type, or none of that id; the text says which."""


class SnapshotOutdated(Exception):
    """The plant was changed before all machines had been looked at."""


class PlacedOee(NamedTuple):
    """A machine's figures, and its place among all machines: the number of its type, and its own."""

    place: tuple[int, int]
    oee: MachineOee


class FleetCounts(NamedTuple):
    """Some machines of a type: how many are in which state, by (kind, state), and the sum of their figures."""

    states: Counter[tuple[str, str]]
    oee: KindOee


class FleetSnapshot:
    """The figures of some machines over a span as of `now_ms`, in order of type and number.

    `more`: there are others after them. Machines that live together have all lived up to that moment before this is
    made. There may be only one at a time. Raises NoSuchMachine.
    outdated: whether the plant has been changed since.
    """

    def __init__(
        self, fleets: Sequence[Fleet], which: Which, span: Span, now_ms: int, outdated: Callable[[], bool]
    ) -> None:
        self._span, self.now_ms, self._outdated = span, now_ms, outdated
        self._fleets, self.more = _chosen(fleets, which)

    def figures(self) -> Generator[list[PlacedOee], None, None]:
        """All of them, a few at a time. To be closed where it is not taken to its end. Raises Outdated."""
        looks = [_MachineReader(self._span, self.now_ms, machines) for _, _, machines in self._fleets]
        for (_, fleet, _), look in zip(self._fleets, looks, strict=True):
            fleet.accounts.before = look.at_once
        try:
            for (type_number, _, machines), look in zip(self._fleets, looks, strict=True):
                for first in range(0, len(machines), _LOOKED_AT):
                    if self._outdated():
                        raise SnapshotOutdated
                    some = machines[first : first + _LOOKED_AT]
                    yield [PlacedOee((type_number, machine.number), look.at(machine)) for machine in some]
        finally:
            for _, fleet, _ in self._fleets:
                fleet.accounts.before = None


class _MachineReader:
    """At machines of one type, each once: in its turn, or before something is entered for it."""

    def __init__(self, span: Span, now_ms: int, machines: Sequence[Machine]) -> None:
        self._span, self._now_ms = span, now_ms
        self._waiting, self._kept = set(map(_number_of, machines)), dict[int, MachineOee]()

    def at(self, machine: Machine) -> MachineOee:
        """In its turn."""
        machine.advance_to(self._now_ms)
        self._waiting.discard(machine.number)
        return self._kept.pop(machine.number, None) or machine.oee(self._span, self._now_ms)

    def at_once(self, machine: AccountedMachine, time_ms: int) -> None:
        """Before it changes, if its turn has not come and the change is of later."""
        if time_ms > self._now_ms and machine.number in self._waiting:
            self._waiting.discard(machine.number)
            self._kept[machine.number] = cast("Machine", machine).oee(self._span, self._now_ms)


def count(fleet: Fleet, now_ms: int, first: int) -> FleetCounts:
    """Count some machines of a fleet, from the how-manieth on; they live up to now for it."""
    machines, kind = fleet.machines[first : first + _COUNTED], fleet.declared.key
    for machine in machines:
        if machine.next_ms <= now_ms:
            machine.advance_to(now_ms)
    states = Counter(machine.state.name for machine in machines)
    named = Counter({(kind, name): number for name, number in states.items()})
    return FleetCounts(named, fleet.oee_of(machines, "run", now_ms))


def turns(fleet: Fleet) -> range:
    """Where to begin so that `count` comes to all machines of a fleet."""
    return range(0, len(fleet.machines), _COUNTED)


def at_places(fleets: Sequence[Fleet], counts: Mapping[str, int], places: range) -> list[Machine]:
    """The machines at some places in the whole plant, counted from 0 over all types; a shard has some of them.

    counts: how many machines of each type the whole plant has.
    """
    found: list[Machine] = []
    before = 0
    for fleet in fleets:
        first, last = (
            bisect_right(fleet.machines, place - before, key=_number_of) for place in (places.start, places.stop)
        )
        found += fleet.machines[first:last]
        before += counts.get(fleet.declared.key, 0)
    return found


def _chosen(fleets: Sequence[Fleet], which: Which) -> tuple[list[tuple[int, Fleet, Sequence[Machine]]], bool]:
    """The machines asked for, by type, and whether there are more."""
    if which.kind is not None and which.kind not in (kinds := [fleet.declared.key for fleet in fleets]):
        raise NoSuchMachine(f"type: no such machine type; there are {', '.join(kinds)}")
    after = (-1, 0) if which.after is None else _place(fleets, which.after)
    left, more = which.limit, False
    chosen: list[tuple[int, Fleet, Sequence[Machine]]] = []
    for type_number, fleet in enumerate(fleets):
        if type_number < after[0] or which.kind not in (None, fleet.declared.key):
            continue
        begin = bisect_right(fleet.machines, after[1], key=_number_of) if type_number == after[0] else 0
        machines = fleet.machines[begin : None if left is None else begin + left]
        more = more or begin + len(machines) < len(fleet.machines)
        left = None if left is None else left - len(machines)
        if machines:
            chosen.append((type_number, fleet, machines))
    return chosen, more


def _place(fleets: Sequence[Fleet], machine_id: str) -> tuple[int, int]:
    """Where the machine of that id is, or would be, among all."""
    for number in map(int, re.findall(r"[0-9]{1,9}", machine_id)):
        for type_number, fleet in enumerate(fleets):
            if fleet.declared.machine_id.format(number=number) == machine_id:
                return type_number, number
    raise NoSuchMachine("after: no machine has such an id")
