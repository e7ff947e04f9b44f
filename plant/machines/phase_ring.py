"""When the machines of one type report: a ring, whose order never changes because they share a period.

Lap L of a ring begins at anchor + int(L * period); a machine's message is due its own offset of 1 to int(period)
milliseconds later. Finding what is due is one bisection a lap, for 22 machines and for 100,000.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter

from plant.machines.machine import Machine, phase
from plant.machines.states import NEVER


class PhaseRing:
    """Machines of one period in the order of their offsets, and where in its laps the ring is.

    `next_ms` is the next deadline: the first after `now_ms`.
    """

    __slots__ = (
        "_anchor_ms", "_at", "_began_ms", "_lap", "_offsets", "_period_ms", "machines", "next_ms",
    )  # fmt: skip

    def __init__(self, machines: Sequence[Machine], period_ms: float, anchor_ms: int, now_ms: int) -> None:
        self._period_ms, self._anchor_ms = period_ms, anchor_ms
        for machine in machines:
            machine.offset_ms = 1 + int(phase(machine.stream) * int(period_ms))
        self.machines = sorted(machines, key=lambda machine: (machine.offset_ms, machine.number))
        # An array, because the numbers then lie side by side in memory, not one at each machine.
        self._offsets = array("q", (machine.offset_ms for machine in self.machines))
        self._seek(now_ms)

    def take_until(self, until_ms: int) -> Iterator[tuple[int, Sequence[Machine], Sequence[int]]]:
        """Takes what is due from the ring: in order, the beginning of a lap with its machines and their offsets."""
        while self.next_ms <= until_ms:
            last = bisect_right(self._offsets, until_ms - self._began_ms, self._at)
            yield self._began_ms, self.machines[self._at : last], self._offsets[self._at : last]
            self._go_to(last)

    def matches(self, machines: Sequence[Machine], period_ms: float) -> bool:
        """Whether it is the ring of these machines, by number, with this period."""
        return period_ms == self._period_ms and machines == sorted(self.machines, key=attrgetter("number"))

    def skip_to(self, until_ms: int) -> Iterator[tuple[int, Machine]]:
        """Passes over what is due: each machine concerned, with its last deadline."""
        first = self._lap, self._at
        self._seek(until_ms)
        for place, machine in enumerate(self.machines):
            lap = self._lap if place < self._at else self._lap - 1
            if (lap, place) >= first:
                yield self._begins_ms(lap) + machine.offset_ms, machine

    def of(self, machines: Sequence[Machine], now_ms: int) -> PhaseRing:
        """The same ring with other machines."""
        return PhaseRing(machines, self._period_ms, self._anchor_ms, now_ms)

    def anchor_for(self, period_ms: float, now_ms: int) -> int:
        """The anchor of the ring that follows this one: the same period keeps it, another its point of the lap."""
        if period_ms == self._period_ms:
            return self._anchor_ms
        return now_ms - int((now_ms - self._anchor_ms) / self._period_ms % 1 * period_ms)

    def _seek(self, now_ms: int) -> None:
        self._lap = int((now_ms - self._anchor_ms) / self._period_ms)
        # The division may be off by the last digit; what counts is where laps begin.
        self._lap += (self._begins_ms(self._lap + 1) <= now_ms) - (self._begins_ms(self._lap) > now_ms)
        self._began_ms = self._begins_ms(self._lap)
        self._go_to(bisect_right(self._offsets, now_ms - self._began_ms))

    def _go_to(self, place: int) -> None:
        self._at = place
        if place == len(self.machines):
            self._lap, self._at = self._lap + 1, 0
            self._began_ms = self._begins_ms(self._lap)
        self.next_ms = self._began_ms + self._offsets[self._at] if self.machines else NEVER

    def _begins_ms(self, lap: int) -> int:
        return self._anchor_ms + int(lap * self._period_ms)
