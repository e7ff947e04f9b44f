"""All machines of one type, and the messages that they emit."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from plant.definition.machine_types.machine_type import MachineType
from plant.definition.plant_config import PlantConfig
from plant.faults.fault_log import FaultLog
from plant.fleets.plain_reporter import PlainReporter
from plant.fleets.reporting import FOR_JOB, DueMessage, Reporting
from plant.machines.machine import Machine, phase
from plant.machines.machine_type_runtime import TypeRuntimes
from plant.machines.message_layout import TRACE
from plant.machines.states import NEVER
from plant.oee_accounting import OeeAccounts, Span
from plant.random_stream import RandomStream
from plant.shift_times import ShiftAt, no_shift
from plant.telemetry import KindOee, MachineOee, MachineTypeInfo, Message

if TYPE_CHECKING:
    from plant.signals.fleet_signals import FleetSignals

_kind_of: Final = attrgetter("kind")


class Fleet:
    """All machines of one type, with what makes their messages.

    key, machine_type: the type, and its key.  machines: by number.  message_counts: messages so far, by kind.
    results: reported jobs, counted by result.  alarm_counts: events of alarms, by alarm and event.
    faults: the episodes of its machines.  reporting: makes the messages; None unless the type is configured.
    shard: (k, n) for the k-th of n parts, which has the machines k, k + n, k + 2n ...  start_ms: of the run.
    """

    __slots__ = (
        "_counts_of_gone",
        "_first_number",
        "_is_configured",
        "_number_step",
        "_only_kind",
        "_seed",
        "_start_ms",
        "accounts",
        "alarm_counts",
        "faults",
        "key",
        "machine_type",
        "machines",
        "message_counts",
        "reporting",
        "results",
    )  # fmt: skip

    def __init__(
        self, machine_type: MachineType, seed: int | str, shard: tuple[int, int] = (1, 1), start_ms: int = 0
    ) -> None:
        self._start_ms = start_ms
        self.key, self.machine_type, self._seed = machine_type.key, machine_type, seed
        self._first_number, self._number_step = shard
        self._only_kind = _only_kind(machine_type)
        self.accounts = OeeAccounts(
            shards=self._number_step, good=machine_type.good, planned_stops=machine_type.planned_stops
        )
        self.faults = FaultLog(machine_type.key)
        self.machines: list[Machine] = []
        self.results: Counter[str] = Counter()
        self.alarm_counts: Counter[tuple[str, str]] = Counter()
        self.message_counts = dict.fromkeys((each.kind for each in machine_type.all_messages), 0)
        self.reporting: Reporting | None = None
        self._is_configured = False  # of the type: a shard may have no machine of it yet
        self._counts_of_gone: dict[tuple[str, int], int] = {}  # by class and machine; a later reload may add them again

    @property
    def next_ms(self) -> int:
        """The next time at which a message may be due; NEVER without machines."""
        return self.reporting.next_ms if self.reporting else NEVER

    @property
    def reports_events(self) -> bool:
        """Whether a message may be due at any event of a machine, such as each finished job."""
        return self.reporting is not None and self.reporting.reports_events

    @property
    def max_events_per_second(self) -> float:
        """An upper bound on the messages, jobs and stays of its machines per second of plant time."""
        if not self.machines or not self.reporting:
            return 0.0
        runtime = self.machines[0].runtime
        stays_ms = min(state.stays.mean_ms for state in runtime.states.values())
        intervals_ms = *self.reporting.periods_ms, runtime.jobs.ideal_ms or NEVER, stays_ms
        return sum(1000 * len(self.machines) / each_ms for each_ms in intervals_ms)

    @property
    def fault_names(self) -> Sequence[str]:
        """The faults, and the wear, that its machines have, or have had."""
        return [*dict.fromkeys((*self.machine_type.labelled_causes, *self.faults.active))]

    def apply(
        self,
        config: PlantConfig,
        now_ms: int,
        plant: FleetSignals | None = None,
        shift_at: ShiftAt = no_shift,
        *,
        coupled: bool = False,
    ) -> None:
        """Apply a configuration from now on: machines that stay keep their job and counters.

        They keep their state, too, unless shares or dwell times of the type's states change: then it is drawn again.
        plant: the signals of the plant, if it has any.  shift_at: tells which shift is on.
        coupled: an event queue advances the machines, and uses `schedule` and `collect` instead of `messages_until`.
        """
        specified = {key: (machine_type, count) for key, machine_type, count in config.machines()}
        machine_type, count = specified.get(self.key, (None, 0))
        numbers = range(self._first_number, count + 1, self._number_step)
        self._remove(self.machines[len(numbers) :], now_ms)
        self.accounts.resize(max(numbers, default=-1))
        if machine_type:
            self.machine_type, self._only_kind = machine_type, _only_kind(machine_type)
            self.accounts.good, self.accounts.planned_stops = machine_type.good, machine_type.planned_stops
            for each in machine_type.all_messages:
                self.message_counts.setdefault(each.kind, 0)
            self._apply_machine_type(machine_type, config, numbers, now_ms, plant, shift_at, coupled=coupled)
        else:
            self._keep_counts(0)
            self.machines, self.reporting = [], None
        self._is_configured = machine_type is not None

    def subset(self, most: int, now_ms: int) -> Fleet:
        """Return a fleet of some of the machines, spread evenly; it shares the machines and the accounts."""
        subset, machines = copy.copy(self), self.machines[:: len(self.machines) // most + 1]
        subset.machines = machines
        subset.reporting = self.reporting.subset(machines, now_ms) if self.reporting else None
        return subset

    def messages_until(self, until_ms: int) -> list[Message]:
        """Return every message due up to a time, in order of time and machine number."""
        if self.reporting is None:
            return []
        messages = self.reporting.messages_until(until_ms)
        if messages:
            self._count(messages)
        return messages

    def schedule(self, until_ms: int) -> Iterator[DueMessage]:
        """Remove and yield what is due up to a time, in order of time, to be passed to `collect`.

        Not included are the messages of single jobs, which are due when the jobs finish.
        """
        return self.reporting.schedule(until_ms) if self.reporting else iter(())

    def collect(self, due: DueMessage) -> None:
        """Collect a message that is due, of a machine that has advanced to its time."""
        if self.reporting:
            self.reporting.collect(due)

    def collect_job(self, machine: Machine, time_ms: int) -> None:
        """Collect the message for a job that the machine has finished, unless it is reported already."""
        self.collect(DueMessage(time_ms, machine.number, 0, FOR_JOB, machine))

    def take_collected(self) -> list[tuple[int, int, int, Message]]:
        """Return the messages collected since the last call, each with its time and the numbers of type and machine."""
        collected = self.reporting.take_collected() if self.reporting else []
        self._count([each.message for each in collected])
        return [(time_ms, self.machine_type.number, number, message) for time_ms, number, message in collected]

    def advance_to(self, until_ms: int) -> None:
        """Advance all machines to a time; no message is lost by that."""
        for machine in self.machines:
            machine.advance_to(until_ms)

    def skip_to(self, until_ms: int) -> None:
        """Advance all machines to a time, and drop the messages up to it."""
        if self.accumulates:
            with self.uncounted():
                self.messages_until(until_ms)
        self.advance_to(until_ms)
        if self.reporting:
            self.reporting.skip_to(until_ms)

    @property
    def accumulates(self) -> bool:
        """Whether dropped messages have to be computed, because what they report accumulates."""
        return self.reporting is not None and self.reporting.accumulates

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """Let the messages within not count: their numbers are given again."""
        results, alarms, counts = self.results.copy(), self.alarm_counts.copy(), self.message_counts.copy()
        restore = self.reporting.restore_counts() if self.reporting else None
        yield
        self.results.clear()
        self.results.update(results)
        self.alarm_counts.clear()
        self.alarm_counts.update(alarms)
        self.message_counts.clear()
        self.message_counts.update(counts)
        if restore:
            restore()

    @property
    def active_alarms(self) -> Mapping[str, int]:
        """How many alarms are active now, by severity."""
        return self.reporting.alarms.states.by_severity() if self.reporting and self.reporting.alarms else {}

    def close_accounts(self, now_ms: int) -> None:
        """End the current stay of each machine, and report its faults so far; they have advanced to now."""
        for machine in self.machines:
            self.accounts.end_stay(machine, now_ms)
            if machine.conditions is not None:
                machine.conditions.close(now_ms, is_open=True)

    def describe(self) -> MachineTypeInfo:
        """Return the keys of its messages, and the results that count as good."""
        fields = {field.path: field.source.role for field in (*self.machine_type.main.fields, TRACE)}
        job = self.machine_type.job
        fates = {*job.on_stop.values()} if job else set()
        return MachineTypeInfo(
            self.key,
            fields,
            sorted(self.machine_type.good),
            sorted(self.machine_type.planned_stops),
            ends_early=sorted(result for result in fates if result is not None),
            restarts=None in fates,
        )

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

    def _count(self, messages: Sequence[Message]) -> None:
        counts: Mapping[str, int] = {}
        if not self._only_kind:
            counts = Counter(map(_kind_of, messages))
        elif self.reporting and self.reporting.alarms:
            counts = self.reporting.alarms.take_emitted()
        for kind, count in counts.items():
            self.message_counts[kind] += count
        if self._only_kind:
            self.message_counts[self._only_kind] += len(messages) - sum(counts.values())

    def _remove(self, machines: Sequence[Machine], now_ms: int) -> None:
        for machine in machines:
            machine.advance_to(now_ms)
            self.accounts.end_stay(machine, now_ms)
            if machine.conditions is not None:
                machine.conditions.close(now_ms, is_open=False)

    def _keep_counts(self, kept: int, names: Sequence[str] = ()) -> None:
        """Keep the counts of messages of the machines after the first, and of the classes without these names."""
        earlier = self.reporting
        for name in earlier.class_names if earlier else ():
            first = kept if name in names else 0
            counts = earlier.counts_of(name)[first:] if earlier else ()
            self._counts_of_gone.update(
                ((name, self._number_in(slot)), each) for slot, each in enumerate(counts, first)
            )

    def _restore_counts(self, reporting: Reporting, earlier: Reporting | None, kept: int) -> None:
        """Continue the counts of machines and classes that were there before, and are added again."""
        continued = earlier.class_names if earlier else ()
        for name in reporting.class_names if earlier or self._counts_of_gone else ():
            for slot in range(kept if name in continued else 0, len(self.machines)):
                reporting.set_count(name, slot, self._counts_of_gone.pop((name, self._number_in(slot)), 0))

    def _number_in(self, slot: int) -> int:
        return self._first_number + slot * self._number_step

    def _apply_machine_type(
        self,
        machine_type: MachineType,
        config: PlantConfig,
        numbers: range,
        now_ms: int,
        plant: FleetSignals | None,
        shift_at: ShiftAt,
        *,
        coupled: bool,
    ) -> None:
        runtimes = TypeRuntimes(
            machine_type, config, self.results, self.accounts, numbers, self._seed, shift_at, self._start_ms
        )
        for each in runtimes.all:
            each.faults = self.faults
        runtime = runtimes.usual
        slower = bool(self.machines) and runtime.period_ms > self.machines[0].runtime.period_ms
        kept = self.machines[: len(numbers)]
        changed = [slot for slot, machine in enumerate(kept) if _apply_runtime(machine, runtimes, now_ms)]
        self.machines = kept + self._create(runtimes, numbers[len(kept) :], now_ms)
        earlier = self.reporting if self._is_configured else None
        self._keep_counts(len(kept), [each.name for each in machine_type.all_messages])
        if not machine_type.is_plain:
            from plant.fleets.reporter import Reporter  # noqa: PLC0415  signals need some megabytes

            reporter = Reporter(runtime, config, self.machines, numbers, plant, self.alarm_counts)
            reporter.start(earlier, len(kept), changed, now_ms, slower=slower, coupled=coupled)
            self.reporting = reporter
            for each in runtimes.all:
                each.observer = reporter
        else:
            plain = PlainReporter(runtime, self.machines)
            plain.start(earlier, now_ms, slower=slower, coupled=coupled)
            self.reporting = plain
        for each in () if coupled else runtimes.all:
            each.on_rescheduled = each.on_suspended = self.reporting.reschedule
        self._restore_counts(self.reporting, earlier, len(kept))

    def _create(self, runtimes: TypeRuntimes, numbers: Sequence[int], now_ms: int) -> list[Machine]:
        """Return new machines by number, created in the order of the ring, which is then their order in memory.

        With 100,000 machines that makes a message a third cheaper.
        """
        phases = {number: phase(RandomStream(self._seed, runtimes.usual.machine_id(number))) for number in numbers}
        in_ring_order = sorted(numbers, key=phases.__getitem__)
        created = {number: Machine(runtimes.of(number), number, self._seed, now_ms) for number in in_ring_order}
        return [created[number] for number in numbers]


def _apply_runtime(machine: Machine, runtimes: TypeRuntimes, now_ms: int) -> bool:
    """Apply the runtime of a machine, and return whether its state has been drawn again, and is another one."""
    own, mix, state = runtimes.of(machine.number), machine.runtime.state_mix, machine.state.name
    machine.advance_to(now_ms)
    if own.machine_type.reasons != machine.runtime.machine_type.reasons:
        own.accounts.end_stay(machine, now_ms)  # its stay has another reason from now on
    machine.apply_runtime(own, now_ms)
    if own.state_mix != mix:
        machine.redraw_state(now_ms)
    return machine.state.name != state


def _only_kind(machine_type: MachineType) -> str:
    """Return the kind of the messages of a type with only one class beside alarms, otherwise an empty text."""
    return machine_type.main.kind if len(machine_type.messages) == 1 else ""
