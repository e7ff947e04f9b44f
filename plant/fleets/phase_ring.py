"""When the machines of one type report: a ring whose order never changes, because all have the same period.

Lap L of a ring begins at anchor + int(L * period); a machine's message is due its own offset of 1 to int(period)
milliseconds later. To find the due machines takes one bisection a lap, with 22 machines as with 100,000.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from operator import attrgetter

from plant.machines.machine import Machine, phase
from plant.machines.states import NEVER


def renewed_ring(
    ring: PhaseRing | None, machines: Sequence[Machine], period_ms: float, now_ms: int, name: str = ""
) -> PhaseRing:
    """Return the ring of these machines: the same one if nothing has changed, else one at the same place in the lap."""
    if ring is None:
        return PhaseRing(machines, period_ms, now_ms, now_ms, name)
    if ring.matches(machines, period_ms, name):
        return ring
    return PhaseRing(machines, period_ms, ring.anchor_for(period_ms, now_ms), now_ms, name)


class PhaseRing:
    """Machines of one period in the order of their offsets, and the current lap and place in it.

    name: what the offsets are drawn for, such as the class of messages, each of which has moments of its own.
    next_ms: the next deadline, which is the first one after `now_ms`; NEVER without machines.
    machines, offsets: in the order of the ring.
    """

    __slots__ = (
        "_anchor_ms",
        "_began_ms",
        "_lap",
        "_name",
        "_period_ms",
        "_place",
        "machines",
        "next_ms",
        "offsets",
    )  # fmt: skip

    def __init__(
        self, machines: Sequence[Machine], period_ms: float, anchor_ms: int, now_ms: int, name: str = ""
    ) -> None:
        self._period_ms, self._anchor_ms, self._name = period_ms, anchor_ms, name
        offsets = [*map(self._offset_of, machines)]
        in_order = sorted(range(len(machines)), key=lambda place: (offsets[place], machines[place].number))
        self.machines = [machines[place] for place in in_order]
        # An array keeps the numbers side by side in memory, not one at each machine.
        self.offsets = array("q", (offsets[place] for place in in_order))
        self._move_to(now_ms)

    def pop_until(self, until_ms: int) -> Iterator[tuple[int, int, int]]:
        """Remove and yield what is due, in order: the beginning of a lap, and the first and last place in the ring."""
        while self.next_ms <= until_ms:
            last = bisect_right(self.offsets, until_ms - self._began_ms, self._place)
            yield self._began_ms, self._place, last
            self._set_place(last)

    def matches(self, machines: Sequence[Machine], period_ms: float, name: str) -> bool:
        """Return whether this is the ring of these machines with this period and name. machines: by number."""
        same = (period_ms, name) == (self._period_ms, self._name)
        return same and machines == sorted(self.machines, key=attrgetter("number"))

    def skip_to(self, until_ms: int) -> Iterator[tuple[int, Machine]]:
        """Skip what is due, and yield each machine that had a deadline with its last one."""
        first = self._lap, self._place
        self._move_to(until_ms)
        for place, machine in enumerate(self.machines):
            lap = self._lap if place < self._place else self._lap - 1
            if (lap, place) >= first:
                yield self._begins_ms(lap) + self.offsets[place], machine

    def last_ms(self, machine: Machine, now_ms: int) -> int:
        """Return the last deadline of a machine up to a time, whether it has existed then or not."""
        offset_ms = self._offset_of(machine)
        return self._begins_ms(self._lap_at(now_ms - offset_ms)) + offset_ms

    @property
    def period_seconds(self) -> float:
        """The seconds between two deadlines of a machine."""
        return self._period_ms / 1000

    def with_machines(self, machines: Sequence[Machine], now_ms: int) -> PhaseRing:
        """Return a ring with the same laps and other machines."""
        return PhaseRing(machines, self._period_ms, self._anchor_ms, now_ms, self._name)

    def anchor_for(self, period_ms: float, now_ms: int) -> int:
        """Return the anchor with which a ring of another period continues this one.

        At `now_ms` the same share of its lap has passed as of this ring's. With the same period it is the same anchor.
        """
        if period_ms == self._period_ms:
            return self._anchor_ms
        return now_ms - int((now_ms - self._anchor_ms) / self._period_ms % 1 * period_ms)

    def _move_to(self, now_ms: int) -> None:
        self._lap = self._lap_at(now_ms)
        self._began_ms = self._begins_ms(self._lap)
        self._set_place(bisect_right(self.offsets, now_ms - self._began_ms))

    def _set_place(self, place: int) -> None:
        self._place = place
        if place == len(self.machines):
            self._lap, self._place = self._lap + 1, 0
            self._began_ms = self._begins_ms(self._lap)
        self.next_ms = self._began_ms + self.offsets[self._place] if self.machines else NEVER

    def _lap_at(self, time_ms: int) -> int:
        lap = int((time_ms - self._anchor_ms) // self._period_ms)
        # The division may be wrong in its last digit; the beginnings of laps decide.
        return lap + (self._begins_ms(lap + 1) <= time_ms) - (self._begins_ms(lap) > time_ms)

    def _offset_of(self, machine: Machine) -> int:
        return 1 + int(phase(machine.stream, self._name) * int(self._period_ms))

    def _begins_ms(self, lap: int) -> int:
        return self._anchor_ms + int(lap * self._period_ms)


class WakeUps:
    """When machines are advanced whose events are reported, by slot."""

    __slots__ = ("_moved", "_times")

    def __init__(self) -> None:
        self._times: list[tuple[int, int]] = []
        self._moved: dict[int, int] = {}

    @property
    def next_ms(self) -> int:
        """The time of the next event; NEVER if no machine is advanced for its events."""
        return self._times[0][0] if self._times else NEVER

    def start(self, machines: Iterable[tuple[int, Machine]]) -> None:
        """Advance these machines at their events from now on; each with its slot."""
        self._times = [(machine.next_ms, slot) for slot, machine in machines]
        heapify(self._times)

    def add(self, slot: int, machine: Machine) -> None:
        """Note that the next event of a machine is at another time now. The entry for the earlier one is outdated."""
        if machine.next_ms < NEVER and machine.next_ms != self._moved.get(slot):
            heappush(self._times, (machine.next_ms, slot))
        self._moved[slot] = machine.next_ms

    def advance(self, machines: Sequence[Machine], until_ms: int) -> list[int]:
        """Advance the machines that have an event up to a time, and return their slots."""
        advanced = []
        while self.next_ms <= until_ms:
            at_ms, slot = heappop(self._times)
            if self._moved and self._moved.get(slot, at_ms) != at_ms:
                continue
            machines[slot].advance_to(until_ms)
            heappush(self._times, (machines[slot].next_ms, slot))
            if slot in self._moved:
                self._moved[slot] = machines[slot].next_ms
            advanced.append(slot)
        return advanced

    def subset(self, slots: Container[int]) -> WakeUps:
        """Return those of some of the machines."""
        subset = WakeUps()
        subset._times = sorted(each for each in self._times if each[1] in slots)
        subset._moved = self._moved.copy()
        return subset
