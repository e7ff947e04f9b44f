"""The plant as a whole: all messages of the factory, as a function of configuration, seed and time."""

from __future__ import annotations

import copy
import math
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import orjson

from plant import default_plant
from plant.catalogue.class_infos import with_classes
from plant.catalogue.topics import RETAINED, topic_template
from plant.definition.plant_config import PlantConfig, load
from plant.event_queue import Participant
from plant.faults.fault_log import FaultListener
from plant.fleets.fleet import Fleet
from plant.fleets.snapshot import (
    FleetCounts,
    FleetSnapshot,
    NoSuchMachine,
    OpenEpisodes,
    SnapshotOutdated,
    count_group,
    group_starts,
    open_episodes,
)
from plant.interventions.commands import Command, CommandRefused, described, own_names, parse
from plant.interventions.execution import Answer, Target, execute
from plant.machines.states import NEVER
from plant.oee_accounting import Span
from plant.parts import PlantParts
from plant.telemetry import (
    KindOee,
    MachineFilter,
    MachineOee,
    MachineSnapshot,
    MachineTypeInfo,
    Message,
    PieceCount,
    Snapshot,
)
from plant.trial import ConfigTrial
from plant.truth.energy import EnergyListener, EnergyTotals
from plant.truth.events import CommandListener, Listener, OrderListener
from plant.views.plant_views import PlantViews

__all__ = [
    "START",
    "CommandRefused",
    "FactoryMessageGenerator",
    "NoSuchMachine",
    "SnapshotOutdated",
    "topic_template",
]

START: Final = 1_767_225_600.0
"""Where plant time begins by default: 2026-01-01T00:00:00Z."""

_REHEARSED_SECONDS: Final = 600.0
_REHEARSED_EVENTS: Final = 3_000
_LAST_MOMENT: Final = 253_402_300_799.0
"""9999-12-31T23:59:59Z, the last timestamp; no rehearsal goes beyond it."""
_REHEARSED_MACHINES: Final = 50
"""Machines of each type in a rehearsal, where machines do not depend on each other."""

_T = TypeVar("_T")


