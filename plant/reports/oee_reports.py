"""OEE reports: the true OEE figures of each machine since the start, as retained messages at a regular period."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import orjson

from plant.definition.event_kinds import OeeReport
from plant.machines.states import NEVER
from plant.machines.timestamp_prefix import TimestampPrefix
from plant.telemetry import MachineOee, Message

KIND: Final = "oee"
TOPICS: Final = {KIND: "{prefix}/{machine_id}"}
"""Default topic."""

_FIGURES: Final = ("availability", "performance", "quality", "oee")

_GROUP_SIZE: Final = 50
_LONGEST_GROUP_GAP_MS: Final = 50


class Reports:
    """Emits the figures of all machines every `report_seconds`, at whole multiples of it since 1970.

    Fifty machines report together, and the next fifty 50 ms later, or sooner if that would take longer than the period.
    Without groups, thousands of reports of a large plant would be due at one moment and overflow the queue.
    """

    def __init__(self) -> None:
        self._round_begins_ms, self._period_ms = NEVER, 0
        self._group, self._groups, self._group_gap_ms = 0, 1, 0
        self._timestamp_prefix = TimestampPrefix()
        self._sequences: Counter[str] = Counter()

    @property
    def next_ms(self) -> int:
        """The time at which the next group is due; NEVER while reports are not configured."""
        return self._round_begins_ms + self._group * self._group_gap_ms

    @property
    def places(self) -> range:
        """The machines of that group, counted from 0 over all types of the whole plant."""
        return range(self._group * _GROUP_SIZE, (self._group + 1) * _GROUP_SIZE)

    def apply(self, spec: OeeReport | None, machines: int, now_ms: int) -> None:
        """Apply a configuration from now on. machines: their number in the whole plant."""
        if spec is None or not spec.enabled:
            self._round_begins_ms, self._group = NEVER, 0
            return
        period_ms, groups = round(spec.report_seconds * 1000), max(1, -(-machines // _GROUP_SIZE))
        if self._round_begins_ms < NEVER and (period_ms, groups) == (self._period_ms, self._groups):
            return
        self._period_ms, self._groups, self._group_gap_ms = (
            period_ms,
            groups,
            min(_LONGEST_GROUP_GAP_MS, period_ms // groups),
        )
        self._round_begins_ms, self._group = (now_ms // period_ms + 1) * period_ms, 0

    def emit(self, machines: Iterable[MachineOee]) -> list[Message]:
        """Return the messages due at `next_ms`. machines: the figures of the machines at `places` at that moment."""
        messages = [self._message(machine) for machine in machines]
        self._next_group()
        return messages

    def skip_to(self, until_ms: int) -> None:
        """Drop the messages that are due up to a time."""
        while self.next_ms <= until_ms:
            self._next_group()

    def _next_group(self) -> None:
        self._group += 1
        if self._group == self._groups:
            self._round_begins_ms, self._group = self._round_begins_ms + self._period_ms, 0

    def _message(self, machine: MachineOee) -> Message:
        source = report_source(machine.machine_id)
        self._sequences[source] += 1
        payload = self._timestamp_prefix(self.next_ms) + orjson.dumps(_fields(machine))[1:]
        return Message(KIND, source, None, self.next_ms, self._sequences[source], payload)


def report_source(machine_id: str) -> str:
    """Return the source of the reports of a machine: not its own id, which is the source of its regular messages."""
    return f"{KIND}/{machine_id}"


def _fields(machine: MachineOee) -> dict[str, Any]:
    figures = {name: getattr(machine, name) for name in _FIGURES}
    return {
        "machine_id": machine.machine_id,
        "machine_type": machine.kind,
        "planned_seconds": machine.planned_seconds,
        "producing_seconds": machine.producing_seconds,
        "ideal_cycle_seconds": machine.ideal_cycle_seconds,
        "jobs": machine.jobs,
        "good": machine.good,
        **{name: None if value is None else round(value, 4) for name, value in figures.items()},
    }
