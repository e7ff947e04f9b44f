"""The meter: OEE from the messages that are delivered, while somebody asks, and the truth of the same time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import orjson

from edge.oee_sums import sum_kinds
from edge.reported.message_oee import Nameplate, ReportedOee
from edge.status import OeeFigures, OeeQuery
from plant.telemetry import KindOee, MachineFilter, Message

_KEPT_SECONDS: Final = 60.0

Listen = Callable[[Callable[[Sequence[Message]], None] | None], None]
"""Has somebody take what is delivered from now on; None: nobody any more."""


class Reported(NamedTuple):
    """OEE sums by machine type. start_ms: plant time since when, in milliseconds since 1970.

    by_messages: as messages report them.  truth: as it was, for the same types and the same time.
    """

    start_ms: int
    by_messages: Sequence[KindOee]
    truth: Sequence[KindOee]


class OeeMeter:
    """Reads messages from the first question on, and stops where nobody asks for a minute.

    listen: hands over what is delivered.  oee: reads figures of machines, for their nameplates.
    refresh, kinds: count the machines, and return the sums that were counted.  config: returns the configuration in
    force: with another one it begins again, as machines and messages may be other ones.  clock: seconds, monotonic.
    """

    def __init__(
        self,
        listen: Listen,
        oee: Callable[[OeeQuery], Awaitable[OeeFigures]],
        refresh: Callable[[], Awaitable[None]],
        kinds: Callable[[], Sequence[KindOee]],
        config: Callable[[], object],
        clock: Callable[[], float],
    ) -> None:
        self._listen, self._oee, self._refresh, self._kinds = listen, oee, refresh, kinds
        self._config, self._clock = config, clock
        self._messages = ReportedOee((), {})
        self._at_start: Mapping[str, KindOee] = {}
        self._config_read: object = None
        self._until = float("-inf")

    async def read(self) -> Reported | None:
        """Return the sums since it began; None where no message has come yet that counts."""
        is_new = self._until < self._clock() or self._config_read is not self._config()
        self._until = self._clock() + _KEPT_SECONDS
        if is_new:
            await self._begin()
        if self._messages.start_ms is None:
            return None
        by_messages = self._messages.figures()
        counted = {each.kind for each in by_messages}
        truth = [since(each, self._at_start.get(each.kind)) for each in self._kinds() if each.kind in counted]
        return Reported(self._messages.start_ms, by_messages, truth)

    async def _begin(self) -> None:
        self._config_read = self._config()
        figures = await self._oee(OeeQuery(which=MachineFilter(limit=1)))
        plates = dict[str, Nameplate]()
        for info in figures.types:
            of_type = await self._oee(OeeQuery(which=MachineFilter(info.kind, None, 1)))
            if of_type.entries:
                plates[info.kind] = _nameplate(of_type.entries[0][2])
        await self._refresh()
        self._messages = ReportedOee(figures.types, plates)
        self._at_start = {each.kind: each for each in self._kinds()}
        self._listen(self._add)

    def _add(self, messages: Sequence[Message]) -> None:
        if self._clock() > self._until:
            self._listen(None)
        else:
            self._messages.add(messages)


def merged(parts: Iterable[Reported | None]) -> Reported | None:
    """Return the sums of several parts of a plant as one; None where no part has any."""
    known = [part for part in parts if part is not None]
    if not known:
        return None
    by_messages = sum_kinds([part.by_messages for part in known])
    return Reported(min(part.start_ms for part in known), by_messages, sum_kinds([part.truth for part in known]))


def since(now: KindOee, before: KindOee | None) -> KindOee:
    """Return the sums of the time between two moments."""
    if before is None:
        return now
    results, stopped = Counter(now.results), Counter(now.stopped_seconds)
    results.subtract(before.results)
    stopped.subtract(before.stopped_seconds)
    return KindOee(
        kind=now.kind,
        machines=now.machines,
        planned_seconds=now.planned_seconds - before.planned_seconds,
        producing_seconds=now.producing_seconds - before.producing_seconds,
        stopped_seconds=stopped,
        ideal_seconds=now.ideal_seconds - before.ideal_seconds,
        results=results,
        good=now.good - before.good,
    )


def _nameplate(machine: bytes) -> Nameplate:
    """Return what is on the nameplate of a machine, by its figures as JSON."""
    figures = orjson.loads(machine)
    return Nameplate(figures["producing_state"], figures["ideal_cycle_seconds"], figures.get("ideal_cycles") or {})
