"""What is due: a ring of machines for each type, whose order never changes because they share a period.

Lap L of a ring begins at anchor + int(L * period); a machine's row is due its own offset of 1 to int(period)
milliseconds later. Choosing what is due is one bisection a lap, for 22 machines and for 100,000.
A type is crowded when its jobs may be shorter than its period: then a job is reported by an extra row as it finishes.
"""

from __future__ import annotations

import copy
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from operator import attrgetter
from typing import Final, NamedTuple

from plant.definition.machine_type import MachineType
from plant.definition.plant_config import PlantConfig
from plant.machines.jobs import NO_JOB
from plant.machines.machine import NEVER, Machine, MachineTypeRuntime, phase
from plant.oee_accounting import OeeAccounts, Span
from plant.random_stream import RandomStream
from plant.telemetry import JobMessage, KindOee, MachineOee, Message

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS: Final = tuple(b"%02d:%02d" % divmod(second, 60) for second in range(3600))
MILLISECONDS: Final = tuple(b'.%03dZ",' % ms for ms in range(1000))
"""The rest of a row's beginning."""

_message: Final = tuple.__new__  # half the time that Message(...) takes


class RowStart:
    """Writes the beginning of a row, `{"timestamp":"2026-01-31T14:22:05.250Z",`, and remembers the hour."""

    __slots__ = ("_from", "_hour")

    def __init__(self) -> None:
        self._from = NEVER
        self._hour = b""

    def __call__(self, time_ms: int) -> bytes:
        """The beginning of a row of that time."""
        second, ms = divmod(time_ms, 1000)
        return self.second(second) + MILLISECONDS[ms]

    def second(self, second: int) -> bytes:
        """The beginning up to the second, of those since 1970."""
        if not 0 <= second - self._from < len(_SECONDS):
            self._from = second - second % len(_SECONDS)
            self._hour = f'{{"timestamp":"{EPOCH + timedelta(seconds=self._from):%Y-%m-%dT%H}:'.encode()
        return self._hour + _SECONDS[second - self._from]


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

    def due(self, until_ms: int) -> Iterator[tuple[int, Sequence[Machine], Sequence[int]]]:
        """Takes what is due from the ring: in order, the beginning of a lap with its machines and their offsets."""
        while self.next_ms <= until_ms:
            last = bisect_right(self._offsets, until_ms - self._began_ms, self._at)
            yield self._began_ms, self.machines[self._at : last], self._offsets[self._at : last]
            self._go_to(last)

    def goes_on(self, machines: Sequence[Machine], period_ms: float) -> bool:
        """Whether it is the ring of these machines, by number, with this period."""
        return period_ms == self._period_ms and machines == sorted(self.machines, key=attrgetter("number"))

    def skip(self, until_ms: int) -> Iterator[tuple[int, Machine]]:
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


class Due(NamedTuple):
    """A row to be said; `jobs_only`: nothing need be said unless a finished job waits for it."""

    time_ms: int
    type_number: int
    number: int
    machine: Machine
    jobs_only: bool


