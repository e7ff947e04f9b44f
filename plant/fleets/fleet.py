"""All machines of one type, and the messages that they emit.

Where jobs may be shorter than the period of regular messages, each finished job is reported by a message of its own.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from plant.definition.machine_types.machine_type import MachineType
from plant.definition.plant_config import PlantConfig
from plant.fleets.phase_ring import PhaseRing
from plant.machines.jobs import NO_JOB
from plant.machines.machine import Machine, phase
from plant.machines.machine_type_runtime import TRACE, MachineTypeRuntime
from plant.machines.states import NEVER
from plant.machines.timestamp_prefix import TimestampPrefix
from plant.oee_accounting import OeeAccounts, Span
from plant.random_stream import RandomStream
from plant.telemetry import JobMessage, KindOee, MachineOee, MachineTypeInfo, Message

_new_tuple: Final = tuple.__new__  # takes half the time of Message(...)


class DueMessage(NamedTuple):
    """A message that is due. jobs_only: it is emitted only if a finished job is not reported yet."""

    time_ms: int
    type_number: int
    number: int
    machine: Machine
    jobs_only: bool


class Fleet:
    """All machines of one type, with the schedule of their messages.

    key, machine_type: the type, and its key.  machines: by number.  message_count: messages so far.
    results: reported jobs, counted by result.
    shard: (k, n) for the k-th of n parts, which has the machines k, k + n, k + 2n ...
    """

    __slots__ = (
        "_counts_of_removed",
        "_first_number",
        "_is_configured",
        "_number_step",
        "_ring",
        "_seed",
        "_timestamp_prefix",
        "_wake_ups",
        "accounts",
        "key",
        "machine_type",
        "machines",
        "message_count",
        "results",
    )  # fmt: skip

    def __init__(self, machine_type: MachineType, seed: int | str, shard: tuple[int, int] = (1, 1)) -> None:
        self.key, self.machine_type, self._seed = machine_type.key, machine_type, seed
        self._first_number, self._number_step = shard
        self.accounts = OeeAccounts(shards=self._number_step, good=machine_type.good)
        self.machines: list[Machine] = []
        self.results: Counter[str] = Counter()
        self.message_count = 0
        self._ring = PhaseRing((), 1.0, 0, 0)
        self._is_configured = False  # of the type: a shard may have no machine of it yet
        self._wake_ups: list[tuple[int, int, Machine]] = []
        self._counts_of_removed: dict[int, int] = {}  # a later reload may add them again
        self._timestamp_prefix = _timestamp_prefix(machine_type)

    @property
    def next_ms(self) -> int:
        """The next time at which a message may be due; NEVER without machines."""
        return min(self._ring.next_ms, self._wake_ups[0][0] if self._wake_ups else NEVER)

    @property
    def reports_each_job(self) -> bool:
        """Whether each finished job gets a message of its own."""
        return bool(self.machines) and self.machines[0].runtime.reports_each_job

    @property
    def max_events_per_second(self) -> float:
        """An upper bound on the messages, jobs and stays of its machines per second of plant time."""
        if not self.machines:
            return 0.0
        runtime = self.machines[0].runtime
        stays_ms = min(state.dwell_ms for state in runtime.states.values())
        intervals_ms = runtime.period_ms, runtime.jobs.ideal_ms or NEVER, stays_ms
        return sum(1000 * len(self.machines) / each_ms for each_ms in intervals_ms)

    def apply(self, config: PlantConfig, now_ms: int, *, coupled: bool = False) -> None:
        """Apply a configuration from now on: machines that stay keep their job and counters.

        They keep their state, too, unless shares or dwell times of the type's states change: then it is drawn again.
        coupled: an event queue advances the machines, and uses `schedule` and `message` instead of `messages_until`.
        """
        specified = {key: (machine_type, count) for key, machine_type, count in config.machines()}
        machine_type, count = specified.get(self.key, (None, 0))
        numbers = range(self._first_number, count + 1, self._number_step)
        self._remove(self.machines[len(numbers) :], now_ms)
        self.accounts.resize(max(numbers, default=-1))
        if machine_type:
            self._timestamp_prefix = _timestamp_prefix(machine_type)
            self.machine_type, self.accounts.good = machine_type, machine_type.good
            runtime = MachineTypeRuntime(machine_type, config, self.results, self.accounts)
            self._apply_runtime(runtime, numbers, now_ms, coupled=coupled)
        else:
            self.machines, self._wake_ups, self._ring = [], [], PhaseRing((), 1.0, now_ms, now_ms)
        self._is_configured = machine_type is not None

    def subset(self, most: int, now_ms: int) -> Fleet:
        """Return a fleet of some of the machines, spread evenly; it shares the machines and the accounts."""
        subset, machines = copy.copy(self), self.machines[:: len(self.machines) // most + 1]
        chosen = set(machines)
        wake_ups = [wake_up for wake_up in self._wake_ups if wake_up[2] in chosen]
        heapify(wake_ups)
        subset.replace_machines(machines, self._ring.with_machines(machines, now_ms), wake_ups)
        return subset

    def replace_machines(
        self, machines: list[Machine], ring: PhaseRing, wake_ups: list[tuple[int, int, Machine]]
    ) -> None:
        """Replace the machines, with their ring and wake-ups."""
        self.machines, self._ring, self._wake_ups = machines, ring, wake_ups

    def messages_until(self, until_ms: int) -> list[Message]:
        """Return every message due up to a time, in order of time and machine number."""
        messages = self._messages_with_wake_ups(until_ms) if self._wake_ups else self._regular_messages(until_ms)
        self.message_count += len(messages)
        return messages

    def schedule(self, until_ms: int) -> Iterator[DueMessage]:
        """Remove and yield what is due up to a time, in order of time, to be passed to `message`.

        Not included are the messages of single jobs, which are due when the jobs finish.
        """
        while self._wake_ups and self._wake_ups[0][0] <= until_ms:
            wake_ms, number, machine = heappop(self._wake_ups)
            yield from self._schedule_regular(wake_ms - 1)
            yield DueMessage(wake_ms, self.machine_type.number, number, machine, jobs_only=True)
        yield from self._schedule_regular(until_ms)

    def message(self, machine: Machine, time_ms: int, *, jobs_only: bool = False) -> Message:
        """Return the message of a machine that has advanced to that time. jobs_only: it reports a finished job."""
        self.message_count += 1
        return self._message_at(machine, time_ms, JobMessage if jobs_only else Message)

    def advance_to(self, until_ms: int) -> None:
        """Advance all machines to a time; no message is lost by that."""
        for machine in self.machines:
            machine.advance_to(until_ms)

    def skip_to(self, until_ms: int) -> None:
        """Advance all machines to a time, and drop the messages up to it."""
        self.advance_to(until_ms)
        for last_ms, machine in self._ring.skip_to(until_ms):
            machine.discard_message(last_ms)
        passed = [wake_up for wake_up in self._wake_ups if wake_up[0] <= until_ms]
        for wake_ms, _, machine in passed:
            machine.discard_message(until_ms if machine.runtime.reports_each_job else wake_ms)
        rescheduled = [
            (machine.next_ms, number, machine) for _, number, machine in passed if machine.runtime.reports_each_job
        ]
        self._wake_ups = rescheduled + [wake_up for wake_up in self._wake_ups if wake_up[0] > until_ms]
        heapify(self._wake_ups)

    def close_accounts(self, now_ms: int) -> None:
        """End the current stay of each machine; they have advanced to now."""
        for machine in self.machines:
            self.accounts.end_stay(machine, now_ms)

    def describe(self) -> MachineTypeInfo:
        """Return the keys of its messages, and the results that count as good."""
        fields = {field.path: field.source.role for field in (*self.machine_type.main.fields, TRACE)}
        return MachineTypeInfo(self.key, fields, sorted(self.machine_type.good))

    def oee(self, span: Span, now_ms: int) -> list[MachineOee]:
        """Return the OEE figures of each machine; they have advanced to now."""
        return [machine.oee(span, now_ms) for machine in self.machines]

    def oee_of_all(self, span: Span, now_ms: int) -> list[KindOee]:
        """Return the sum of all machines, or an empty list without machines; they have advanced to now."""
        return [self.oee_of(self.machines, span, now_ms)] if self.machines else []

    def oee_of(self, machines: Sequence[Machine], span: Span, now_ms: int) -> KindOee:
        """Return the sum of machines that follow each other by number; they have advanced to now."""
        producing = machines[0].runtime.machine_type.producing_state
        figures = self.accounts.total(machines, producing, span, now_ms)
        return KindOee(*figures, self.key, len(machines))

    def _remove(self, machines: Sequence[Machine], now_ms: int) -> None:
        for machine in machines:
            machine.advance_to(now_ms)
            self.accounts.end_stay(machine, now_ms)
            self._counts_of_removed[machine.number] = machine.message_count

    def _apply_runtime(self, runtime: MachineTypeRuntime, numbers: range, now_ms: int, *, coupled: bool) -> None:
        slower = bool(self.machines) and runtime.period_ms > self.machines[0].runtime.period_ms
        kept = self.machines[: len(numbers)]
        redraws = bool(kept) and kept[0].runtime.state_mix != runtime.state_mix
        for machine in kept:
            machine.advance_to(now_ms)
            machine.apply_runtime(runtime)
            if redraws:
                machine.redraw_state(now_ms)
        self.machines = kept + self._create(runtime, numbers[len(kept) :], now_ms)
        if not (self._is_configured and self._ring.matches(self.machines, runtime.period_ms)):
            anchor_ms = self._ring.anchor_for(runtime.period_ms, now_ms) if self._is_configured else now_ms
            self._ring = PhaseRing(self.machines, runtime.period_ms, anchor_ms, now_ms)
        self._wake_ups = [*self._wake_ups_of(runtime, now_ms, slower=slower, coupled=coupled)]
        heapify(self._wake_ups)

    def _create(self, runtime: MachineTypeRuntime, numbers: Sequence[int], now_ms: int) -> list[Machine]:
        """Return new machines by number, created in the order of the ring, which is then their order in memory.

        With 100,000 machines that makes a message a third cheaper.
        """
        phases = {number: phase(RandomStream(self._seed, runtime.machine_id(number))) for number in numbers}
        in_ring_order = sorted(numbers, key=phases.__getitem__)
        created = {number: Machine(runtime, number, self._seed, now_ms) for number in in_ring_order}
        for number in numbers:
            created[number].message_count = self._counts_of_removed.pop(number, 0)
        return [created[number] for number in numbers]

    def _wake_ups_of(
        self, runtime: MachineTypeRuntime, now_ms: int, *, slower: bool, coupled: bool
    ) -> Iterator[tuple[int, int, Machine]]:
        """Yield the wake-ups of machines: time, number, machine.

        Machines that report each job wake at each event, unless an event queue advances them. Others wake only where
        the period has become longer and a finished job is not reported yet: it is reported at once, because the next
        job might finish before the next regular message.
        """
        for machine in self.machines:
            if runtime.reports_each_job and not coupled:
                yield machine.next_ms, machine.number, machine
            elif slower and not runtime.reports_each_job and machine.finished is not NO_JOB:
                yield now_ms + 1, machine.number, machine

    def _schedule_regular(self, until_ms: int) -> Iterator[DueMessage]:
        for began_ms, machines, offsets_ms in self._ring.pop_until(until_ms):
            for machine, offset_ms in zip(machines, offsets_ms, strict=True):
                time_ms = began_ms + offset_ms
                yield DueMessage(time_ms, self.machine_type.number, machine.number, machine, jobs_only=False)

    def _regular_messages(self, until_ms: int) -> list[Message]:
        """Return the regular messages of whole and partial laps.

        The body of `_message_at` is written out here: this loop decides the throughput of the plant.
        """
        messages: list[Message] = []
        key, second_ms, until_second, milliseconds = self.key, NEVER, b"", self._timestamp_prefix.milliseconds
        for began_ms, machines, offsets_ms in self._ring.pop_until(until_ms):
            body = machines[0].runtime.encode_body
            for machine, offset_ms in zip(machines, offsets_ms, strict=True):
                time_ms = began_ms + offset_ms
                while machine.next_ms <= time_ms:
                    machine.step()
                ms = time_ms - second_ms
                if not 0 <= ms < 1000:
                    second, ms = divmod(time_ms, 1000)
                    second_ms, until_second = time_ms - ms, self._timestamp_prefix.second(second)
                payload = until_second + milliseconds[ms] + (machine.body or body(machine, time_ms))
                machine.message_count = count = machine.message_count + 1
                messages.append(_new_tuple(Message, (key, machine.id, machine.station, time_ms, count, payload)))
        return messages

    def _messages_with_wake_ups(self, until_ms: int) -> list[Message]:
        messages = []
        while self._wake_ups and self._wake_ups[0][0] <= until_ms:
            wake_ms, _, machine = heappop(self._wake_ups)
            messages += self._regular_messages(wake_ms - 1)
            messages += self._extra_messages(machine, wake_ms)
        messages += self._regular_messages(until_ms)
        return sorted(messages, key=_order_key)

    def _extra_messages(self, machine: Machine, time_ms: int) -> list[Message]:
        messages = [self._message_at(machine, time_ms, JobMessage)] if machine.finished is not NO_JOB else []
        while machine.next_ms <= time_ms:
            machine.step()
            if machine.finished is not NO_JOB:
                messages.append(self._message_at(machine, time_ms, JobMessage))
        if machine.runtime.reports_each_job:
            heappush(self._wake_ups, (machine.next_ms, machine.number, machine))
        return messages

    def _message_at(self, machine: Machine, time_ms: int, form: type[Message]) -> Message:
        machine.message_count += 1
        payload = self._timestamp_prefix(time_ms) + (machine.body or machine.runtime.encode_body(machine, time_ms))
        return form(self.key, machine.id, machine.station, time_ms, machine.message_count, payload)


def _timestamp_prefix(machine_type: MachineType) -> TimestampPrefix:
    return TimestampPrefix(machine_type.main.timestamp, machine_type.main.form)


def _order_key(message: Message) -> tuple[int, int, str]:
    """Sort by time, then by machine number: ids are padded to two digits, so longer ones have greater numbers."""
    return message.time_ms, len(message.source), message.source
