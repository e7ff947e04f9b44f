"""Rows that are due and not yet made into messages, with all that their values depend on.

A machine may go on to its next events while its row waits, so that many rows can be computed at once.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from plant.fleets.reporting import REGULAR
from plant.signals.store import SignalStore


class PendingRows:
    """Rows side by side: each list has an entry a row, and each array a record a row.

    slots: of the machines.  classes: of messages, by number.  forms: why they are sent, as a place in FORMS.
    texts: what the machine's parts of the message are.  integers, floats: the records of the signals' store.
    """

    __slots__ = ("classes", "floats", "forms", "integers", "slots", "texts", "times")

    def __init__(self) -> None:
        self.times: list[int] = []
        self.slots: list[int] = []
        self.classes: list[int] = []
        self.forms: list[int] = []
        self.texts: list[tuple[bytes, ...]] = []
        self.integers = array("q")
        self.floats = array("d")

    def __len__(self) -> int:
        return len(self.times)

    def append(self, time_ms: int, slot: int, number: int, form: int, texts: tuple[bytes, ...]) -> None:
        """Append a row. number: of the class."""
        self.times.append(time_ms)
        self.slots.append(slot)
        self.classes.append(number)
        self.forms.append(form)
        self.texts.append(texts)

    def append_record(self, store: SignalStore, slot: int) -> None:
        """Append the record of a machine, for the row that was appended last."""
        integers, floats = store.layout.integers, store.layout.floats
        self.integers += store.integers[slot * integers : (slot + 1) * integers]
        self.floats += store.floats[slot * floats : (slot + 1) * floats]

    def extend(
        self, times: Sequence[int], slots: Sequence[int], number: int, texts: Sequence[tuple[bytes, ...]]
    ) -> None:
        """Append regular rows of one class; their records are appended by the caller."""
        self.times += times
        self.slots += slots
        self.classes += [number] * len(times)
        self.forms += [REGULAR] * len(times)
        self.texts += texts

    def in_order(self) -> list[int]:
        """Return the places of all rows in the order of messages: by time, machine, class, and order of appending."""
        times, slots, classes = self.times, self.slots, self.classes
        return sorted(range(len(times)), key=lambda row: (times[row], slots[row], classes[row]))
