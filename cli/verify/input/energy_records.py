"""Energy in the inputs of `verify`: what machines have used by the ground truth, and what messages report of it.

The code that writes the ground truth is not used here; the format is on the page docs/energy-truth.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cli.verify.forms.message_keys import EnergyKey
from cli.verify.forms.message_values import milliseconds
from cli.verify.input.record_store import DEFAULT_CAPACITY, RecordStore


class EnergySpan(NamedTuple):
    """What a machine has used after one moment and up to another."""

    to_ms: int
    from_ms: int
    kwh: float


class EnergyReading(NamedTuple):
    """What a message reports of the energy of its machine.

    key: where, and what it is.  class_name: of the message.  is_outside: whether it is sent outside the period, as its
    trigger says.  has_result: whether it reports a finished job, as messages outside the period may without a trigger.
    """

    time_ms: int
    key: EnergyKey
    class_name: str
    value: float
    is_outside: bool
    has_result: bool


class EnergyTruth:
    """What machines have used by a ground truth file. sites: where each is, None at none."""

    def __init__(self) -> None:
        self.sites: dict[str, str | None] = {}
        self._spans = RecordStore()
        self._reached_ms: dict[str, int] = {}

    def add(self, entry: Mapping[str, Any], line_number: int) -> None:
        """Add a line. Raise KeyError or ValueError if it is none, or does not follow the line before."""
        machine_id, from_ms, to_ms = entry["machine_id"], milliseconds(entry["from"]), milliseconds(entry["to"])
        if not self._reached_ms.get(machine_id, from_ms) <= from_ms < to_ms:
            raise ValueError(
                f"the energy of {machine_id} must follow that of the line before, and begin before it ends"
            )
        self._reached_ms[machine_id] = to_ms
        self.sites[machine_id] = entry.get("site")
        self._spans.add(machine_id, (to_ms, line_number, (from_ms, float(entry["kwh"]))))

    def spans(self, machine_id: str) -> Iterator[EnergySpan]:
        """Return what a machine has used, in order of time."""
        return (EnergySpan(to_ms, *values) for to_ms, _, values in self._spans.records(machine_id))


class EnergyMessages:
    """What messages report of the energy of their machines."""

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._readings = RecordStore(capacity)

    def add(self, machine_id: str, line_number: int, reading: EnergyReading) -> None:
        """Add a reading."""
        time_ms, key, *others = reading
        self._readings.add(machine_id, (time_ms, line_number, (*key, *others)))

    def readings(self, machine_id: str) -> Iterator[EnergyReading]:
        """Return the readings of a machine in order of time, with repeated ones."""
        for time_ms, _, (place, role, *others) in self._readings.records(machine_id):
            yield EnergyReading(time_ms, EnergyKey(place, role), *others)
