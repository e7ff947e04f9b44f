"""The plant, composed: all messages of the factory, as a function of configuration, seed and time."""

from __future__ import annotations

import copy
import math
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Self

import orjson

from plant import default_plant
from plant.catalogue.topics import topic_template
from plant.definition.plant_config import PlantConfig, load
from plant.event_queue import Participant
from plant.machines.snapshot import (
    FleetCounts,
    FleetSnapshot,
    NoSuchMachine,
    SnapshotOutdated,
    at_places,
    count,
    turns,
)
from plant.machines.states import NEVER
from plant.oee_accounting import Span
from plant.oee_reports import TOPICS as REPORT_TOPICS
from plant.oee_reports import report_source
from plant.parts import PlantParts
from plant.telemetry import (
    KindOee,
    Listener,
    MachineOee,
    MachineTypeView,
    MachineView,
    Message,
    OrderListener,
    PieceCount,
    Snapshot,
    Which,
)
from plant.trial import ConfigTrial

__all__ = [
    "RETAINED",
    "START",
    "FactoryMessageGenerator",
    "NoSuchMachine",
    "SnapshotOutdated",
    "report_source",
    "topic_template",
]

START: Final = 1_767_225_600.0
"""Where plant time begins by default: 2026-01-01T00:00:00Z."""

RETAINED: Final = frozenset(REPORT_TOPICS)
"""Kinds of message of which the broker should retain the last one."""

_REHEARSED_SECONDS: Final = 600.0
_REHEARSED_EVENTS: Final = 3_000
_LAST_MOMENT: Final = 253_402_300_799.0
"""9999-12-31T23:59:59Z; no plant is rehearsed beyond what a timestamp can hold."""
_REHEARSED_MACHINES: Final = 50
"""Of each type, where machines do not depend on each other."""

_time_of: Final = attrgetter("time_ms")


