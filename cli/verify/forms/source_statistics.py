"""Statistics of the messages of a source: how many there are, when, in which order, and with which numbers."""

from __future__ import annotations

from typing import Any

from cli.verify.forms.consecutive_numbers import Numbers
from cli.verify.forms.message_finder import Named
from cli.verify.forms.message_keys import ClassInfo, EnergyKey, KeyNames
from cli.verify.forms.message_lines import NotAMessage


class SourceStatistics:
    """Statistics of the messages of a source: number, first and last time, and how many are older than an earlier one.

    machine_id: the machine.  class_name: of its messages, None where they are usual.  untimed: messages without a time.
    of_topics: classes whose messages are known by their topics, by what these name.
    energy: where its messages report energy; None if they do not, or its class is known.
    repeated_numbers: how many numbers of messages came again.  with_trigger: how many messages have a trigger.
    """

    __slots__ = (
        "_numbers", "class_name", "content", "energy", "first_ms", "keys", "last_ms", "machine_id", "messages",
        "of_topics", "out_of_order", "repeated_numbers", "untimed", "with_trigger",
    )  # fmt: skip

    def __init__(self, machine_id: str, keys: KeyNames, time_ms: int, class_name: str | None = None) -> None:
        self.machine_id, self.keys, self.class_name = machine_id, keys, class_name
        self.first_ms = self.last_ms = time_ms
        self.messages = self.untimed = self.out_of_order = self.with_trigger = self.repeated_numbers = 0
        self._numbers: dict[float, Numbers] = {}
        self.of_topics: dict[Named, list[ClassInfo]] = {Named.MACHINE: [], Named.STATION: []}
        self.content: tuple[Any, ...] = ()
        self.energy: EnergyKey | None = None

    @property
    def has_times(self) -> bool:
        """Whether any of its messages has a time."""
        return self.messages > self.untimed

    def count(self, time_ms: int, trigger: str = "") -> None:
        """Count a message."""
        if self.messages == self.untimed:
            self.first_ms = self.last_ms = time_ms
        self.messages += 1
        self.with_trigger += bool(trigger)
        if time_ms >= self.last_ms:
            self.last_ms = time_ms
        else:
            self.out_of_order += 1
            self.first_ms = min(time_ms, self.first_ms)

    def count_number(self, number: object, key: str, since_ms: float) -> None:
        """Count the number of a message, from which missing ones follow.

        key: where it is.  since_ms: from when on messages have it there; before, some may have had none.
        """
        if not isinstance(number, int):
            raise NotAMessage(f"no whole number in {key}")
        numbers = self._numbers.get(since_ms)
        if numbers is None:
            self._numbers[since_ms] = Numbers(number)
        else:
            self.repeated_numbers += not numbers.add(number)

    @property
    def is_numbered(self) -> bool:
        """Whether any of its messages has a number."""
        return bool(self._numbers)

    @property
    def missing_numbers(self) -> int:
        """How many numbers between those of messages no message has."""
        return sum(each.missing for each in self._numbers.values())
