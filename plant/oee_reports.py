"""The truth as messages: what each machine's time came to since the start, said now and then and retained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import orjson

from plant.definition.plant_config import OeeReport
from plant.machines.states import NEVER
from plant.machines.timestamp_prefix import TimestampPrefix
from plant.telemetry import MachineOee, Message

KIND: Final = "oee"
TOPICS: Final = {KIND: "{prefix}/{machine_id}"}
"""Default topic."""

_FIGURES: Final = ("availability", "performance", "quality", "oee")


_GROUP: Final = 50
_GROUP_MS: Final = 50


class Reports:
    """Says the figures of all machines every `report_seconds`, from whole multiples of it since 1970 on.

    Fifty machines report together, and the next fifty 50 ms later, or sooner where that would take longer than the
    period: those of a large plant would else come by the thousand in one moment, and find no room in any queue.
    `next_ms` is when; NEVER while the YAML does not ask for it.
    """

    def __init__(self) -> None:
        self._turn_ms, self._every_ms = NEVER, 0
        self._group, self._groups, self._apart_ms = 0, 1, 0
        self._begin = TimestampPrefix()
        self._said: Counter[str] = Counter()

    @property
    def next_ms(self) -> int:
        """When the next group is due."""
        return self._turn_ms + self._group * self._apart_ms

    @property
    def places(self) -> range:
        """Which machines are in that group, counted from 0 over all types of the whole plant."""
        return range(self._group * _GROUP, (self._group + 1) * _GROUP)

    def apply(self, spec: OeeReport | None, machines: int, now_ms: int) -> None:
        """Follow the YAML from now on. machines: how many there are in the whole plant."""
        if spec is None or not spec.enabled:
            self._turn_ms, self._group = NEVER, 0
            return
        every_ms, groups = round(spec.report_seconds * 1000), max(1, -(-machines // _GROUP))
        if self._turn_ms < NEVER and (every_ms, groups) == (self._every_ms, self._groups):
            return
        self._every_ms, self._groups, self._apart_ms = every_ms, groups, min(_GROUP_MS, every_ms // groups)
        self._turn_ms, self._group = (now_ms // every_ms + 1) * every_ms, 0

    def emit(self, machines: Iterable[MachineOee]) -> list[Message]:
        """The messages due at `next_ms`, given the figures of that moment of the machines at `places`."""
        said = [self._message(machine) for machine in machines]
        self._go_on()
        return said

    def skip_to(self, until_ms: int) -> None:
        """Leave out what is due up to a time."""
        while self.next_ms <= until_ms:
            self._go_on()

    def _go_on(self) -> None:
        self._group += 1
        if self._group == self._groups:
            self._turn_ms, self._group = self._turn_ms + self._every_ms, 0

    def _message(self, machine: MachineOee) -> Message:
        source = report_source(machine.machine_id)
        self._said[source] += 1
        payload = self._begin(self.next_ms) + orjson.dumps(_fields(machine))[1:]
        return Message(KIND, source, None, self.next_ms, self._said[source], payload)


def report_source(machine_id: str) -> str:
    """Who says the report of a machine: another name than its own, so that it is not taken for one of its rows."""
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
