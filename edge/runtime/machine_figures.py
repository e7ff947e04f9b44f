"""Figures of the machines, for `/metrics`, `/healthz` and `/oee`, and machines as the API shows them.

They are read bit by bit, in turns with the run loop, where somebody asks for them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from heapq import merge
from itertools import chain, islice
from typing import NamedTuple, TypeVar

from edge.http.answers import chunks
from edge.http.api.machines_answer import machine_entries, machine_json
from edge.http.oee_answer import machine_entry
from edge.http.shared_work import in_turns
from edge.labels.ended_episodes import EndedEpisodes
from edge.labels.known_names import KnownNames, unknown
from edge.labels.queries import Anomalies, AnomalyQuery, Entry, Place, entries
from edge.oee_sums import sum_kinds
from edge.status import BadQuery, MachineEntry, MachineFound, MachinesFound, OeeFigures, OeeQuery
from messages import FactoryMessageGenerator, NoSuchMachine, SnapshotOutdated
from plant.definition.document.errors import quote, suggestion
from plant.definition.machine_ids import is_machine, machine_ids, near_ids
from plant.telemetry import KindOee, Snapshot
from plant.truth.events import FaultEpisode
from plant.views.plant_views import ViewQuery
from plant.views.type_view import known_causes, known_states

_SELECTED_PER_TURN = 1000
_T = TypeVar("_T")


class _Counts(NamedTuple):
    """The machines as last counted: the number of a kind in a state, and the OEE sums of each kind."""

    states: Mapping[tuple[str, str], int]
    kinds: Sequence[KindOee]


class MachineFigures:
    """Reads the figures of a plant's machines. ended: the episodes of faults that have ended."""

    def __init__(self, plant: FactoryMessageGenerator, ended: EndedEpisodes) -> None:
        self._plant, self._ended = plant, ended
        self._reading, self._counts = asyncio.Lock(), _Counts({}, ())

    def snapshot(self) -> Snapshot:
        """Return the plant's counts, with its machines as of the last `refresh`."""
        return self._plant.snapshot(self._counts.states)

    def oee_by_kind(self) -> Sequence[KindOee]:
        """Return the OEE sums of each machine type as of the last `refresh`."""
        return self._counts.kinds

    def active_faults(self) -> int | None:
        """Return how many faults there are now, as of each machine's last event; None if no type has any."""
        counts = self._plant.snapshot(self._counts.states).active_faults
        return sum(counts.values()) if counts else None

    async def refresh(self) -> None:
        """Count the machines again."""
        self._counts = await self._until_consistent(self._count)

    async def oee(self, query: OeeQuery) -> OeeFigures:
        """Return the OEE figures of each machine as of one moment; raises BadQuery."""
        return await self._until_consistent(partial(self._oee_of_machines, query))

    async def anomalies(self, query: AnomalyQuery) -> Anomalies:
        """Return the episodes of faults that a query asks for; raises BadQuery."""
        return await self._until_consistent(partial(self._episodes, query))

    async def _until_consistent(self, read: Callable[[], Awaitable[_T]]) -> _T:
        """Read again where a reload came between. One read at a time."""
        async with self._reading:
            while True:
                with contextlib.suppress(SnapshotOutdated):
                    return await read()

    async def _count(self) -> _Counts:
        parts = [part async for part in in_turns(self._plant.count_in_groups())]
        states = sum((part.states for part in parts), Counter[tuple[str, str]]())
        return _Counts(states, sum_kinds([part.oee] for part in parts))

    async def _episodes(self, query: AnomalyQuery) -> Anomalies:
        """Read those that go on, and then those that have ended, so that none is missed that ends meanwhile."""
        groups = [group async for group in in_turns(self._plant.active_faults())]
        goes_on = [[(group.kind, each) for each in group.episodes] for group in groups]
        active = [query.selected(each) async for each in in_turns(goes_on)]
        ended, places = ([], set()) if query.is_open else (self._ended.kept, self._ended.places)
        parts = [part async for part in in_turns(map(query.selected, chunks(ended, _SELECTED_PER_TURN)))]
        still: list[list[tuple[Place, FaultEpisode]]] = [
            [each for each in part if each[0] not in places] for part in active
        ]
        found: list[Entry] = []
        in_order = islice(merge(*parts, *still), query.limit and query.limit + 1)
        async for some in in_turns(chunks(in_order)):
            found += entries(some)
        more = query.limit is not None and len(found) > query.limit
        why_none = "" if found else unknown(query, self._known_names(query), chain(ended, *goes_on))
        return Anomalies(self._plant.now, found[: query.limit], more, self._ended.dropped, why_none)

    def _known_names(self, query: AnomalyQuery) -> KnownNames:
        config = self._plant.config
        faults = {name: None for _, name in self._plant.snapshot(self._counts.states).active_faults}
        return KnownNames(
            machine_ids(config),
            sum(count for _, _, count in config.machines()),
            query.machine_id is not None and is_machine(config, query.machine_id),
            [each.kind for each in self._plant.machine_types()],
            sorted(faults),
        )

    async def _oee_of_machines(self, query: OeeQuery) -> OeeFigures:
        try:
            snapshot = self._plant.oee_snapshot(query.span, query.which)
        except NoSuchMachine as error:
            raise BadQuery(str(error)) from None
        entries: list[MachineEntry] = []
        with contextlib.closing(snapshot.figures()) as chunks:
            async for chunk in in_turns(chunks):
                entries += [machine_entry(place, machine) for place, machine in chunk]
        return OeeFigures(
            self._plant.start, snapshot.now_ms / 1000, entries, snapshot.more, self._plant.machine_types()
        )


class MachineReader:
    """Reads the machines of a plant."""

    def __init__(self, plant: FactoryMessageGenerator) -> None:
        self._plant = plant

    async def machines(self, query: ViewQuery) -> MachinesFound:
        """Return machines, each group of them as of its own moment; raises BadQuery."""
        self._check(query)
        while True:
            with contextlib.suppress(SnapshotOutdated):
                return await self._read(query)

    def machine(self, machine_id: str) -> MachineFound:
        """Return one machine with its signals, as of now."""
        found = self._plant.views().machine(machine_id)
        if found is not None:
            return MachineFound(machine_json(found))
        config = self._plant.config
        if is_machine(config, machine_id):
            return MachineFound(None)
        near = near_ids(config, machine_id)
        # Those that are near are not all that there are.
        advice = suggestion(machine_id, near).replace("known names", "some ids", 1) if near else "there is none"
        return MachineFound(None, f"no machine has the id {quote(machine_id)}; {advice}")

    async def _read(self, query: ViewQuery) -> MachinesFound:
        limit, entries = query.which.limit, list[MachineEntry]()
        try:
            with contextlib.closing(self._plant.views().machines(query)) as groups:
                async for group in in_turns(groups):
                    entries += machine_entries(group)
                    if limit is not None and len(entries) > limit:
                        break
        except NoSuchMachine as error:
            raise BadQuery(str(error)) from None
        return MachinesFound(self._plant.now, entries[:limit], limit is not None and len(entries) > limit)

    def _check(self, query: ViewQuery) -> None:
        """Raise BadQuery where the plant has no such state, or no such fault."""
        config = self._plant.config
        if query.state is not None:
            _known("state", query.state, known_states(config))
        if query.cause is not None:
            _known("fault", query.cause, known_causes(config))


def _known(parameter: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        advice = suggestion(name, known) if known else "there is none"
        raise BadQuery(f"{parameter}: no such {parameter}; {advice}")
