"""Find the machine and the class of messages that a message is of, where a type has several or unusual keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cli.verify.input.message_keys import ClassInfo, TypeInfo, flattened

MachineAt = Callable[[tuple[str, str | None]], str | None]
"""Returns the only machine of a type at a station; None if there is no such machine."""


class Found(NamedTuple):
    """The machine and class of a message, and its values by their places."""

    machine_id: str
    info: ClassInfo
    values: Mapping[str, Any]


class MessageFinder:
    """Finds machine and class by the places of the values, by constants among them, and by the topic if it is known.

    kind_of: returns the type of a machine, None if there is no such machine.
    """

    def __init__(
        self, types: Mapping[str, TypeInfo], kind_of: Callable[[str], str | None], machine_at: MachineAt
    ) -> None:
        self._classes = [(kind, each) for kind, info in types.items() for each in info.classes]
        self._kind_of, self._machine_at = kind_of, machine_at

    def find(self, message: Mapping[str, Any], topic: str | None) -> Found | None:
        """Return what a message is of; None if it is of none of the classes, or of which machine is unknown."""
        if not self._classes:
            return None
        values = flattened(message)
        fitting = [(kind, each) for kind, each in self._classes if each.fits(values)]
        if topic is not None and len(fitting) > 1:
            fitting = [found for found in fitting if found[1].topic.fullmatch(topic)] or fitting
        return next(self._of_known_machines(fitting, values, topic or ""), None)

    def _of_known_machines(
        self, fitting: Sequence[tuple[str, ClassInfo]], values: Mapping[str, Any], topic: str
    ) -> Iterator[Found]:
        for kind, info in fitting:
            match = info.topic.fullmatch(topic)
            machine_id = self._machine(kind, info, values, match.groupdict() if match else {})
            if machine_id is not None and self._kind_of(machine_id) in (kind, None):
                yield Found(machine_id, info, values)

    def _machine(
        self, kind: str, info: ClassInfo, values: Mapping[str, Any], groups: Mapping[str, str | None]
    ) -> str | None:
        if info.keys.machine_id:
            return _text(values.get(info.keys.machine_id))
        if (machine_id := groups.get("machine_id")) is not None:
            return machine_id
        station = _text(values.get(info.keys.station)) if info.keys.station else groups.get("station_id")
        return self._machine_at((kind, station)) if station is not None else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