class FactoryMessageGenerator:
    """A plant that advances as far as it is asked to, and returns the messages due on the way.

    config_path: the YAML; where there is no message_structure.yaml, that name means the default plant.
    seed: the same configuration, seed and start give the same bytes; None draws a new seed, kept in `seed`.
     start: plant time at the beginning, in seconds since 1970.
    shard: (k, n) for the k-th of n parts, counted from 1: every n-th machine of a type, and every n-th order. The
    messages of all parts, sorted as `advance` sorts, are those of the whole plant; so a seed has to be given.
    Raises PlantConfigError with every error of the YAML, OSError if it cannot be read.
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
        """Return a plant of a configuration that is loaded already."""
        plant = cls.__new__(cls)
        cls._begin(plant, config, seed, start, shard)
        return plant

    def _begin(self, config: PlantConfig, seed: int | str | None, start: float, shard: tuple[int, int]) -> None:
        if not 1 <= shard[0] <= shard[1]:
            raise ValueError(f"a shard is (k, n) with 1 <= k <= n, not {shard}")
        self.start, self.now, self.shard = start, start, shard
        self.seed: int | str = secrets.token_hex(8) if seed is None else seed
        self._parts = PlantParts(self.seed, shard, _milliseconds(start))
        self._apply(config)

    def begin_anew(self, start: float) -> None:
        """Become the plant of a run that starts at another time; listeners are dropped."""
        self._begin(self.config, self.seed, start, self.shard)

    def advance(self, now: float) -> list[Message]:
        """Return every message due after the last call's `now` up to this one, in seconds since 1970, in order of time.

        In the same millisecond machines come by type and number, then orders, then dispatches, then reports. Time never
        runs back: an earlier `now` returns nothing.
        """
        messages: list[Message] = []
        reports = self._parts.reports
        while reports.next_ms <= _milliseconds(now):
            messages += self._messages_until(reports.next_ms / 1000)
            messages += reports.emit(self._figures_at(reports.places))
        return messages + self._messages_until(now)

    def _messages_until(self, now: float) -> list[Message]:
        until_ms = self._move_to(now)
        messages: list[Message] = []
        for emitter in self._parts.emitters:
            messages += emitter.messages_until(until_ms)
        # Those of each emitter are in order already, and the sort keeps the order of what is due together.
        messages.sort(key=_time_of)
        return messages

    def _figures_at(self, places: range) -> list[MachineOee]:
        """Return the figures of machines, by their places in the whole plant; a shard has some of them."""
        now_ms, parts = _milliseconds(self.now), self._parts
        if parts.event_queue:
            parts.event_queue.advance_to(now_ms)
        machines = at_places(parts.fleets, parts.machine_counts, places)
        for machine in machines:
            machine.advance_to(now_ms)
        return [machine.oee("run", now_ms) for machine in machines]

    def live(self, now: float) -> None:
        """Advance to `now` as `advance` does, but drop the messages: for the ground truth alone."""
        until_ms = self._move_to(now)
        for emitter in self._parts.emitters:
            emitter.skip_to(until_ms)
        self._parts.reports.skip_to(until_ms)

    def generate_messages(self) -> list[dict[str, Any]]:
        """Return the messages of the next base interval, as dictionaries."""
        return [orjson.loads(message.payload) for message in self.advance(self.now + self.get_base_interval())]

    def get_base_interval(self) -> float:
        """Return the YAML's base interval in seconds."""
        return self.config.global_.base_interval

    def next_due(self) -> float:
        """Return the earliest plant time at which a message may be due; infinity for a plant that never emits any."""
        next_ms = min(self._parts.reports.next_ms, *(emitter.next_ms for emitter in self._parts.emitters))
        return next_ms / 1000 if next_ms < NEVER else math.inf

    def reload(self, config: PlantConfig) -> None:
        """Follow another configuration from `now` on; if it raises, nothing has changed.

        Machines that stay keep job, ids and counters, and those of types whose states or stays have not changed keep
        their state; types whose period stays keep every deadline. New draws are made by the new configuration. Open
        orders stay open.
        """
        self.try_out(config).keep()

    def try_out(self, config: PlantConfig) -> ConfigTrial:
        """Follow another configuration as `reload` does, until the trial is kept or taken back.

        No time may pass before that. A stretch of time is rehearsed, so that what would fail soon after fails at once.
        """
        trial = self._trial()
        try:
            self._apply(config)
            self.rehearse()
        except BaseException:
            trial.take_back()
            raise
        return trial

    def rehearse(self) -> None:
        """Advance by as much time as brings a few thousand events, and take it back; raise what that raises.

        Left out where participants from outside have joined the machines, as they could not be taken back.
        """
        if not self._parts.external:
            (self if self._parts.event_queue else self._sample()).play_through()

    def play_through(self) -> None:
        """Rehearse with all machines, whatever that costs."""
        trial = self._trial()
        try:
            per_second = sum(self._parts.max_events_per_second(self.config), 1 / _REHEARSED_SECONDS)
            seconds = min(_REHEARSED_SECONDS, _REHEARSED_EVENTS / per_second)
            self.advance(min(self.now + seconds, _LAST_MOMENT))
        finally:
            trial.take_back()

    def _trial(self) -> ConfigTrial:
        return ConfigTrial(self, [fleet.accounts for fleet in self._parts.fleets], self._parts.order_book)

    def _sample(self) -> Self:
        """Return the same plant with few of its machines, which do not depend on each other."""
        few = copy.copy(self)
        few._parts = self._parts.sample(_REHEARSED_MACHINES, _milliseconds(self.now))  # noqa: SLF001 - of the same class
        return few

    def _apply(self, config: PlantConfig) -> None:
        self.config = config
        self._parts.apply(config, _milliseconds(self.now))

    def couple(self, *participants: Participant) -> None:
        """Have participants from outside change machines from `now` on, in place of those before."""
        self._bring_to_now()
        self._parts.external = participants
        self._apply(self.config)

    def listen(self, listener: Listener | None, orders: OrderListener | None = None) -> None:
        """Call a listener with every stay and every job as it ends, from now on; None ends that.

        orders: called with every order and dispatch.
        """
        self._parts.order_book.listener = orders
        for fleet in self._parts.fleets:
            fleet.accounts.listener = listener

    def close_truth(self) -> None:
        """End every stay at `now`, so that the listener has been given all time so far; time may go on from here."""
        now_ms = self._bring_to_now()
        for fleet in self._parts.fleets:
            fleet.close_accounts(now_ms)

    def oee(self, span: Span = "run") -> list[MachineOee]:
        """Return the OEE figures of each machine up to `now`, exactly, in order of type and number."""
        now_ms = self._bring_to_now()
        return [figures for fleet in self._parts.fleets for figures in fleet.oee(span, now_ms)]

    def oee_by_kind(self, span: Span = "run") -> list[KindOee]:
        """Return the sums of all machines of a type, for each type that has any."""
        now_ms = self._bring_to_now()
        return [figures for fleet in self._parts.fleets for figures in fleet.oee_of_all(span, now_ms)]

    def still(self, span: Span = "run", which: Which = Which()) -> FleetSnapshot:  # noqa: B008 - immutable
        """Return some machines as of `now`, to be read bit by bit while time goes on; NoSuchMachine if there are none.

        Only one may be read at a time; a reload ends it.
        """
        config, now_ms, parts = self.config, _milliseconds(self.now), self._parts
        if parts.event_queue:
            parts.event_queue.advance_to(now_ms)
        return FleetSnapshot(parts.fleets, which, span, now_ms, lambda: self.config is not config)

    def counted(self) -> Iterator[FleetCounts]:
        """Yield what `snapshot` and `oee_by_kind` return of machines, bit by bit while time goes on.

        Each part is of its own moment. Raises SnapshotOutdated where a reload comes between.
        """
        config, parts = self.config, self._parts
        for fleet in parts.fleets:
            for first in turns(fleet):
                if self.config is not config:
                    raise SnapshotOutdated
                now_ms = _milliseconds(self.now)
                if parts.event_queue:
                    parts.event_queue.advance_to(now_ms)
                yield count(fleet, now_ms, first)

    def census(self) -> list[PieceCount]:
        """Return what became of the pieces that each machine type has made up to `now`; nothing without a flow."""
        self._bring_to_now()
        return self._parts.flow.piece_counts() if self._parts.flow else []

    def topic_template(self, kind: str) -> str:
        """Return a kind's topic in the configuration in effect, see the function of that name."""
        return topic_template(self.config, kind)

    def machines(self) -> Iterator[MachineView]:
        """Yield every machine by type and number, as of its last message or event."""
        now_ms = _milliseconds(self.now)
        return (machine.view(now_ms) for fleet in self._parts.fleets for machine in fleet.machines)

    def machine_types(self) -> list[MachineTypeView]:
        """Return what those who process messages have to know of each machine type, with machines or not."""
        return [fleet.view() for fleet in self._parts.fleets]

    @property
    def machine_states(self) -> dict[str, dict[str, Any]]:
        """The state of each machine, by its id."""
        return {view.machine_id: _state(view) for view in self.machines()}

    def snapshot(self, states: Mapping[tuple[str, str], int] | None = None) -> Snapshot:
        """Return the plant's counts at `now`. states: those of the machines, if they have been counted already."""
        fleets, orders = {fleet.declared.key: fleet for fleet in self._parts.fleets}, self._parts.order_book
        if states is None:
            states = Counter((key, machine.state.name) for key, fleet in fleets.items() for machine in fleet.machines)
        jobs = {(key, result): count for key, fleet in fleets.items() for result, count in fleet.results.items()}
        rows = {key: fleet.rows for key, fleet in fleets.items()} | orders.rows
        return Snapshot(_milliseconds(self.now), rows, states, jobs, orders.open_orders)

    def _move_to(self, now: float) -> int:
        self.now = max(now, self.now)
        return _milliseconds(self.now)

    def _bring_to_now(self) -> int:
        """Advance all machines to `now`, and return it in milliseconds."""
        return self._parts.advance_to(_milliseconds(self.now)).now_ms


def _state(view: MachineView) -> dict[str, Any]:
    return {
        "type": view.kind,
        "status": view.status,
        "station_id": view.station,
        "current_part": view.job_id,
        "current_part_type": view.job_kind,
        "progress": round(view.progress, 2),
        "part_count": view.jobs_finished,
    }


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
