"""Makes the messages of alarms, and puts them among the other messages of a fleet."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from plant.alarms.alarm_states import CLEARED, RAISED, AlarmEvent, AlarmStates
from plant.definition.alarms.alarm_type import AlarmType
from plant.definition.machine_types.field_sources import Field, FieldSource
from plant.definition.machine_types.machine_type import MachineType, MessageClass
from plant.jobs.jobs import json_text
from plant.machines.machine import Machine
from plant.machines.message_layout import layout_of, tokens
from plant.machines.timestamp_prefix import TimestampPrefix, TimestampValue
from plant.signals.laws.json_text import number_text
from plant.signals.laws.program import SignalProgram
from plant.telemetry import Message, class_source

Text = Callable[[Machine, AlarmEvent, int], bytes]
"""Makes the JSON of a key for a machine, what has happened, and the number of the message."""


class AlarmReporter:
    """The alarms of the machines of one type, and their messages.

    machines: by slot.  advancing: the number of the class of messages at whose regular ones alarms are evaluated.
    counts: events so far, by alarm and event.
    """

    __slots__ = ("_classes", "_emitted", "advancing", "states")

    def __init__(
        self,
        machine_type: MachineType,
        program: SignalProgram,
        advancing: int,
        machines: Sequence[Machine],
        counts: Counter[tuple[str, str]],
    ) -> None:
        self.states: Final = AlarmStates(machine_type.alarms, program, len(machines), counts)
        self.advancing: Final = advancing
        self._emitted = Counter[str]()
        self._classes = {each.kind: _AlarmClass(each, machine_type, machines) for each in machine_type.alarm_messages}

    def continue_from(self, earlier: AlarmReporter, kept: int) -> None:
        """Take over the alarms of the first machines, and their counts of messages, from before a reload."""
        self.states.continue_from(earlier.states, kept)
        for kind, each in self._classes.items():
            if kind in earlier._classes:
                each.counts[:kept] = earlier._classes[kind].counts[:kept]

    def with_messages(
        self, slots: Sequence[int], messages: Sequence[Message], events: Sequence[tuple[int, AlarmEvent]]
    ) -> tuple[list[int], list[Message]]:
        """Return slots and messages with those of events, each after all of its machine at its time.

        events: in order, each with the place among the messages of the one that has caused it.
        """
        all_slots: list[int] = []
        all_messages: list[Message] = []
        done = 0
        reported = [each for each in events if self._classes[each[1].limit.alarm.kind].reports(each[1])]
        self._emitted.update(event.limit.alarm.kind for _, event in reported)
        for place, event in reported:
            after = _end_of_moment(slots, messages, place)
            all_slots += slots[done:after]
            all_messages += messages[done:after]
            all_slots.append(event.slot)
            all_messages.append(self._classes[event.limit.alarm.kind].message(event))
            done = after
        return [*all_slots, *slots[done:]], [*all_messages, *messages[done:]]

    def take_emitted(self) -> Mapping[str, int]:
        """Return the number of messages since the last call, by kind."""
        emitted, self._emitted = self._emitted, Counter()
        return emitted

    @property
    def class_counts(self) -> dict[str, array[int]]:
        """The number of messages so far of each machine, by the name of their class."""
        return {each.name: each.counts for each in self._classes.values()}


def _end_of_moment(slots: Sequence[int], messages: Sequence[Message], place: int) -> int:
    """Return the place after all messages of the same machine and time."""
    slot, time_ms = slots[place], messages[place].time_ms
    while place < len(slots) and slots[place] == slot and messages[place].time_ms == time_ms:
        place += 1
    return place


class _AlarmClass:
    """A class of messages of alarms. counts: messages so far, by slot."""

    __slots__ = ("_kind", "_machines", "_prefix", "_reports_cleared", "_texts", "counts", "name")

    def __init__(self, message_class: MessageClass, machine_type: MachineType, machines: Sequence[Machine]) -> None:
        self.name, self._kind, self._machines = message_class.name, message_class.kind, machines
        self._prefix = TimestampPrefix(message_class.timestamp, message_class.form)
        units = {name: json.dumps(spec.unit).encode() for name, spec in machine_type.signals.items()}
        self._texts = [*_texts(message_class, units)]
        self._reports_cleared = message_class.reports_cleared
        self.counts = array("q", bytes(8 * len(machines)))

    def reports(self, event: AlarmEvent) -> bool:
        """Return whether an event has a message."""
        return event.is_raised or self._reports_cleared

    def message(self, event: AlarmEvent) -> Message:
        """Return the next message of a machine."""
        machine = self._machines[event.slot]
        self.counts[event.slot] = count = self.counts[event.slot] + 1
        texts = (each if isinstance(each, bytes) else each(machine, event, count) for each in self._texts)
        payload = self._prefix(event.time_ms) + b"".join(texts)
        source = class_source(machine.id, self.name)
        return Message(self._kind, source, machine.station, event.time_ms, count, payload)


def _texts(message_class: MessageClass, units: Mapping[str, bytes]) -> Iterator[bytes | Text]:
    """Yield the parts of a message after a timestamp at its beginning. units: by signal."""
    head = b""
    for each in tokens(message_class.timestamp, message_class.fields):
        if isinstance(each, bytes):
            head = each
        elif each.source is FieldSource.TIMESTAMP:
            yield _time(TimestampValue(head, each.detail))
            head = b""
        else:
            yield from (head, _text(each, units))
            head = b""
    yield head


def _time(timestamp: TimestampValue) -> Text:
    return lambda _machine, event, _count: timestamp(event.time_ms)


def _text(field: Field, units: Mapping[str, bytes]) -> Text:
    """Return what makes the JSON of a key. units: by signal."""
    of_event: Mapping[FieldSource, Callable[[AlarmEvent], bytes]] = {
        FieldSource.ALARM: lambda event: json_text(event.limit.alarm.name),
        FieldSource.ALARM_SIGNAL: lambda event: json_text(event.limit.alarm.signal),
        FieldSource.ALARM_EVENT: lambda event: json_text(RAISED if event.is_raised else CLEARED),
        FieldSource.ALARM_SIDE: lambda event: json_text(event.limit.alarm.side.yaml_name),
        FieldSource.ALARM_SEVERITY: lambda event: json_text(event.limit.alarm.severity),
        FieldSource.ALARM_VALUE: lambda event: number_text(event.limit.unit)(event.digits),
        FieldSource.ALARM_LIMIT: lambda event: limit_text(event.limit.alarm, event.limit.unit),
        FieldSource.ALARM_UNIT: lambda event: units[event.limit.alarm.signal],
    }
    if field.source in of_event:
        make = of_event[field.source]
        return lambda _machine, event, _count: make(event)
    if field.source is FieldSource.SEQUENCE:
        return lambda _machine, _event, count: b"%d" % count
    layout = layout_of([field])
    return lambda machine, _event, _count: layout.text(machine)


def limit_text(alarm: AlarmType, unit: int) -> bytes:
    """Return the JSON of a limit: without decimals where the signal has none, and the limit needs none."""
    return json.dumps(int(alarm.limit) if unit == 1 and alarm.limit.is_integer() else alarm.limit).encode()
