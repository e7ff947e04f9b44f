"""OEE as a consumer of the messages computes it, to be held against the ground truth.

Nothing but the messages is read, and what is on the nameplate of a machine: its ideal cycle, its producing state, its
planned stops. A state holds until the next message of the machine reports another one. Performance is that of whole
jobs, each from the result before it to its own: one that had begun before the first message would count with its whole
ideal cycle and little of its time, which is several hundred per cent. So the figures are those of a dashboard
(docs/oee.md), with its errors: a change of state is seen up to a period late, and a message that is not delivered is
missing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import NamedTuple

import orjson

from plant.telemetry import KindOee, MachineTypeInfo, Message, machine_of

Places = tuple[str, ...]
"""The keys on the way to a value: `data.status` is ("data", "status")."""


class _Role(NamedTuple):
    """What the messages of one class report. status: None where another class reports it better."""

    status: Places | None
    job_kind: Places | None
    result: Places | None


class Nameplate(NamedTuple):
    """What is known of the machines of a type without any message.

    producing: the state in which they work.  ideal_seconds: of the shortest job; ideal_of_kind: of each kind, where
    they differ.
    """

    producing: str
    ideal_seconds: float
    ideal_of_kind: Mapping[str, float]


class _Sums:
    """What the messages of a type add up to.

    latest: time and state of each machine's last message.  whole_ms, whole_ideal_seconds: how long whole jobs were
    worked on, and how long they take at the ideal speed.
    """

    def __init__(self, info: MachineTypeInfo, plate: Nameplate) -> None:
        self.plate = plate
        self._planned_stops, self._good = frozenset(info.planned_stops), frozenset(info.good)
        self.latest: dict[str, tuple[int, str]] = {}
        self.milliseconds: Counter[str] = Counter()
        self.results: Counter[str] = Counter()
        self.whole_ms, self.whole_ideal_seconds = 0, 0.0
        self._in_work_ms: dict[str, int] = {}

    def observe(self, machine_id: str, time_ms: int, status: str) -> None:
        """Count the time up to this message in the state of the one before."""
        before = self.latest.get(machine_id)
        if before is not None and time_ms >= before[0]:
            self.milliseconds[before[1]] += time_ms - before[0]
            if before[1] == self.plate.producing and machine_id in self._in_work_ms:
                self._in_work_ms[machine_id] += time_ms - before[0]
        self.latest[machine_id] = time_ms, status

    def finish(self, machine_id: str, job_kind: str | None, result: str) -> None:
        """Count a finished job; how long the first one of a machine took is not known."""
        self.results[result] += 1
        took_ms = self._in_work_ms.get(machine_id)
        self._in_work_ms[machine_id] = 0
        if took_ms is not None:
            self.whole_ms += took_ms
            self.whole_ideal_seconds += self.plate.ideal_of_kind.get(job_kind or "", self.plate.ideal_seconds)

    def figures(self, kind: str) -> KindOee:
        """Return the sums as figures of a type; what is not finished yet counts at the speed of whole jobs."""
        plate = self.plate
        seconds = {state: count / 1000 for state, count in self.milliseconds.items()}
        return KindOee(
            kind=kind,
            machines=len(self.latest),
            planned_seconds=sum(each for state, each in seconds.items() if state not in self._planned_stops),
            producing_seconds=seconds.get(plate.producing, 0.0),
            stopped_seconds={state: each for state, each in seconds.items() if state != plate.producing},
            ideal_seconds=self.whole_ideal_seconds / self.whole_ms * self.milliseconds[plate.producing],
            results=dict(self.results),
            good=sum(count for result, count in self.results.items() if result in self._good),
        )


class ReportedOee:
    """The figures of each machine type whose messages report states and jobs, from the messages that are added.

    types: how to read them.  plates: by type; those without machines have none.
    start_ms: plant time of the first message that counts; None before there is one.
    """

    def __init__(self, types: Iterable[MachineTypeInfo], plates: Mapping[str, Nameplate]) -> None:
        self._roles: dict[str, _Role] = {}
        self._sums: dict[str, _Sums] = {}
        self._sums_of: dict[str, _Sums] = {}
        self.start_ms: int | None = None
        for info in types:
            roles = _roles(info)
            if info.kind in plates and any(each.result for each in roles.values()):
                self._sums[info.kind] = sums = _Sums(info, plates[info.kind])
                self._roles |= roles
                self._sums_of |= dict.fromkeys(roles, sums)

    def add(self, messages: Sequence[Message]) -> None:
        """Count messages, each once, in order of time for each machine."""
        roles = self._roles
        for message in messages:
            if (role := roles.get(message.kind)) is not None:
                self._add(message, role)

    def figures(self) -> list[KindOee]:
        """Return the figures of each type of which a whole job was seen."""
        return [sums.figures(kind) for kind, sums in self._sums.items() if sums.whole_ms]

    def _add(self, message: Message, role: _Role) -> None:
        content, sums = orjson.loads(message.payload), self._sums_of[message.kind]
        if self.start_ms is None:
            self.start_ms = message.time_ms
        status = _at(content, role.status)
        if isinstance(status, str):
            sums.observe(machine_of(message), message.time_ms, status)
        result = _at(content, role.result)
        if result is not None:
            job_kind = _at(content, role.job_kind)
            sums.finish(machine_of(message), job_kind if isinstance(job_kind, str) else None, str(result))


def _at(content: object, places: Places | None) -> object:
    """Return the value at a place; None where there is none."""
    if places is None:
        return None
    for key in places:
        if not isinstance(content, dict):
            return None
        content = content.get(key)
    return content


def _roles(info: MachineTypeInfo) -> dict[str, _Role]:
    """Return what each class of messages reports, by the kind of its messages; the states by one class alone."""
    if not info.messages:
        found = _places(info.fields)
        return {info.kind: _Role(found.get("status"), found.get("job_kind"), found.get("finished_result"))}
    places = {each.name: _places(each.fields) for each in info.messages}
    timed = [each for each in info.messages if "status" in places[each.name]]
    best = min(timed, key=lambda each: (each.on_change, each.period_seconds or inf), default=None)
    return {
        f"{info.kind}.{name}" if name else info.kind: _Role(
            found.get("status") if best is not None and name == best.name else None,
            found.get("job_kind"),
            found.get("finished_result"),
        )
        for name, found in places.items()
    }


def _places(fields: Mapping[str, str]) -> Mapping[str, Places]:
    by_role: defaultdict[str, Places] = defaultdict(tuple)
    for place, role in fields.items():
        by_role.setdefault(role, tuple(place.split(".")))
    return dict(by_role)
