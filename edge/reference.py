"""The truth that rows are held against: a truth file, of which any stretch can be cut out, or the sums of `/oee`."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import orjson

from edge.rows import milliseconds
from plant.telemetry import GOOD, PLANNED_STOP

Span = tuple[int, int]
"""From and to, in milliseconds since 1970."""

_TAIL_BYTES = 65_536
_ANSWER_SECONDS = 10.0


class Unreadable(Exception):
    """What was given to verify, or to verify with, cannot be used; the text says what and why."""


@dataclass(slots=True)
class Truth:
    """What one machine did in a time. `elapsed_ms` is all of it, `planned_ms` without planned stops."""

    machine_id: str
    kind: str
    period_seconds: float
    ideal_seconds: float
    producing_state: str = ""
    elapsed_ms: float = 0.0
    planned_ms: float = 0.0
    producing_ms: float = 0.0
    jobs: int = 0
    good: int = 0


class Reference(Protocol):
    """A truth and the time it covers."""

    @property
    def can_be_cut(self) -> bool:
        """Whether it knows of each part of its time, and not of the whole alone."""

    @property
    def span(self) -> Span:
        """The time it covers."""

    def machines(self, since_ms: int, until_ms: int) -> Mapping[str, Truth]:
        """What each machine did after one moment and up to another."""


class RecordedTruth:
    """A truth file: JSON lines of the run, its machines, and their intervals and jobs as each was over.

    The file is read through for each question, and never held. Where it was not closed, what is known ends with the
    first machine's last interval.
    """

    can_be_cut = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._span = self._covered()

    @property
    def span(self) -> Span:
        """The run, or what is known of it."""
        return self._span

    def machines(self, since_ms: int, until_ms: int) -> Mapping[str, Truth]:
        """Plain sums over what of each interval lies in the time, and over the jobs that finished in it."""
        cut = _Cut(since_ms, until_ms)
        self._tell({"machine": cut.machine, "interval": cut.interval, "job": cut.job})
        return cut.machines

    def _covered(self) -> Span:
        run = next(self._entries(), (0, {}))[1]
        end = run.get("end") or self._last_entry().get("end")
        try:
            start_ms = milliseconds(run["start"])
            return start_ms, milliseconds(end) if end else self._known_until(start_ms)
        except (KeyError, TypeError, ValueError):
            raise Unreadable(f"{self._path}: no truth file: it does not begin with the start of a run") from None

    def _last_entry(self) -> dict[str, Any]:
        with self._path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return _entry(file.read().splitlines()[-1])

    def _known_until(self, start_ms: int) -> int:
        """A machine's open stay is not in the file: all is known up to the earliest of the last closed ones."""
        last_ms: dict[str, int] = {}

        def machine(entry: dict[str, Any]) -> None:
            last_ms.setdefault(entry["machine_id"], start_ms)

        def interval(entry: dict[str, Any]) -> None:
            last_ms[entry["machine_id"]] = milliseconds(entry["to"])

        self._tell({"machine": machine, "interval": interval})
        return min(last_ms.values(), default=start_ms)

    def _tell(self, listeners: Mapping[str, Callable[[dict[str, Any]], None]]) -> None:
        """Give each entry to the listener for its type."""
        for number, entry in self._entries():
            if listener := listeners.get(entry.get("type", "")):
                try:
                    listener(entry)
                except (KeyError, TypeError, ValueError, AttributeError) as error:
                    raise Unreadable(f"{self._path}:{number}: no entry of a truth file: {error!r}") from None

    def _entries(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Every entry with the number of its line. A last line that was cut short is left out."""
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    entry = orjson.loads(line)
                except orjson.JSONDecodeError:
                    if line.endswith(b"\n"):
                        raise Unreadable(f"{self._path}:{number}: not JSON") from None
                    return
                if isinstance(entry, dict):
                    yield number, entry


class _Cut:
    """The sums of a stretch of time, as its entries come."""

    def __init__(self, since_ms: int, until_ms: int) -> None:
        self._since_ms, self._until_ms = since_ms, until_ms
        self.machines: dict[str, Truth] = {}

    def machine(self, entry: dict[str, Any]) -> None:
        described = {
            "kind": entry["kind"],
            "period_seconds": entry["period_seconds"],
            "ideal_seconds": entry["ideal_cycle_seconds"],
            "producing_state": entry["producing_state"],
        }
        known = self.machines.get(entry["machine_id"])
        self.machines[entry["machine_id"]] = (
            replace(known, **described) if known else Truth(entry["machine_id"], **described)
        )

    def interval(self, entry: dict[str, Any]) -> None:
        inside_ms = min(milliseconds(entry["to"]), self._until_ms) - max(milliseconds(entry["from"]), self._since_ms)
        if inside_ms > 0:
            truth, state = self.machines[entry["machine_id"]], entry["state"]
            truth.elapsed_ms += inside_ms
            truth.planned_ms += inside_ms * (state != PLANNED_STOP)
            truth.producing_ms += inside_ms * (state == truth.producing_state)

    def job(self, entry: dict[str, Any]) -> None:
        if self._since_ms < milliseconds(entry["finished"]) <= self._until_ms:
            truth = self.machines[entry["machine_id"]]
            truth.jobs += 1
            truth.good += entry["result"] in GOOD


@dataclass(frozen=True, slots=True)
class Sums:
    """The answer of `GET /oee`: sums from the start of the run until now, or between two answers."""

    start_ms: int
    since_ms: int
    now_ms: int
    all: Mapping[str, Truth]
    can_be_cut: bool = False

    @classmethod
    def parse(cls, answer: bytes, where: str) -> Self:
        """Read the JSON of an answer."""
        try:
            found = orjson.loads(answer)
            if (part := found.get("span", "run")) != "run":
                raise Unreadable(f"{where}: sums of the {part}; those of the whole run are needed")
            start_ms, now_ms = milliseconds(found["start"]), milliseconds(found["now"])
            return cls(start_ms, start_ms, now_ms, {each["machine_id"]: _summed(each) for each in found["machines"]})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            why = "not JSON" if isinstance(error, orjson.JSONDecodeError) else repr(error)
            raise Unreadable(f"{where}: neither a truth file nor the answer of /oee: {why}") from None

    @property
    def span(self) -> Span:
        """The time that is summed up."""
        return self.since_ms, self.now_ms

    def machines(self, since_ms: int, until_ms: int) -> Mapping[str, Truth]:  # noqa: ARG002 - sums are what they are
        """The sums."""
        return self.all

    def after(self, before: Self) -> Self:
        """What was added since an earlier answer of the same run."""
        if before.start_ms != self.start_ms:
            raise Unreadable("the plant began anew while we listened: its sums do not go together")
        added = {machine_id: _added(truth, before.all.get(machine_id)) for machine_id, truth in self.all.items()}
        return replace(self, since_ms=before.now_ms, all=added)


def load(where: str) -> Reference:
    """The truth in a file of either form, or at a URL of `/oee`; Unreadable where there is none."""
    if where.startswith(("http://", "https://")):
        return fetch(where)
    path = Path(where)
    try:
        with path.open("rb") as file:
            begins = file.readline()
        return RecordedTruth(path) if _entry(begins).get("type") == "run" else Sums.parse(path.read_bytes(), where)
    except OSError as error:
        raise Unreadable(f"cannot read {where}: {error.strerror}") from None


def fetch(url: str) -> Sums:
    """What `/oee` answers now."""
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310 - http or https, by its callers
            return Sums.parse(answer.read(), url)
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise Unreadable(f"cannot get {url}: {reason}") from None


def _entry(line: bytes) -> dict[str, Any]:
    """The object that a line is; empty where it is none."""
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _summed(machine: Mapping[str, Any]) -> Truth:
    stopped_seconds = sum(machine["stopped_seconds"].values())
    return Truth(
        machine["machine_id"],
        machine["kind"],
        machine["period_seconds"],
        machine["ideal_cycle_seconds"],
        elapsed_ms=1000 * max(machine["planned_seconds"], machine["producing_seconds"] + stopped_seconds),
        planned_ms=1000 * machine["planned_seconds"],
        producing_ms=1000 * machine["producing_seconds"],
        jobs=machine["jobs"],
        good=machine["good"],
    )


def _added(truth: Truth, before: Truth | None) -> Truth:
    if before is None:
        return truth
    summed = ("elapsed_ms", "planned_ms", "producing_ms", "jobs", "good")
    return replace(truth, **{name: getattr(truth, name) - getattr(before, name) for name in summed})
