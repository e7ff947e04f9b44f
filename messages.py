"""The plant, composed: everything the factory says, as a function of structure, seed and time."""

from __future__ import annotations

import copy
import math
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Self

import orjson

from plant import default_plant
from plant.business import Business
from plant.cadence import Fleet
from plant.calendar import PlannedStops
from plant.coupling import Coupled, Coupling
from plant.flow import Flow
from plant.forecast import forecast
from plant.machine import NEVER
from plant.oee import Span
from plant.reports import TOPICS as REPORT_TOPICS
from plant.reports import Reports, report_source
from plant.spaceship import MACHINE_TYPES
from plant.still import Counted, NoSuchMachine, Outdated, Still, at_places, count, turns
from plant.structure import Structure, load
from plant.telemetry import (
    KindOee,
    Listener,
    MachineOee,
    MachineView,
    Message,
    OrderListener,
    PieceCount,
    Snapshot,
    Which,
)
from plant.topics import topic_template
from plant.trial import Trial

__all__ = [
    "RETAINED",
    "START",
    "FactoryMessageGenerator",
    "NoSuchMachine",
    "Outdated",
    "report_source",
    "topic_template",
]

START: Final = 1_767_225_600.0
"""Where plant time begins unless told otherwise: 2026-01-01T00:00:00Z."""

RETAINED: Final = frozenset(REPORT_TOPICS)
"""Kinds of message of which the last one should be kept for who comes later."""

_REHEARSED_SECONDS: Final = 600.0
_REHEARSED_EVENTS: Final = 3_000
_LAST_MOMENT: Final = 253_402_300_799.0
"""9999-12-31T23:59:59Z; no plant is rehearsed beyond what a timestamp can say."""
_REHEARSED_MACHINES: Final = 50
"""Of each type, where machines do not depend on each other."""

_time_of: Final = attrgetter("time_ms")


