"""What the truth that rows are held against has to say, and the one that is asked for live: the sums of `/oee`."""

from __future__ import annotations

import gzip
import math
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import IO, Any, Final, Protocol, Self, cast

import orjson

from cli.verify.input.rows import USUAL_GOOD, KeyNames, TypeNames, milliseconds
from cli.verify.input.timeline import Terms, Timeline

Span = tuple[int, int]
"""From and to, in milliseconds since 1970."""

LONGEST_LINE: Final = 16 * 2**20
"""Bytes. A message has a few hundred, what a broker lets pass seldom a mebibyte."""

_ANSWER_SECONDS = 10.0
_GZIP: Final = b"\x1f\x8b"


class Unreadable(Exception):
    """What was given to verify, or to verify with, cannot be used; the text says what and why."""


@dataclass(slots=True)
class Truth:
    """What one machine did in a time. `elapsed_ms` is all of it, `planned_ms` without planned stops.

    ideal_seconds: its ideal cycle.  ideal_ms: the least that the work done could have taken.  states: time by state.
    """

    machine_id: str
    kind: str
    period_seconds: float
    ideal_seconds: float
    producing_state: str = ""
    elapsed_ms: float = 0.0
    planned_ms: float = 0.0
    producing_ms: float = 0.0
    ideal_ms: float = 0.0
    jobs: int = 0
    good: int = 0
    states: Mapping[str, float] = field(default_factory=dict)


class Reference(Protocol):
    """A truth and the time it covers."""

    @property
    def can_be_cut(self) -> bool:
        """Whether it knows of each part of its time, and not of the whole alone."""

    @property
    def span(self) -> Span:
        """The time it covers."""

    @property
    def timelines(self) -> Mapping[str, Timeline]:
        """What each machine is measured by, and when it is there."""

    @property
    def types(self) -> Mapping[str, TypeNames]:
        """What is known of the messages of each machine type; older versions did not write it."""

    def machines(self, since_ms: int, until_ms: int) -> Mapping[str, Truth]:
        """What each machine did after one moment and up to another."""


@dataclass(frozen=True, slots=True)
class Sums:
    """The answer of `GET /oee`: sums from the start of the run until now, or between two answers."""

    start_ms: int
    since_ms: int
    now_ms: int
    all: Mapping[str, Truth]
    types: Mapping[str, TypeNames] = field(default_factory=dict)
    can_be_cut: bool = False

    @classmethod
    def parse(cls, answer: bytes, where: str) -> Self:
        """Read the JSON of an answer."""
        try:
            found = orjson.loads(answer)
            if (part := found.get("span", "run")) != "run":
                raise Unreadable(f"{where}: sums of the {part}; those of the whole run are needed")
            start_ms, now_ms = milliseconds(found["start"]), milliseconds(found["now"])
            machines = {each["machine_id"]: summed_up(each) for each in found["machines"]}
            types = {kind: named(each) for kind, each in found.get("types", {}).items()}
            return cls(start_ms, start_ms, now_ms, machines, types)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            why = "not JSON" if isinstance(error, orjson.JSONDecodeError) else repr(error)
            raise Unreadable(f"{where}: neither a truth file nor the answer of /oee: {why}") from None

    @property
    def span(self) -> Span:
        """The time that is summed up."""
        return self.since_ms, self.now_ms

    @property
    def timelines(self) -> Mapping[str, Timeline]:
        """Of machines that are there since the times of their states, added up, before now."""
        return {machine_id: Timeline([self._terms(truth)]) for machine_id, truth in self.all.items()}

    def machines(self, since_ms: int, until_ms: int) -> Mapping[str, Truth]:  # noqa: ARG002 - sums are what they are
        """The sums."""
        return self.all

    def after(self, before: Self) -> Self:
        """What was added since an earlier answer of the same run."""
        if before.start_ms != self.start_ms:
            raise Unreadable("the plant began anew while we listened: its sums do not go together")
        added = {machine_id: _added(truth, before.all.get(machine_id)) for machine_id, truth in self.all.items()}
        return replace(self, since_ms=before.now_ms, all=added)

    def _terms(self, truth: Truth) -> Terms:
        measures = truth.period_seconds * 1000, truth.ideal_seconds, truth.producing_state, truth.kind
        good = self.types[truth.kind].good if truth.kind in self.types else USUAL_GOOD
        return Terms(self.now_ms - truth.elapsed_ms, math.inf, *measures, good=good)


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A file to read lines from, be it compressed by gzip or not."""
    with path.open("rb") as file:
        yield cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if file.peek(2).startswith(_GZIP) else file


def lines_of(file: IO[bytes], where: object) -> Iterator[bytes]:
    """The lines of a file; Unreadable at one that is longer than any that is meant for us."""
    for number in count(1):
        line = file.readline(LONGEST_LINE + 1)
        if not line:
            return
        if len(line) > LONGEST_LINE:
            raise Unreadable(f"{where}:{number}: a line of more than {LONGEST_LINE >> 20} MiB: neither rows nor truth")
        yield line


def fetch(url: str) -> Sums:
    """What `/oee` answers now."""
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310 - http or https, by its callers
            return Sums.parse(answer.read(), url)
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise Unreadable(f"cannot get {url}: {reason}") from None


def named(machine_type: Mapping[str, Any]) -> TypeNames:
    """What is written of the messages of a machine type."""
    return TypeNames(KeyNames.of(machine_type["fields"]), frozenset(map(str, machine_type["good"])))


def summed_up(machine: Mapping[str, Any]) -> Truth:
    """What is known of a machine whose sums are those of `/oee`."""
    states = {name: 1000 * seconds for name, seconds in machine["stopped_seconds"].items()}
    states[machine["producing_state"]] = 1000 * machine["producing_seconds"]
    return Truth(
        machine["machine_id"],
        machine["kind"],
        machine["period_seconds"],
        machine["ideal_cycle_seconds"],
        machine["producing_state"],
        elapsed_ms=sum(states.values()),
        planned_ms=1000 * machine["planned_seconds"],
        producing_ms=1000 * machine["producing_seconds"],
        ideal_ms=1000 * machine["ideal_seconds"],
        states=states,
        jobs=machine["jobs"],
        good=machine["good"],
    )


def _added(truth: Truth, before: Truth | None) -> Truth:
    if before is None or truth.elapsed_ms < before.elapsed_ms:  # a machine that has come, or come again
        return truth
    measures = ("period_seconds", "ideal_seconds", "producing_state")
    if any(getattr(truth, name) != getattr(before, name) for name in measures):
        raise Unreadable(
            f"{truth.machine_id} was changed by a reload while we listened, and sums do not tell when:"
            " listen again, or take a truth file"
        )
    summed = ("elapsed_ms", "planned_ms", "producing_ms", "ideal_ms", "jobs", "good")
    states = {name: ms - before.states.get(name, 0.0) for name, ms in truth.states.items()}
    return replace(truth, states=states, **{name: getattr(truth, name) - getattr(before, name) for name in summed})