class Fleet:
    """All machines of one type, and what they say when.

    `machines` is in the order of their numbers; `rows` counts the messages, `results` the reported jobs by result.
    shard: (k, n) for the k-th of n parts, which has the machines k, k + n, k + 2n ...
    """

    __slots__ = (
        "_begin", "_first", "_laps", "_ring", "_said_before", "_seed", "_step", "_wakes", "books", "declared",
        "machines", "results", "rows",
    )  # fmt: skip

    def __init__(self, declared: MachineType, seed: int | str, shard: tuple[int, int] = (1, 1)) -> None:
        self.declared, self._seed = declared, seed
        self._first, self._step = shard
        self.books = OeeAccounts(shards=self._step)
        self.machines: list[Machine] = []
        self.results: Counter[str] = Counter()
        self.rows = 0
        self._ring = PhaseRing((), 1.0, 0, 0)
        self._laps = False  # of the type: a shard may have no machine of it yet
        self._wakes: list[tuple[int, int, Machine]] = []
        self._said_before: dict[int, int] = {}  # rows of machines that are gone, should they come back
        self._begin = RowStart()

    @property
    def next_ms(self) -> int:
        """When a row may be due next; NEVER without machines."""
        return min(self._ring.next_ms, self._wakes[0][0] if self._wakes else NEVER)

    @property
    def crowded(self) -> bool:
        """Whether the machines report jobs in extra rows."""
        return bool(self.machines) and self.machines[0].model.crowded

    @property
    def most_events_a_second(self) -> float:
        """A bound on its machines' rows, jobs and stays: what a stretch of time may cost."""
        if not self.machines:
            return 0.0
        model = self.machines[0].model
        stays_ms = min(state.dwell_ms for state in model.states.values())
        longest_ms = model.period_ms, model.jobs.ideal_ms, stays_ms
        return sum(1000 * len(self.machines) / each_ms for each_ms in longest_ms)

    def tune(self, config: PlantConfig, now_ms: int, *, coupled: bool = False) -> None:
        """Follow a structure from now on: machines that stay keep their job and counters.

        Their state, too, unless the type's states have other shares or stays: then each is drawn anew.
        coupled: the machines live as others tell them to, so that `schedule` and `row` stand in for `due`.
        """
        specified = {key: (spec, count) for key, spec, count in config.machines()}
        spec, count = specified.get(self.declared.key, (None, 0))
        numbers = range(self._first, count + 1, self._step)
        self._dismiss(self.machines[len(numbers) :], now_ms)
        self.books.resize(max(numbers, default=-1))
        if spec:
            model = MachineTypeRuntime(self.declared, config, spec, self.results, self.books)
            self._follow(model, numbers, now_ms, coupled=coupled)
        else:
            self.machines, self._wakes, self._ring = [], [], PhaseRing((), 1.0, now_ms, now_ms)
        self._laps = spec is not None

    def sample(self, most: int, now_ms: int) -> Fleet:
        """Some of its machines, spread over all, as a fleet: the machines and the books are the same."""
        few, machines = copy.copy(self), self.machines[:: len(self.machines) // most + 1]
        chosen = set(machines)
        wakes = [wake for wake in self._wakes if wake[2] in chosen]
        heapify(wakes)
        few.take(machines, self._ring.of(machines, now_ms), wakes)
        return few

    def take(self, machines: list[Machine], ring: PhaseRing, wakes: list[tuple[int, int, Machine]]) -> None:
        """Have these machines, their ring and their wakes, in place of its own."""
        self.machines, self._ring, self._wakes = machines, ring, wakes

    def due(self, until_ms: int) -> list[Message]:
        """Every row due up to a time, in order of time and machine number."""
        rows = self._woken(until_ms) if self._wakes else self._regular(until_ms)
        self.rows += len(rows)
        return rows

    def schedule(self, until_ms: int) -> Iterator[Due]:
        """Takes what is due from the fleet, in order of time, for `row`. Extra rows of crowded types are not in it."""
        while self._wakes and self._wakes[0][0] <= until_ms:
            wake_ms, number, machine = heappop(self._wakes)
            yield from self._regularly(wake_ms - 1)
            yield Due(wake_ms, self.declared.number, number, machine, jobs_only=True)
        yield from self._regularly(until_ms)

    def row(self, machine: Machine, time_ms: int, *, jobs_only: bool = False) -> Message:
        """What a machine says at a time up to which it has lived; `jobs_only`: because a job has finished."""
        self.rows += 1
        return self._row(machine, time_ms, JobMessage if jobs_only else Message)

    def live(self, until_ms: int) -> None:
        """Live up to a time; nothing is said."""
        for machine in self.machines:
            machine.live(until_ms)

    def pass_over(self, until_ms: int) -> None:
        """Live up to a time; nothing is said of it."""
        self.live(until_ms)
        for last_ms, machine in self._ring.skip(until_ms):
            machine.unsaid(last_ms)
        passed = [wake for wake in self._wakes if wake[0] <= until_ms]
        for wake_ms, _, machine in passed:
            machine.unsaid(until_ms if machine.model.crowded else wake_ms)
        again = [(machine.next_ms, number, machine) for _, number, machine in passed if machine.model.crowded]
        self._wakes = again + [wake for wake in self._wakes if wake[0] > until_ms]
        heapify(self._wakes)

    def close_books(self, now_ms: int) -> None:
        """End the stays that go on; the machines have lived up to now."""
        for machine in self.machines:
            self.books.leave(machine, now_ms)

    def oee(self, span: Span, now_ms: int) -> list[MachineOee]:
        """What came of each machine's time up to now, to which they have lived."""
        return [machine.oee(span, now_ms) for machine in self.machines]

    def oee_of_all(self, span: Span, now_ms: int) -> list[KindOee]:
        """The sum of all machines, if there are any; they have lived up to now."""
        return [self.oee_of(self.machines, span, now_ms)] if self.machines else []

    def oee_of(self, machines: Sequence[Machine], span: Span, now_ms: int) -> KindOee:
        """The sum of machines that follow each other by number; they have lived up to now."""
        producing = machines[0].model.spec.producing_state
        figures = self.books.total(machines, producing, span, now_ms)
        return KindOee(*figures, self.declared.key, len(machines))

    def _dismiss(self, machines: Sequence[Machine], now_ms: int) -> None:
        for machine in machines:
            machine.live(now_ms)
            self.books.leave(machine, now_ms)
            self._said_before[machine.number] = machine.rows

    def _follow(self, model: MachineTypeRuntime, numbers: range, now_ms: int, *, coupled: bool) -> None:
        slower = bool(self.machines) and model.period_ms > self.machines[0].model.period_ms
        kept = self.machines[: len(numbers)]
        anew = bool(kept) and kept[0].model.mix != model.mix
        for machine in kept:
            machine.live(now_ms)
            machine.adopt(model)
            if anew:
                machine.mix_anew(now_ms)
        self.machines = kept + self._made(model, numbers[len(kept) :], now_ms)
        if not (self._laps and self._ring.goes_on(self.machines, model.period_ms)):
            anchor_ms = self._ring.anchor_for(model.period_ms, now_ms) if self._laps else now_ms
            self._ring = PhaseRing(self.machines, model.period_ms, anchor_ms, now_ms)
        self._wakes = [*self._wakes_of(model, now_ms, slower=slower, coupled=coupled)]
        heapify(self._wakes)

    def _made(self, model: MachineTypeRuntime, numbers: Sequence[int], now_ms: int) -> list[Machine]:
        """New machines by number, but made in the order of the ring: neighbours there are then so in memory.

        At 100,000 machines that makes a row a third cheaper.
        """
        phases = {number: phase(RandomStream(self._seed, model.machine_id(number))) for number in numbers}
        around = sorted(numbers, key=phases.__getitem__)
        made = {number: Machine(model, number, self._seed, now_ms) for number in around}
        for number in numbers:
            made[number].rows = self._said_before.pop(number, 0)
        return [made[number] for number in numbers]

    def _wakes_of(
        self, model: MachineTypeRuntime, now_ms: int, *, slower: bool, coupled: bool
    ) -> Iterator[tuple[int, int, Machine]]:
        """Crowded machines wake at each event, if nobody else sees to that.

        Others only where rows come more seldom than before and a job waits for its own: it gets one at once, as the
        next job might finish before the next regular row.
        """
        for machine in self.machines:
            if model.crowded and not coupled:
                yield machine.next_ms, machine.number, machine
            elif slower and not model.crowded and machine.finished is not NO_JOB:
                yield now_ms + 1, machine.number, machine

    def _regularly(self, until_ms: int) -> Iterator[Due]:
        for began_ms, machines, offsets_ms in self._ring.due(until_ms):
            for machine, offset_ms in zip(machines, offsets_ms, strict=True):
                time_ms = began_ms + offset_ms
                yield Due(time_ms, self.declared.number, machine.number, machine, jobs_only=False)

    def _regular(self, until_ms: int) -> list[Message]:
        """The rows of whole laps and parts of them. It is `_row` written out: the loop that the throughput hangs on."""
        rows: list[Message] = []
        key, second_ms, until_second = self.declared.key, NEVER, b""
        for began_ms, machines, offsets_ms in self._ring.due(until_ms):
            body = machines[0].model.body
            for machine, offset_ms in zip(machines, offsets_ms, strict=True):
                time_ms = began_ms + offset_ms
                while machine.next_ms <= time_ms:
                    machine.step()
                ms = time_ms - second_ms
                if not 0 <= ms < 1000:
                    second, ms = divmod(time_ms, 1000)
                    second_ms, until_second = time_ms - ms, self._begin.second(second)
                payload = until_second + MILLISECONDS[ms] + (machine.body or body(machine, time_ms))
                machine.rows = count = machine.rows + 1
                rows.append(_message(Message, (key, machine.id, machine.station, time_ms, count, payload)))
        return rows

    def _woken(self, until_ms: int) -> list[Message]:
        rows = []
        while self._wakes and self._wakes[0][0] <= until_ms:
            wake_ms, _, machine = heappop(self._wakes)
            rows += self._regular(wake_ms - 1)
            rows += self._extra(machine, wake_ms)
        rows += self._regular(until_ms)
        return sorted(rows, key=_in_order)

    def _extra(self, machine: Machine, time_ms: int) -> list[Message]:
        rows = [self._row(machine, time_ms, JobMessage)] if machine.finished is not NO_JOB else []
        while machine.next_ms <= time_ms:
            machine.step()
            if machine.finished is not NO_JOB:
                rows.append(self._row(machine, time_ms, JobMessage))
        if machine.model.crowded:
            heappush(self._wakes, (machine.next_ms, machine.number, machine))
        return rows

    def _row(self, machine: Machine, time_ms: int, form: type[Message]) -> Message:
        machine.rows += 1
        payload = self._begin(time_ms) + (machine.body or machine.model.body(machine, time_ms))
        return form(self.declared.key, machine.id, machine.station, time_ms, machine.rows, payload)


def _in_order(row: Message) -> tuple[int, int, str]:
    """By time, then by machine number: ids are padded to two digits, so longer ones have greater numbers."""
    return row.time_ms, len(row.source), row.source
