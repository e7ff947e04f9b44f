"""Figures of the machines, for `/metrics`, `/healthz` and `/oee`: read bit by bit, in turns with the run loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from edge.http.oee_answer import machine_entry
from edge.http.shared_work import in_turns
from edge.oee_sums import sum_kinds
from edge.status import BadQuery, MachineEntry, OeeFigures, OeeQuery
from messages import FactoryMessageGenerator, NoSuchMachine, SnapshotOutdated
from plant.telemetry import KindOee, Snapshot

_T = TypeVar("_T")


class _Counts(NamedTuple):
    """The machines as last counted: the number of a kind in a state, and the OEE sums of each kind."""

    states: Mapping[tuple[str, str], int]
    kinds: Sequence[KindOee]


class MachineFigures:
    """Reads the figures of a plant's machines."""

    def __init__(self, plant: FactoryMessageGenerator) -> None:
        self._plant = plant
        self._reading, self._counts = asyncio.Lock(), _Counts({}, ())

    def snapshot(self) -> Snapshot:
        """Return the plant's counts, with its machines as of the last `refresh`."""
        return self._plant.snapshot(self._counts.states)

    def oee_by_kind(self) -> Sequence[KindOee]:
        """Return the OEE sums of each machine type as of the last `refresh`."""
        return self._counts.kinds

    async def refresh(self) -> None:
        """Count the machines again."""
        self._counts = await self._until_consistent(self._count)

    async def oee(self, query: OeeQuery) -> OeeFigures:
        """Return the OEE figures of each machine as of one moment; raises BadQuery."""
        return await self._until_consistent(partial(self._oee_of_machines, query))

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