class FactoryMessageGenerator:
    """A plant that advances to a given time and returns the messages due until then.

    config_path: the YAML file; `message_structure.yaml` is the default plant if no such file exists.
    seed: the same configuration, seed and start give the same bytes; None draws a new seed, see the attribute `seed`.
    start: plant time at the beginning, in seconds since 1970.
    shard: (k, n) for the k-th of n parts, counted from 1: every n-th machine of a type, and every n-th order. The
    messages of all parts, sorted as `advance` sorts them, are those of the whole plant, if all have the same seed.
    Raises PlantConfigError with every error of the YAML, also if it cannot be read.

    Attributes: `seed`, given or drawn; `start`; `now`, plant time reached, in seconds since 1970; `shard`; `config`.
    """

    def __init__(
        self,
        config_path: str | Path = default_plant.NAME,
        seed: int | str | None = None,
        *,
        start: float = START,
        shard: tuple[int, int] = (1, 1),
    ) -> None:
        self._begin(load(default_plant.existing(config_path)), seed, start, shard)

    @classmethod
    def of(
        cls,
        config: PlantConfig,
        seed: int | str | None = None,
        *,
        start: float = START,
        shard: tuple[int, int] = (1, 1),
    ) -> Self:
        """Return a plant of a configuration that has been loaded already."""
        plant = cls.__new__(cls)
        cls._begin(plant, config, seed, start, shard)
        return plant

    def _begin(self, config: PlantConfig, seed: int | str | None, start: float, shard: tuple[int, int]) -> None:
        if not 1 <= shard[0] <= shard[1]:
            raise ValueError(f"a shard is (k, n) with 1 <= k <= n, not {shard}")
        self.start, self.now, self.shard = start, start, shard
        self.seed: int | str = secrets.token_hex(8) if seed is None else seed
        self._parts = PlantParts(self.seed, shard, _milliseconds(start))
        self._on_command: CommandListener | None = None
        self._apply(config)

    def begin_anew(self, start: float) -> None:
        """Start again at another time, with the same configuration, seed and shard; listeners are removed."""
        self._begin(self.config, self.seed, start, self.shard)

    def advance(self, now: float) -> list[Message]:
        """Return every message due after the last call's `now` up to this one, in seconds since 1970, in order of time.

        In the same millisecond machines come by type and number, then orders, dispatches, OEE reports and labels of
        faults. Time never goes back: an earlier `now` returns nothing.
        """
        messages: list[Message] = []
        while (due_ms := self._parts.next_report_ms) <= _milliseconds(now):
            messages += self._messages_until(due_ms / 1000)
            messages += self._parts.take_reports(due_ms)
        return messages + self._messages_until(now)

    def _messages_until(self, now: float) -> list[Message]:
        until_ms = self._move_to(now)
        messages: list[Message] = []
        for emitter in self._parts.emitters:
            messages += emitter.messages_until(until_ms)
        # Those of each emitter are in order already, and a stable sort keeps the order of emitters at equal times.
        messages.sort(key=attrgetter("time_ms"))
        return messages

    def advance_silently(self, now: float) -> None:
        """Advance to `now` as `advance` does, but drop the messages: only for the ground truth."""
        self._parts.skip_to(self._move_to(now))

    def generate_messages(self) -> list[dict[str, Any]]:
        """Return the messages of the next base interval, as dictionaries."""
        return [orjson.loads(message.payload) for message in self.advance(self.now + self.get_base_interval())]

    def get_base_interval(self) -> float:
        """Return the YAML's base interval in seconds."""
        return self.config.global_.base_interval

    def next_due(self) -> float:
        """Return the earliest plant time at which a message may be due; infinity if the plant emits none."""
        next_ms = min(self._parts.next_report_ms, *(emitter.next_ms for emitter in self._parts.emitters))
        return next_ms / 1000 if next_ms < NEVER else math.inf

    def reload(self, config: PlantConfig) -> None:
        """Apply another configuration from `now` on; if this raises, nothing has changed.

        Machines that stay keep job, ids and counters. They keep their state if shares and dwell times of their type are
        the same, and their deadlines if the period is the same. New draws use the new configuration. Open orders stay
        open.
        """
        self.try_out(config).keep()

    def execute(self, command: Command | Mapping[str, object], at: float | None = None) -> Answer:
        """Execute a command at `at`, `now` by default, and return what is then so.

        All messages up to that millisecond must have been taken. Raises CommandRefused, and then nothing has changed.
        """
        if (at := self.now if at is None else at) != self.now and not self.now < at < self.next_due() - 0.0006:
            raise ValueError("time must have advanced to where a command is executed")
        asked = parse(command, own_names(self.config)) if isinstance(command, Mapping) else command
        answer = execute(Target(self.config, self._parts, now_ms := self._move_to(at), self.reload), asked)
        if self._on_command is not None:
            self._on_command(now_ms, described(asked))
        return answer

    def try_out(self, config: PlantConfig) -> ConfigTrial:
        """Apply another configuration as `reload` does, until the trial is kept or taken back.

        Time must not advance before that. The next minutes are rehearsed, so that an error in them is raised here.
        """
        trial = ConfigTrial(self, self._parts)
        try:
            self._apply(config)
            self.rehearse()
        except BaseException:
            trial.take_back()
            raise
        return trial

    def rehearse(self) -> None:
        """Advance by a few thousand events and take that back; raise what that raises.

        Skipped with participants from outside (see `set_participants`), as their changes could not be taken back.
        """
        if not self._parts.external:
            (self if self._parts.event_queue else self._subset())._rehearse_all()  # noqa: SLF001 - of the same class

    def _rehearse_all(self) -> None:
        """Rehearse with all machines, at any cost."""
        trial = ConfigTrial(self, self._parts)
        try:
            per_second = sum(self._parts.max_events_per_second(self.config), 1 / _REHEARSED_SECONDS)
            seconds = min(_REHEARSED_SECONDS, _REHEARSED_EVENTS / per_second)
            self.advance(min(self.now + seconds, _LAST_MOMENT))
        finally:
            trial.take_back()

    def _subset(self) -> Self:
        """Return the same plant with some of its machines, which do not depend on each other."""
        subset = copy.copy(self)
        subset._parts = self._parts.subset(_REHEARSED_MACHINES, _milliseconds(self.now))  # noqa: SLF001 - of the same class
        return subset

    def _apply(self, config: PlantConfig) -> None:
        self.config = config
        self._parts.apply(config, _milliseconds(self.now))

    def set_participants(self, *participants: Participant) -> None:
        """Have participants from outside change machines from `now` on; they replace those set before."""
        self._bring_to_now()
        self._parts.external = participants
        self._apply(self.config)

    def listen(
        self, listener: Listener | None, orders: OrderListener | None = None, commands: CommandListener | None = None
    ) -> None:
        """Call listeners from now on: with every stay, job and fault as it ends, every order, dispatch and command."""
        self._parts.listen(listener, orders, self._parts.fault_listener)
        self._on_command = commands

    def read_meters(self, listener: EnergyListener | None) -> None:
        """Call a listener from now on with what machines have used, at each quarter of an hour of the UTC clock."""
        self._parts.read_meters(listener, self._bring_to_now())

    def watch_faults(self, listener: FaultListener | None) -> None:
        """Call a listener from now on, beside those of `listen`, with every episode of a fault when it ends."""
        self._parts.listen(self._parts.listener, self._parts.order_book.listener, listener)

    def close_truth(self) -> None:
        """End every stay at `now`, so that the listener has received all time so far. Time may advance after that."""
        self._parts.close_truth(self._bring_to_now())

    def energy_totals(self) -> list[EnergyTotals]:
        """Return the energy figures of each machine and each site up to what the listener has received."""
        return self._parts.energy.totals()

    def oee(self, span: Span = "run") -> list[MachineOee]:
        """Return the exact OEE figures of each machine up to `now`, in order of type and number."""
        now_ms = self._bring_to_now()
        return [figures for fleet in self._parts.fleets for figures in fleet.oee(span, now_ms)]

    def oee_by_kind(self, span: Span = "run") -> list[KindOee]:
        """Return the OEE figures of each machine type that has machines, summed over them."""
        now_ms = self._bring_to_now()
        return [figures for fleet in self._parts.fleets for figures in fleet.oee_of_all(span, now_ms)]

    def oee_snapshot(self, span: Span = "run", which: MachineFilter = MachineFilter()) -> FleetSnapshot:  # noqa: B008 - immutable
        """Return a snapshot of some machines as of `now`, to be read in groups while time advances.

        Only one snapshot may be read at a time; a reload invalidates it. Raises NoSuchMachine.
        """
        config, now_ms, parts = self.config, _milliseconds(self.now), self._parts
        parts.advance_dependent(now_ms)
        return FleetSnapshot(parts.fleets, which, span, now_ms, lambda: self.config is not config)

    def count_in_groups(self) -> Iterator[FleetCounts]:
        """Yield what `snapshot` and `oee_by_kind` return of machines, in groups while time advances.

        Each group is as of its own moment. Raises SnapshotOutdated after a reload.
        """
        return self._in_groups(self._parts.fleets, count_group)

    def active_faults(self) -> Iterator[OpenEpisodes]:
        """Yield the episodes of faults that have begun and not ended, in groups while time advances.

        Each group is as of its own moment. Raises SnapshotOutdated after a reload.
        """
        return self._in_groups([fleet for fleet in self._parts.fleets if fleet.fault_names], open_episodes)

    def _in_groups(self, fleets: Iterable[Fleet], read: Callable[[Fleet, int, int], _T]) -> Iterator[_T]:
        """Yield what is read of each group of machines, which other machines have advanced to before."""
        config = self.config
        for fleet in fleets:
            for first in group_starts(fleet):
                if self.config is not config:
                    raise SnapshotOutdated
                self._parts.advance_dependent(now_ms := _milliseconds(self.now))
                yield read(fleet, now_ms, first)

    def views(self) -> PlantViews:
        """Return what shows machines as they are at `now`, some of them or one."""
        return PlantViews(self._parts, lambda: (self.config, _milliseconds(self.now)))

    def census(self) -> list[PieceCount]:
        """Return where the pieces are that each machine type has made up to `now`; an empty list without a flow."""
        self._bring_to_now()
        return self._parts.flow.piece_counts() if self._parts.flow else []

    def topic_template(self, kind: str) -> str:
        """Return the topic template of a kind of message in the current configuration, such as `{prefix}/cnc`."""
        return topic_template(self.config, kind)

    @property
    def qos_by_kind(self) -> Mapping[str, int]:
        """The quality of service of each kind that has one of its own, 0 or 1."""
        return {each.kind: each.qos for each in self.config.message_classes() if each.qos is not None}

    @property
    def retained_kinds(self) -> Collection[str]:
        """The kinds of message that are published with the retain flag."""
        reports = (kind for kind in RETAINED if getattr(self.config.message_types, kind) is not None)
        return {*reports, *(each.kind for each in self.config.message_classes() if each.retain)}

    def machines(self) -> Iterator[MachineSnapshot]:
        """Yield every machine by type and number, as of its last message or event."""
        now_ms = _milliseconds(self.now)
        return (machine.snapshot(now_ms) for fleet in self._parts.fleets for machine in fleet.machines)

    def machine_types(self) -> list[MachineTypeInfo]:
        """Return what a consumer needs to know about each machine type, also of types without machines."""
        return [with_classes(fleet.describe(), self.config) for fleet in self._parts.fleets]

    @property
    def machine_states(self) -> dict[str, dict[str, Any]]:
        """The state of each machine, by its id."""
        return {view.machine_id: view.described() for view in self.machines()}

    def snapshot(self, states: Mapping[tuple[str, str], int] | None = None) -> Snapshot:
        """Return counts over the plant at `now`. states: those of machines by state, if they are known already."""
        return self._parts.counts(_milliseconds(self.now), states)

    def _move_to(self, now: float) -> int:
        self.now = max(now, self.now)
        return _milliseconds(self.now)

    def _bring_to_now(self) -> int:
        """Advance all machines to `now`, and return it in milliseconds."""
        return self._parts.advance_to(_milliseconds(self.now)).now_ms


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
