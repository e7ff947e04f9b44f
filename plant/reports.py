"""The truth as messages: what each machine's time came to since the start, said now and then and retained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import orjson

from plant.cadence import RowStart
from plant.machine import NEVER
from plant.structure import OeeReport
from plant.telemetry import MachineOee, Message

KIND: Final = "oee"
TOPICS: Final = {KIND: "{prefix}/{machine_id}"}
"""Default topic."""

_FIGURES: Final = ("availability", "performance", "quality", "oee")


class Reports:
    """Says the figures of all machines every `report_seconds`, at whole multiples of it since 1970.

    `next_ms` is when; NEVER while the YAML does not ask for it.
    """

    def __init__(self) -> None:
        self.next_ms = NEVER
        self._every_ms = 0
        self._begin = RowStart()
        self._said: Counter[str] = Counter()

    def tune(self, spec: OeeReport | None, now_ms: int) -> None:
        """Follow the YAML from now on."""
        if spec is None or not spec.enabled:
            self.next_ms = NEVER
            return
        self._every_ms = round(spec.report_seconds * 1000)
        self.next_ms = (now_ms // self._every_ms + 1) * self._every_ms

    def say(self, machines: Iterable[MachineOee]) -> list[Message]:
        """The messages due at `next_ms`, given the figures of that moment."""
        said = [self._message(machine) for machine in machines]
        self.next_ms += self._every_ms
        return said

    def pass_over(self, until_ms: int) -> None:
        """Leave out what is due up to a time."""
        while self.next_ms <= until_ms:
            self.next_ms += self._every_ms

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
