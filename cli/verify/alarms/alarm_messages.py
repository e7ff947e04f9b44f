"""Messages about alarms: whether each alarm is raised and cleared in turn, and with a value beyond its limit.

There are few of them, so they are kept in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

from cli.verify.forms.message_keys import AlarmKeys

RAISED, CLEARED = "raised", "cleared"
_HIGH: Final = "high"

SideOf = Callable[[str, str, float], str | None]
"""Returns on which side of its limit an alarm of a machine is raised at a moment, `high` or `low`; None if unknown."""


GoesOn = Callable[[str, str, float, float], bool]
"""Returns whether an alarm of a machine goes on between two moments: whether it is declared, and the machine there."""


class _Event(NamedTuple):
    time_ms: int
    line: int
    what: str
    value: float
    limit: float


class Falsehood(NamedTuple):
    """An alarm that is raised or cleared by a value that does not do that."""

    machine_id: str
    time_ms: int
    problem: str


class AlarmMessages:
    """The messages about alarms, by machine and alarm."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, str], list[_Event]] = {}
        self._only_raised: set[tuple[str, str]] = set()

    def add(self, machine_id: str, time_ms: int, line: int, message: Mapping[str, Any], keys: AlarmKeys) -> None:
        """Add a message, unless nothing can be said about it. line: where it was read.

        ValueError if a key has a wrong value.
        """
        if not keys.can_be_judged:
            return
        event, alarm = message[keys.alarm_event] if keys.alarm_event else RAISED, keys.name(message)
        value, limit = message[keys.alarm_value], message[keys.alarm_limit]
        if event not in (RAISED, CLEARED) or not isinstance(alarm, str):
            raise ValueError("no alarm that is raised or cleared")
        if not isinstance(value, int | float) or not isinstance(limit, int | float):
            raise ValueError("no number in value or limit")  # noqa: TRY004 - as for all unreadable lines
        if not keys.alarm_event:
            self._only_raised.add((machine_id, alarm))
        self._events.setdefault((machine_id, alarm), []).append(_Event(time_ms, line, event, value, limit))

    @property
    def counts(self) -> Counter[str]:
        """How often alarms were raised, and cleared; messages that came twice are counted once."""
        return Counter(event.what for key in self._events for event in self._in_order(key))

    def missing(self, goes_on: GoesOn) -> dict[str, int]:
        """Return how many messages are missing at least, by machine: those between two of the same event.

        None is missing between two where the alarm has ended without one: with its machine, or with its declaration;
        and none of alarms of which only that they are raised is reported.
        """
        found: dict[str, int] = {}
        for machine_id, alarm in self._events.keys() - self._only_raised:
            repeated = sum(
                one.what == other.what and goes_on(machine_id, alarm, one.time_ms, other.time_ms)
                for one, other in pairwise(self._in_order((machine_id, alarm)))
            )
            found[machine_id] = found.get(machine_id, 0) + repeated
        return found

    def falsehoods(self, side_of: SideOf) -> Iterator[Falsehood]:
        """Yield the messages whose value does not raise or clear the alarm, by the limit in the message."""
        for machine_id, alarm in self._events:
            for event in self._in_order((machine_id, alarm)):
                side = side_of(machine_id, alarm, event.time_ms)
                if side is None:
                    continue
                is_beyond = event.value >= event.limit if side == _HIGH else event.value <= event.limit
                if is_beyond != (event.what == RAISED):
                    problem = f"{alarm} is {event.what} at {event.value:g}, and its limit is {event.limit:g}"
                    yield Falsehood(machine_id, event.time_ms, problem)

    def _in_order(self, key: tuple[str, str]) -> Iterator[_Event]:
        """Yield the events of an alarm in order of time, each once."""
        before = None
        for event in sorted(self._events[key]):
            if event._replace(line=0) != before:
                yield event
            before = event._replace(line=0)