class FactoryMessageGenerator:
    """A plant that runs as far as it is told to.

    config_path: the YAML; where there is no message_structure.yaml, that name means the default plant.
    seed: the same structure, seed and start say the same bytes; None takes a fresh one, found in `seed`.
    start: plant time at the beginning, in seconds since 1970.
    shard: (k, n) for the k-th of n parts, counted from 1: every n-th machine of a type, and every n-th order. What all
    parts say, sorted as `advance` sorts, is what the whole says; so a seed has to be given.
    Raises StructureError with every mistake of the YAML, OSError where it cannot be read.
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
        structure: Structure,
        seed: int | str | None = None,
        *,
        start: float = START,
        shard: tuple[int, int] = (1, 1),
    ) -> Self:
        """A plant from a structure that is loaded already."""
        plant = cls.__new__(cls)
        cls._begin(plant, structure, seed, start, shard)
        return plant

    def _begin(self, structure: Structure, seed: int | str | None, start: float, shard: tuple[int, int]) -> None:
        if not 1 <= shard[0] <= shard[1]:
            raise ValueError(f"a shard is (k, n) with 1 <= k <= n, not {shard}")
        self.start, self.now, self.shard = start, start, shard
        self.seed: int | str = secrets.token_hex(8) if seed is None else seed
        self._fleets = [Fleet(declared, self.seed, shard) for declared in MACHINE_TYPES]
        self._business = Business(self.seed, _milliseconds(start), shard)
        self._reports = Reports()
        self._stops = PlannedStops(self._fleets)
        self._flow: Flow | None = None
        self._coupled: Sequence[Coupled] = ()
        self._coupling: Coupling | None = None
        self._follow(structure)

    def begin_anew(self, start: float) -> None:
        """Be what this plant would be at the beginning of a run that starts there; nobody listens to it."""
        self._begin(self.structure, self.seed, start, self.shard)

    def advance(self, now: float) -> list[Message]:
        """Every message due after the last call's `now` up to this one, in seconds since 1970, in order of time.

        In the same millisecond machines come by type and number, then orders, then dispatches, then reports. Time never
        runs back: an earlier `now` gives nothing.
        """
        messages: list[Message] = []
        while self._reports.next_ms <= _milliseconds(now):
            messages += self._said_until(self._reports.next_ms / 1000)
            messages += self._reports.say(self._reported(self._reports.places))
        return messages + self._said_until(now)

    def _said_until(self, now: float) -> list[Message]:
        until_ms = self._go_on(now)
        rows: list[Message] = []
        for part in self._parts():
            rows += part.due(until_ms)
        # Each part is in order already, and the sort keeps the order of what is due together.
        rows.sort(key=_time_of)
        return rows

    def _reported(self, places: range) -> list[MachineOee]:
        """The figures of machines, by their places in the whole plant; of those, a shard has its own."""
        now_ms = _milliseconds(self.now)
        if self._coupling:
            self._coupling.live(now_ms)
        machines = at_places(self._fleets, self._counts, places)
        for machine in machines:
            machine.live(now_ms)
        return [machine.oee("run", now_ms) for machine in machines]

    def live(self, now: float) -> None:
        """Let time pass up to `now` as `advance` does, but say nothing: for the truth alone."""
        until_ms = self._go_on(now)
        for part in self._parts():
            part.pass_over(until_ms)
        self._reports.pass_over(until_ms)

    def generate_messages(self) -> list[dict[str, Any]]:
        """What is said in the next base interval, as dictionaries."""
        return [orjson.loads(message.payload) for message in self.advance(self.now + self.get_base_interval())]

    def get_base_interval(self) -> float:
        """The YAML's base interval in seconds."""
        return self.structure.global_.base_interval

    def next_due(self) -> float:
        """The earliest plant time at which something may be due; infinity for a plant that never says anything."""
        next_ms = min(self._reports.next_ms, *(part.next_ms for part in self._parts()))
        return next_ms / 1000 if next_ms < NEVER else math.inf

    def reload(self, structure: Structure) -> None:
        """Follow another structure from `now` on, or raise what stands in the way of it and be as if never asked.

        Machines that stay keep job, ids and counters, and those of types whose states or stays have not changed keep
        their state; types whose period stays keep every deadline. What is drawn from here on is drawn by the new
        structure. Open orders stay open.
        """
        self.try_out(structure).keep()

    def try_out(self, structure: Structure) -> Trial:
        """Follow another structure as `reload` does, with the way back open until the trial is kept or taken back.

        No time may pass before that. A stretch of it is rehearsed, so that what would fail soon after fails at once.
        """
        trial = self._trial()
        try:
            self._follow(structure)
            self.rehearse()
        except BaseException:
            trial.take_back()
            raise
        return trial

    def rehearse(self) -> None:
        """Let some time pass, as much as brings about a few thousand events, and take it back; raise what it raises.

        Left out where something from outside lives with the machines, which could not be taken back.
        """
        if not self._coupled:
            (self if self._coupling else self._sample()).play_through()

    def play_through(self) -> None:
        """Rehearse with all machines, whatever that costs."""
        trial = self._trial()
        try:
            seconds = min(_REHEARSED_SECONDS, _REHEARSED_EVENTS / self._most_events_a_second())
            self.advance(min(self.now + seconds, _LAST_MOMENT))
        finally:
            trial.take_back()

    def _trial(self) -> Trial:
        return Trial(self, [fleet.books for fleet in self._fleets], self._business)

    def _sample(self) -> Self:
        """The same plant with few of its machines, which stand alone."""
        few, now_ms = copy.copy(self), _milliseconds(self.now)
        fleets = [fleet.sample(_REHEARSED_MACHINES, now_ms) for fleet in self._fleets]
        vars(few).update(_fleets=fleets, _stops=PlannedStops(fleets))
        return few

    def _most_events_a_second(self) -> float:
        others = sum(each.per_second for each in forecast(self.structure).types if each.machines is None)
        return sum((fleet.most_events_a_second for fleet in self._fleets), others + 1 / _REHEARSED_SECONDS)

    def _follow(self, structure: Structure) -> None:
        self.structure = structure
        now_ms = self._lived()
        ours = ((self._stops, structure.calendar), (self._business, structure.flow))
        coupled = (*(thing for thing, wanted in ours if wanted), *self._coupled)
        self._stops.tune(structure.calendar, now_ms)
        for fleet in self._fleets:
            fleet.tune(structure, now_ms, coupled=bool(coupled))
        self._stops.live(now_ms)  # for machines that are new
        self._flow = self._followed_flow(structure, now_ms)
        self._business.tune(structure.message_types, self._flow, now_ms)
        self._counts = {key: count for key, _, count in structure.machines()}
        self._reports.tune(structure.message_types.oee, sum(self._counts.values()), now_ms)
        self._coupling = Coupling(self._fleets, coupled) if coupled else None

    def couple(self, *things: Coupled) -> None:
        """Have things beside the machines live with them from `now` on, in place of those before."""
        self._lived()
        self._coupled = things
        self._follow(self.structure)

    def listen(self, listener: Listener | None, orders: OrderListener | None = None) -> None:
        """Tell someone of every stay and every job as it ends, from now on; None tells nobody any more.

        orders: who is told of every order and dispatch.
        """
        self._business.listener = orders
        for fleet in self._fleets:
            fleet.books.listener = listener

    def close_truth(self) -> None:
        """End every stay at `now`, so that the listener has heard of all time so far; time may go on from here."""
        now_ms = self._lived()
        for fleet in self._fleets:
            fleet.close_books(now_ms)

    def oee(self, span: Span = "run") -> list[MachineOee]:
        """What came of each machine's time up to `now`, exactly: in order of type and number."""
        now_ms = self._lived()
        return [figures for fleet in self._fleets for figures in fleet.oee(span, now_ms)]

    def oee_by_kind(self, span: Span = "run") -> list[KindOee]:
        """The sums of all machines of a type, for each type that has any."""
        now_ms = self._lived()
        return [figures for fleet in self._fleets for figures in fleet.oee_of_all(span, now_ms)]

    def still(self, span: Span = "run", which: Which = Which()) -> Still:  # noqa: B008 - nothing can change it
        """Some machines as of `now`, to be looked at bit by bit while time goes on; NoSuchMachine where there are none.

        Only one at a time; a reload puts an end to it.
        """
        structure, now_ms = self.structure, _milliseconds(self.now)
        if self._coupling:
            self._coupling.live(now_ms)
        return Still(self._fleets, which, span, now_ms, lambda: self.structure is not structure)

    def counted(self) -> Iterator[Counted]:
        """What `snapshot` and `oee_by_kind` tell of machines, bit by bit while time goes on.

        Each part is of its own moment. Raises Outdated where a reload comes between.
        """
        structure = self.structure
        for fleet in self._fleets:
            for first in turns(fleet):
                if self.structure is not structure:
                    raise Outdated
                now_ms = _milliseconds(self.now)
                if self._coupling:
                    self._coupling.live(now_ms)
                yield count(fleet, now_ms, first)

    def census(self) -> list[PieceCount]:
        """What became of the pieces that each machine type has made up to `now`; nothing where no pieces flow."""
        self._lived()
        return self._flow.census() if self._flow else []

    def topic_template(self, kind: str) -> str:
        """A kind's topic in the structure that is in force, see the function of that name."""
        return topic_template(self.structure, kind)

    def machines(self) -> Iterator[MachineView]:
        """Every machine by type and number, as of its last row or event."""
        now_ms = _milliseconds(self.now)
        return (machine.view(now_ms) for fleet in self._fleets for machine in fleet.machines)

    @property
    def machine_states(self) -> dict[str, dict[str, Any]]:
        """What each machine is at, by its id."""
        return {view.machine_id: _state(view) for view in self.machines()}

    def snapshot(self, states: Mapping[tuple[str, str], int] | None = None) -> Snapshot:
        """The plant's counts at `now`. states: of the machines, if somebody has counted them."""
        fleets = {fleet.declared.key: fleet for fleet in self._fleets}
        if states is None:
            states = Counter((key, machine.state.name) for key, fleet in fleets.items() for machine in fleet.machines)
        jobs = {(key, result): count for key, fleet in fleets.items() for result, count in fleet.results.items()}
        rows = {key: fleet.rows for key, fleet in fleets.items()} | self._business.rows
        return Snapshot(_milliseconds(self.now), rows, states, jobs, self._business.open_orders)

    def _go_on(self, now: float) -> int:
        self.now = max(now, self.now)
        return _milliseconds(self.now)

    def _followed_flow(self, structure: Structure, now_ms: int) -> Flow | None:
        """The flow that the structure asks for, in the state in which it is."""
        if structure.flow:
            flow = self._flow or Flow(structure.flow, self.seed, self.shard, now_ms)
            flow.tune(structure.flow, self._fleets, now_ms)
            return flow
        if self._flow:
            self._flow.end(self._fleets, now_ms)
        return None

    def _parts(self) -> Sequence[Fleet | Coupling | Business]:
        return (self._coupling, self._business) if self._coupling else (*self._fleets, self._business)

    def _lived(self) -> int:
        """Brings all machines up to `now`, and returns it; rows show no trace of that."""
        now_ms = _milliseconds(self.now)
        for part in [self._coupling] if self._coupling else self._fleets:
            part.live(now_ms)
        return now_ms


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
