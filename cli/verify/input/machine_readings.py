"""A machine over time: which classes of its messages report states, jobs and changes, as reloads may change that."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from operator import attrgetter
from typing import Final, NamedTuple, Self

from cli.verify.forms.message_keys import ClassInfo, TypeInfo
from cli.verify.forms.type_history import Edition, TypeHistory
from cli.verify.input.timeline import MachineParameters, Timeline

_until: Final = attrgetter("until_ms")


IsNamed = Callable[[str, ClassInfo, MachineParameters], bool]
"""Returns whether messages of a class name the machine that they are of, while that has some parameters."""


class Mode(Enum):
    """How messages report the state: once a period, at its changes, or not at all."""

    REGULAR = auto()
    CHANGES = auto()
    UNSEEN = auto()


class Stretch(NamedTuple):
    """A time in which a machine exists and its messages report the state in one way."""

    since_ms: float
    until_ms: float
    mode: Mode


@dataclass(frozen=True, slots=True)
class Readings:
    """What the classes of messages report after one moment and up to another, by their names.

    time_class: the one that reports states; None if none does.  by_changes: whether it does at their changes alone.
    job_class: the one that reports finished jobs; None if none does.
    constant_status: the state of a machine that has none, which no message reports.
    change_classes: those that report changes of the state.  untimed_classes: those whose messages have no time.
    """

    since_ms: float
    until_ms: float
    time_class: str | None
    by_changes: bool
    job_class: str | None
    constant_status: str | None
    change_classes: frozenset[str]
    untimed_classes: frozenset[str]

    @classmethod
    def of(cls, edition: Edition) -> Readings:
        """Return them from what is known of a type."""
        info, time_class = edition.info, edition.info.time_class
        return cls(
            edition.since_ms,
            edition.until_ms,
            time_class.name if time_class else None,
            by_changes=time_class is not None and time_class.on_change,
            job_class=info.classes[0].name if info.classes and info.reports_jobs else None,
            constant_status=info.constant_status,
            change_classes=frozenset(each.name for each in info.classes if each.on_change and each.keys.status),
            untimed_classes=frozenset(each.name for each in info.classes if not each.timestamp),
        )

    @property
    def mode(self) -> Mode:
        """How the state is reported."""
        if self.time_class is None:
            return Mode.UNSEEN
        return Mode.CHANGES if self.by_changes else Mode.REGULAR


class Machine:
    """A machine with classes of messages.

    history: how to read its messages.  is_named: whether messages of a class name it while it has some parameters.
    class_timelines: by class, its parameters while messages name it, with the period of the class.
    nameless: the classes whose messages do not name it all the time, so that nothing is known to be missing.
    """

    def __init__(self, machine_id: str, timeline: Timeline, history: TypeHistory, is_named: IsNamed) -> None:
        self.machine_id, self.timeline = machine_id, timeline
        self._infos = [each.info for each in history.editions]
        self.readings = [Readings.of(each) for each in history.editions]
        self.nameless: set[str] = set()
        self.class_timelines = self._class_timelines(history, is_named)

    @classmethod
    def of(
        cls, machine_id: str, timeline: Timeline, types: Mapping[str, TypeHistory], is_named: IsNamed
    ) -> Self | None:
        """Return a machine; None if its messages are usual all the time, or it is not known how to read them."""
        history = _history_of(timeline, types)
        if history is None or not history.last.classes:
            return None
        return cls(machine_id, timeline, history, is_named)

    @property
    def info(self) -> TypeInfo:
        """What is known of its type at last."""
        return self._infos[-1]

    def source(self, class_name: str) -> str:
        """Return the source of a class of its messages."""
        return f"{self.machine_id}/{class_name}" if class_name else self.machine_id

    def classes_named(self, name: str) -> Iterator[ClassInfo]:
        """Yield what is known of a class over time."""
        return (each for info in self._infos for each in info.classes if each.name == name)

    def readings_at(self, time_ms: float) -> Readings:
        """Return what the classes report at a moment."""
        if len(self.readings) == 1:
            return self.readings[0]
        return self.readings[min(bisect_left(self.readings, time_ms, key=_until), len(self.readings) - 1)]

    def readings_between(self, since_ms: float, until_ms: float) -> Iterator[Readings]:
        """Yield what the classes report in a span, each without the time outside it."""
        for each in self.readings:
            begins_ms, ends_ms = max(since_ms, each.since_ms), min(until_ms, each.until_ms)
            if begins_ms < ends_ms:
                yield replace(each, since_ms=begins_ms, until_ms=ends_ms)

    def reports_jobs(self, since_ms: float, until_ms: float) -> bool:
        """Return whether finished jobs are reported in all of a span."""
        classes = {each.job_class for each in self.readings_between(since_ms, until_ms)}
        return None not in classes and not classes & self.nameless

    def stretches(self, since_ms: float, until_ms: float) -> Iterator[Stretch]:
        """Yield the parts of a span in which the machine exists and reports its state in one way."""
        for presence in self.timeline.presences:
            last: Stretch | None = None
            for each in self.readings_between(max(since_ms, presence.since_ms), min(until_ms, presence.until_ms)):
                if last is not None and last.mode is each.mode:
                    last = last._replace(until_ms=each.until_ms)
                    continue
                if last is not None:
                    yield last
                last = Stretch(each.since_ms, each.until_ms, each.mode)
            if last is not None:
                yield last

    def state_timeline(self) -> Timeline:
        """Return its parameters, each with the period of the class that reports states."""
        found = Timeline()
        for each in self.readings:
            if each.time_class is None:
                continue
            for parameters in self.class_timelines.get(each.time_class, ()):
                since_ms, until_ms = max(parameters.since_ms, each.since_ms), min(parameters.until_ms, each.until_ms)
                if since_ms < until_ms:
                    found.extend(parameters._replace(since_ms=since_ms, until_ms=until_ms))
        return found

    def reports_states(self, states: Iterable[str]) -> bool:
        """Return whether messages report all of these states: none does of a machine that has no states of its own."""
        constants = {each.constant_status for each in self.readings}
        return constants == {None} or not {*states} - constants

    def is_expected(self, since_ms: float, until_ms: float) -> bool:
        """Return whether a span is long enough for a message."""
        return any(each.is_expected(since_ms, until_ms) for each in self.class_timelines.values())

    def _class_timelines(self, history: TypeHistory, is_named: IsNamed) -> Mapping[str, Timeline]:
        found: defaultdict[str, Timeline] = defaultdict(Timeline)
        for each in self.timeline:
            for since_ms, until_ms, info in history.between(each.since_ms, each.until_ms):
                piece = each._replace(since_ms=since_ms, until_ms=until_ms).of_type(info)
                for its in info.classes:
                    if not is_named(self.machine_id, its, piece):
                        self.nameless.add(its.name)
                    else:
                        found[its.name].extend(piece._replace(period_ms=its.period_ms or each.period_ms))
        return found


def _history_of(timeline: Timeline, types: Mapping[str, TypeHistory]) -> TypeHistory | None:
    """Return how to read a machine's messages while it exists; None if that is not known of one of its types."""
    if any(each.kind not in types for each in timeline):
        return None
    found = TypeHistory()
    for each in timeline:
        for edition in types[each.kind].between(each.since_ms, each.until_ms):
            found.add(edition.since_ms, edition.info)
    return found.in_classes()
