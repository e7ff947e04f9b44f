"""The plant, composed: everything the factory says, as a function of structure, seed and time."""

from __future__ import annotations

import math
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Self

import orjson

from plant.business import Business
from plant.cadence import Fleet
from plant.calendar import PlannedStops
from plant.coupling import Coupled, Coupling
from plant.flow import Flow
from plant.machine import NEVER
from plant.oee import Span
from plant.reports import TOPICS as REPORT_TOPICS
from plant.reports import Reports
from plant.spaceship import MACHINE_TYPES
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
)
from plant.topics import topic_template

__all__ = ["RETAINED", "START", "FactoryMessageGenerator", "topic_template"]

START: Final = 1_767_225_600.0
"""Where plant time begins unless told otherwise: 2026-01-01T00:00:00Z."""

RETAINED: Final = frozenset(REPORT_TOPICS)
"""Kinds of message of which the last one should be kept for who comes later."""

_time_of: Final = attrgetter("time_ms")


class FactoryMessageGenerator:
    """A plant that runs as far as it is told to.

    config_path: the YAML.  seed: the same structure, seed and start say the same bytes; None takes a fresh one,
    found in `seed`.  start: plant time at the beginning, in seconds since 1970.
    shard: (k, n) for the k-th of n parts, counted from 1: every n-th machine of a type, and every n-th order. What all
    parts say, sorted as `advance` sorts, is what the whole says; so a seed has to be given.
    Raises StructureError with every mistake of the YAML, OSError where it cannot be read.
    """

    def __init__(
        self,
        config_path: str | Path = "message_structure.yaml",
        seed: int | str | None = None,
        *,
        start: float = START,
        shard: tuple[int, int] = (1, 1),
    ) -> None:
        self._begin(load(config_path), seed, start, shard)

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
        self.reload(structure)

    def advance(self, now: float) -> list[Message]:
        """Every message due after the last call's `now` up to this one, in seconds since 1970, in order of time.

        In the same millisecond machines come by type and number, then orders, then dispatches, then reports. Time never
        runs back: an earlier `now` gives nothing.
        """
        messages: list[Message] = []
        while self._reports.next_ms <= _milliseconds(now):
            messages += self._said_until(self._reports.next_ms / 1000)
            messages += self._reports.say(self.oee())
        return messages + self._said_until(now)

    def _said_until(self, now: float) -> list[Message]:
        until_ms = self._go_on(now)
        rows: list[Message] = []
        for part in self._parts():
            rows += part.due(until_ms)
        # Each part is in order already, and the sort keeps the order of what is due together.
        rows.sort(key=_time_of)
        return rows

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
        """Follow another structure from `now` on.

        Machines that stay keep state, job, ids and counters; types whose period stays keep every deadline. What is
        drawn from here on is drawn by the new structure. Open orders stay open.
        """
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
        self._reports.tune(structure.message_types.oee, now_ms)
        self._coupling = Coupling(self._fleets, coupled) if coupled else None

    def couple(self, *things: Coupled) -> None:
        """Have things beside the machines live with them from `now` on, in place of those before."""
        self._lived()
        self._coupled = things
        self.reload(self.structure)

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

    def snapshot(self) -> Snapshot:
        """The plant's counts at `now`."""
        fleets = {fleet.declared.key: fleet for fleet in self._fleets}
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
            self._flow.end(now_ms)
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
