"""All machines of one type, and the messages that they emit.

A type is crowded when its jobs may be shorter than its period: then each finished job is reported by an extra message.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from plant.definition.machine_type import MachineType
from plant.definition.plant_config import PlantConfig
from plant.machines.jobs import NO_JOB
from plant.machines.machine import Machine, phase
from plant.machines.machine_type_runtime import TRACE, MachineTypeRuntime
from plant.machines.phase_ring import PhaseRing
from plant.machines.states import NEVER
from plant.machines.timestamp_prefix import MILLISECONDS, TimestampPrefix
from plant.oee_accounting import OeeAccounts, Span
from plant.random_stream import RandomStream
from plant.telemetry import JobMessage, KindOee, MachineOee, MachineTypeView, Message

_message: Final = tuple.__new__  # half the time that Message(...) takes


class DueMessage(NamedTuple):
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
        "_begin",
        "_first",
        "_laps",
        "_ring",
        "_seed",
        "_sequences",
        "_step",
        "_wake_ups",
        "accounts",
        "declared",
        "machines",
        "results",
        "rows",
    )  # fmt: skip

    def __init__(self, declared: MachineType, seed: int | str, shard: tuple[int, int] = (1, 1)) -> None:
        self.declared, self._seed = declared, seed
        self._first, self._step = shard
        self.accounts = OeeAccounts(shards=self._step, good=declared.good)
        self.machines: list[Machine] = []
        self.results: Counter[str] = Counter()
        self.rows = 0
        self._ring = PhaseRing((), 1.0, 0, 0)
        self._laps = False  # of the type: a shard may have no machine of it yet
        self._wake_ups: list[tuple[int, int, Machine]] = []
        self._sequences: dict[int, int] = {}  # rows of machines that are gone, should they come back
        self._begin = TimestampPrefix()

    @property
    def next_ms(self) -> int:
        """When a row may be due next; NEVER without machines."""
        return min(self._ring.next_ms, self._wake_ups[0][0] if self._wake_ups else NEVER)

    @property
    def crowded(self) -> bool:
        """Whether the machines report jobs in extra rows."""
        return bool(self.machines) and self.machines[0].runtime.crowded

    @property
    def max_events_per_second(self) -> float:
        """A bound on its machines' rows, jobs and stays: what a stretch of time may cost."""
        if not self.machines:
            return 0.0
        runtime = self.machines[0].runtime
        stays_ms = min(state.dwell_ms for state in runtime.states.values())
        longest_ms = runtime.period_ms, runtime.jobs.ideal_ms, stays_ms
        return sum(1000 * len(self.machines) / each_ms for each_ms in longest_ms)

    def apply(self, config: PlantConfig, now_ms: int, *, coupled: bool = False) -> None:
        """Follow a structure from now on: machines that stay keep their job and counters.

        Their state, too, unless the type's states have other shares or stays: then each is drawn anew.
        coupled: the machines live as others tell them to, so that `schedule` and `row` stand in for `messages_until`.
        """
        specified = {key: (spec, count) for key, spec, count in config.machines()}
        spec, count = specified.get(self.declared.key, (None, 0))
        numbers = range(self._first, count + 1, self._step)
        self._remove(self.machines[len(numbers) :], now_ms)
        self.accounts.resize(max(numbers, default=-1))
        if spec:
            runtime = MachineTypeRuntime(self.declared, config, spec, self.results, self.accounts)
            self._follow(runtime, numbers, now_ms, coupled=coupled)
        else:
            self.machines, self._wake_ups, self._ring = [], [], PhaseRing((), 1.0, now_ms, now_ms)
        self._laps = spec is not None

    def sample(self, most: int, now_ms: int) -> Fleet:
        """Some of its machines, spread over all, as a fleet: the machines and the books are the same."""
        few, machines = copy.copy(self), self.machines[:: len(self.machines) // most + 1]
        chosen = set(machines)
        wakes = [on_rescheduled for on_rescheduled in self._wake_ups if on_rescheduled[2] in chosen]
        heapify(wakes)
        few.take(machines, self._ring.of(machines, now_ms), wakes)
        return few

    def take(self, machines: list[Machine], ring: PhaseRing, wakes: list[tuple[int, int, Machine]]) -> None:
        """Have these machines, their ring and their wakes, in place of its own."""
        self.machines, self._ring, self._wake_ups = machines, ring, wakes

    def messages_until(self, until_ms: int) -> list[Message]:
        """Every row due up to a time, in order of time and machine number."""
        rows = self._messages_with_wake_ups(until_ms) if self._wake_ups else self._regular_messages(until_ms)
        self.rows += len(rows)
        return rows

    def schedule(self, until_ms: int) -> Iterator[DueMessage]:
        """Takes what is due from the fleet, in order of time, for `row`. Extra rows of crowded types are not in it."""
        while self._wake_ups and self._wake_ups[0][0] <= until_ms:
            wake_ms, number, machine = heappop(self._wake_ups)
            yield from self._schedule_regular(wake_ms - 1)
            yield DueMessage(wake_ms, self.declared.number, number, machine, jobs_only=True)
        yield from self._schedule_regular(until_ms)

    def row(self, machine: Machine, time_ms: int, *, jobs_only: bool = False) -> Message:
        """What a machine says at a time up to which it has lived; `jobs_only`: because a job has finished."""
        self.rows += 1
        return self._row(machine, time_ms, JobMessage if jobs_only else Message)

    def advance_to(self, until_ms: int) -> None:
        """Live up to a time; nothing is said."""
        for machine in self.machines:
            machine.advance_to(until_ms)

    def skip_to(self, until_ms: int) -> None:
        """Live up to a time; nothing is said of it."""
        self.advance_to(until_ms)
        for last_ms, machine in self._ring.skip_to(until_ms):
            machine.discard_message(last_ms)
        passed = [on_rescheduled for on_rescheduled in self._wake_ups if on_rescheduled[0] <= until_ms]
        for wake_ms, _, machine in passed:
            machine.discard_message(until_ms if machine.runtime.crowded else wake_ms)
        again = [(machine.next_ms, number, machine) for _, number, machine in passed if machine.runtime.crowded]
        self._wake_ups = again + [on_rescheduled for on_rescheduled in self._wake_ups if on_rescheduled[0] > until_ms]
        heapify(self._wake_ups)

    def close_accounts(self, now_ms: int) -> None:
        """End the stays that go on; the machines have lived up to now."""
        for machine in self.machines:
            self.accounts.leave(machine, now_ms)

    def view(self) -> MachineTypeView:
        """Return what those who process its messages have to know, whatever the configuration."""
        fields = {name: source.role for name, source in {**self.declared.fields, **TRACE}.items()}
        return MachineTypeView(self.declared.key, fields, sorted(self.declared.good))

    def oee(self, span: Span, now_ms: int) -> list[MachineOee]:
        """What came of each machine's time up to now, to which they have lived."""
        return [machine.oee(span, now_ms) for machine in self.machines]

    def oee_of_all(self, span: Span, now_ms: int) -> list[KindOee]:
        """The sum of all machines, if there are any; they have lived up to now."""
        return [self.oee_of(self.machines, span, now_ms)] if self.machines else []

    def oee_of(self, machines: Sequence[Machine], span: Span, now_ms: int) -> KindOee:
        """The sum of machines that follow each other by number; they have lived up to now."""
        producing = machines[0].runtime.spec.producing_state
        figures = self.accounts.total(machines, producing, span, now_ms)
        return KindOee(*figures, self.declared.key, len(machines))

    def _remove(self, machines: Sequence[Machine], now_ms: int) -> None:
        for machine in machines:
            machine.advance_to(now_ms)
            self.accounts.leave(machine, now_ms)
            self._sequences[machine.number] = machine.rows

    def _follow(self, runtime: MachineTypeRuntime, numbers: range, now_ms: int, *, coupled: bool) -> None:
        slower = bool(self.machines) and runtime.period_ms > self.machines[0].runtime.period_ms
        kept = self.machines[: len(numbers)]
        anew = bool(kept) and kept[0].runtime.state_mix != runtime.state_mix
        for machine in kept:
            machine.advance_to(now_ms)
            machine.adopt(runtime)
            if anew:
                machine.redraw_state(now_ms)
        self.machines = kept + self._made(runtime, numbers[len(kept) :], now_ms)
        if not (self._laps and self._ring.matches(self.machines, runtime.period_ms)):
            anchor_ms = self._ring.anchor_for(runtime.period_ms, now_ms) if self._laps else now_ms
            self._ring = PhaseRing(self.machines, runtime.period_ms, anchor_ms, now_ms)
        self._wake_ups = [*self._wake_ups_of(runtime, now_ms, slower=slower, coupled=coupled)]
        heapify(self._wake_ups)

    def _made(self, runtime: MachineTypeRuntime, numbers: Sequence[int], now_ms: int) -> list[Machine]:
        """New machines by number, but made in the order of the ring: neighbours there are then so in memory.

        At 100,000 machines that makes a row a third cheaper.
        """
        phases = {number: phase(RandomStream(self._seed, runtime.machine_id(number))) for number in numbers}
        around = sorted(numbers, key=phases.__getitem__)
        made = {number: Machine(runtime, number, self._seed, now_ms) for number in around}
        for number in numbers:
            made[number].rows = self._sequences.pop(number, 0)
        return [made[number] for number in numbers]

    def _wake_ups_of(
        self, runtime: MachineTypeRuntime, now_ms: int, *, slower: bool, coupled: bool
    ) -> Iterator[tuple[int, int, Machine]]:
        """Crowded machines wake at each event, if nobody else sees to that.

        Others only where rows come more seldom than before and a job waits for its own: it gets one at once, as the
        next job might finish before the next regular row.
        """
        for machine in self.machines:
            if runtime.crowded and not coupled:
                yield machine.next_ms, machine.number, machine
            elif slower and not runtime.crowded and machine.finished is not NO_JOB:
                yield now_ms + 1, machine.number, machine

    def _schedule_regular(self, until_ms: int) -> Iterator[DueMessage]:
        for began_ms, machines, offsets_ms in self._ring.take_until(until_ms):
            for machine, offset_ms in zip(machines, offsets_ms, strict=True):
                time_ms = began_ms + offset_ms
                yield DueMessage(time_ms, self.declared.number, machine.number, machine, jobs_only=False)

    def _regular_messages(self, until_ms: int) -> list[Message]:
        """The rows of whole laps and parts of them. It is `_row` written out: the loop that the throughput hangs on."""
        rows: list[Message] = []
        key, second_ms, until_second = self.declared.key, NEVER, b""
        for began_ms, machines, offsets_ms in self._ring.take_until(until_ms):
            body = machines[0].runtime.body
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

    def _messages_with_wake_ups(self, until_ms: int) -> list[Message]:
        rows = []
        while self._wake_ups and self._wake_ups[0][0] <= until_ms:
            wake_ms, _, machine = heappop(self._wake_ups)
            rows += self._regular_messages(wake_ms - 1)
            rows += self._extra_messages(machine, wake_ms)
        rows += self._regular_messages(until_ms)
        return sorted(rows, key=_order_key)

    def _extra_messages(self, machine: Machine, time_ms: int) -> list[Message]:
        rows = [self._row(machine, time_ms, JobMessage)] if machine.finished is not NO_JOB else []
        while machine.next_ms <= time_ms:
            machine.step()
            if machine.finished is not NO_JOB:
                rows.append(self._row(machine, time_ms, JobMessage))
        if machine.runtime.crowded:
            heappush(self._wake_ups, (machine.next_ms, machine.number, machine))
        return rows

    def _row(self, machine: Machine, time_ms: int, form: type[Message]) -> Message:
        machine.rows += 1
        payload = self._begin(time_ms) + (machine.body or machine.runtime.body(machine, time_ms))
        return form(self.declared.key, machine.id, machine.station, time_ms, machine.rows, payload)


def _order_key(row: Message) -> tuple[int, int, str]:
    """By time, then by machine number: ids are padded to two digits, so longer ones have greater numbers."""
    return row.time_ms, len(row.source), row.source
