"""The reference that messages are compared with, and its live form: the answer of `/oee`."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import math
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event
from typing import IO, Any, Final, Protocol, Self, cast
from urllib.parse import urlsplit, urlunsplit

import orjson

from cli.verify.forms.message_keys import TypeInfo
from cli.verify.forms.message_values import milliseconds
from cli.verify.forms.type_history import TypeHistory
from cli.verify.input.timeline import IdealCycles, MachineParameters, Timeline, ideal_cycles
from cli.verify.input.truth_rules import problem
from edge.blocking import run_aside
from edge.redaction import from_peer, without_credentials

Span = tuple[int, int]
"""From and to, in milliseconds since 1970."""

LONGEST_LINE: Final = 16 * 2**20
"""Bytes. A message has a few hundred, and brokers rarely accept more than a mebibyte."""

LONGEST_ANSWER: Final = 256 * 2**20
"""Bytes: half a million machines."""

_SILENT_SECONDS = 10.0
_WHOLE_SECONDS = 60.0
_READ_BYTES = 256 * 1024
_GZIP: Final = b"\x1f\x8b"


class InvalidInput(Exception):
    """An input of `verify` that cannot be used; the text says which and why."""


@dataclass(slots=True)
class MachineTotals:
    """The totals of one machine over a span.

    ideal_seconds: its ideal cycle.  elapsed_ms: the whole time; planned_ms: without planned stops.  ideal_ms: the ideal
    time of the work done.  states: milliseconds by state.  ideal_cycles: of each kind, where kinds have their own.
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
    ideal_cycles: IdealCycles = ()


class Reference(Protocol):
    """The actual events of the machines over a span: a ground truth file, or an answer of `/oee`."""

    @property
    def can_be_cut(self) -> bool:
        """Whether it has totals of any part of its span, not of the whole alone."""

    @property
    def span(self) -> Span:
        """The span that it covers."""

    @property
    def timelines(self) -> Mapping[str, Timeline]:
        """The parameters of each machine over time."""

    @property
    def types(self) -> Mapping[str, TypeHistory]:
        """How to read the messages of each machine type over time; empty if written by an older version."""

    def machines(self, since_ms: int, until_ms: int) -> Mapping[str, MachineTotals]:
        """Return the totals of each machine after one moment and up to another."""


@dataclass(frozen=True, slots=True)
class OeeAnswer:
    """The answer of `GET /oee`: totals from the start of the run until now, or between two answers."""

    start_ms: int
    since_ms: int
    now_ms: int
    totals: Mapping[str, MachineTotals]
    types: Mapping[str, TypeHistory] = field(default_factory=dict)
    can_be_cut: bool = False

    @classmethod
    def parse(cls, answer: bytes, where: str) -> Self:
        """Parse the JSON of an answer. Raise InvalidInput if it is none.  where: its file or URL."""
        try:
            found = orjson.loads(answer)
            if (part := found.get("span", "run")) != "run":
                raise InvalidInput(f"{where}: totals of span={part}; those of span=run are needed")
            start_ms, now_ms = milliseconds(found["start"]), milliseconds(found["now"])
            machines = {each["machine_id"]: machine_totals(each) for each in found["machines"]}
            infos = {kind: TypeInfo.of(each, kind) for kind, each in found.get("types", {}).items()}
            types = {kind: TypeHistory.unchanged(info) for kind, info in infos.items()}
            return cls(start_ms, start_ms, now_ms, machines, types)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = "not JSON" if isinstance(error, orjson.JSONDecodeError) else problem(error, {})
            raise InvalidInput(f"{where}: neither a ground truth file nor an answer of /oee: {reason}") from None

    @property
    def span(self) -> Span:
        """The span of the totals."""
        return self.since_ms, self.now_ms

    @property
    def timelines(self) -> Mapping[str, Timeline]:
        """One presence per machine, as long as the times of its states add up to."""
        return {machine_id: Timeline([self._terms(totals)]) for machine_id, totals in self.totals.items()}

    def machines(self, since_ms: int, until_ms: int) -> Mapping[str, MachineTotals]:  # noqa: ARG002 - totals cannot be cut
        """Return the totals."""
        return self.totals

    def since(self, earlier: Self) -> Self:
        """Return what was added since an earlier answer of the same run. Raise InvalidInput if it was another run."""
        if earlier.start_ms != self.start_ms:
            raise InvalidInput("the plant was restarted meanwhile, so its totals cannot be subtracted")
        if changed := [kind for kind, history in earlier.types.items() if _was_changed(history, self.types.get(kind))]:
            raise InvalidInput(f"{changed[0]} {_CHANGED}")
        added = {
            machine_id: _difference(totals, earlier.totals.get(machine_id))
            for machine_id, totals in self.totals.items()
        }
        return replace(self, since_ms=earlier.now_ms, totals=added)

    def _terms(self, totals: MachineTotals) -> MachineParameters:
        measures = totals.period_seconds * 1000, totals.ideal_seconds, totals.producing_state, totals.kind
        history, since_ms = self.types.get(totals.kind), self.now_ms - totals.elapsed_ms
        parameters = MachineParameters(since_ms, math.inf, *measures, ideal_cycles=totals.ideal_cycles)
        return parameters if history is None else parameters.of_type(history.last)


@contextmanager
def open_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, compressed by gzip or not."""
    with path.open("rb") as file:
        yield cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if file.peek(2).startswith(_GZIP) else file


def read_lines(file: IO[bytes], where: object) -> Iterator[bytes]:
    """Yield the lines of a file. Raise InvalidInput at one that is longer than any message."""
    for number in count(1):
        line = file.readline(LONGEST_LINE + 1)
        if not line:
            return
        if len(line) > LONGEST_LINE:
            raise InvalidInput(f"{where}:{number}: a line of more than {LONGEST_LINE >> 20} MiB")
        yield line


def fetch_oee(url: str) -> OeeAnswer:
    """Return the current answer of `/oee`; raise InvalidInput where there is none, or not all of it in a minute."""
    shown = without_credentials(url)
    try:
        if "@" in urlsplit(url).netloc:
            raise InvalidInput(f"{shown}: a URL of /oee has no user name and no password")
        return OeeAnswer.parse(asyncio.run(_fetched(url)), shown)
    except TimeoutError:
        raise InvalidInput(f"cannot get {shown}: no whole answer within {_WHOLE_SECONDS:g} s") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise InvalidInput(f"cannot get {shown}: {_why_not(error)}") from None


def fetch_command_topics(oee_url: str) -> str | None:
    """Return the topic filter of the commands that come to the simulator with this `/oee`; None if it names none.

    Its `/healthz` does, unless it takes no commands over MQTT; an error is that of `/oee`, which is asked for later.
    """
    parts = urlsplit(oee_url)
    url = urlunsplit(parts._replace(path=f"{parts.path.removesuffix('/oee')}/healthz", query=""))
    try:
        topics = orjson.loads(asyncio.run(_fetched(url)))["connection"]["commands"]["topics"]
    except (OSError, ValueError, LookupError, TypeError, http.client.HTTPException):
        return None
    return topics if isinstance(topics, str) else None


async def _fetched(url: str) -> bytes:
    # In a thread, because a server can send its headers byte by byte, which no timeout of a socket ends.
    given_up = Event()
    try:
        async with asyncio.timeout(_WHOLE_SECONDS):
            return await run_aside(partial(_read_url, url, given_up.is_set))
    finally:
        given_up.set()


def _read_url(url: str, given_up: Callable[[], bool]) -> bytes:
    try:
        return _read_answer(url, given_up)
    except TimeoutError:
        raise http.client.HTTPException(f"the server sent nothing for {_SILENT_SECONDS:g} s") from None


def _read_answer(url: str, given_up: Callable[[], bool]) -> bytes:
    pieces, size = [], 0
    with _opened(url) as answer:
        while not given_up() and (piece := answer.read1(_READ_BYTES)):
            pieces.append(piece)
            size += len(piece)
            if size > LONGEST_ANSWER:
                raise ValueError(f"more than {LONGEST_ANSWER >> 20} MiB: no answer of /oee")
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
    return b"".join(pieces)


def _opened(url: str) -> http.client.HTTPResponse:
    try:
        return cast("http.client.HTTPResponse", _opener().open(url, timeout=_SILENT_SECONDS))
    except urllib.error.HTTPError as error:
        error.close()
        raise


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener of HTTP and HTTPS alone: a redirect must not lead to a file, or to FTP."""
    opener = urllib.request.OpenerDirector()
    for make in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(make())
    return opener


def _why_not(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return from_peer(f"HTTP {error.code} {error.reason}")
    if isinstance(error, urllib.error.URLError):
        return from_peer(str(error.reason))
    return _FAULTS.get(type(error), "") or from_peer(str(error) or type(error).__name__)


_FAULTS: Final[Mapping[type[Exception], str]] = {
    http.client.IncompleteRead: "the answer is cut off",
    http.client.BadStatusLine: "the answer is not HTTP",
    http.client.RemoteDisconnected: "the server closed the connection without an answer",
}


def machine_totals(machine: Mapping[str, Any]) -> MachineTotals:
    """Return the totals in an entry of `/oee`, or in a `totals` line of a ground truth file."""
    states = {name: 1000 * seconds for name, seconds in machine["stopped_seconds"].items()}
    states[machine["producing_state"]] = 1000 * machine["producing_seconds"]
    return MachineTotals(
        machine["machine_id"],
        machine["machine_type"],
        math.inf if machine["period_seconds"] is None else machine["period_seconds"],
        machine["ideal_cycle_seconds"],
        machine["producing_state"],
        elapsed_ms=sum(states.values()),
        planned_ms=1000 * machine["planned_seconds"],
        producing_ms=1000 * machine["producing_seconds"],
        ideal_ms=1000 * machine["ideal_seconds"],
        states=states,
        jobs=machine["jobs"],
        good=machine["good"],
        ideal_cycles=ideal_cycles(machine),
    )


_CHANGED: Final = "was changed by a reload meanwhile, and totals do not contain when: retry, or use a ground truth file"


def _was_changed(earlier: TypeHistory, later: TypeHistory | None) -> bool:
    return later is not None and later.last != earlier.last


def _difference(totals: MachineTotals, earlier: MachineTotals | None) -> MachineTotals:
    if earlier is None or totals.elapsed_ms < earlier.elapsed_ms:  # a machine that is new, or was added again
        return totals
    measures = ("period_seconds", "ideal_seconds", "producing_state", "ideal_cycles")
    if any(getattr(totals, name) != getattr(earlier, name) for name in measures):
        raise InvalidInput(f"{totals.machine_id} {_CHANGED}")
    added = ("elapsed_ms", "planned_ms", "producing_ms", "ideal_ms", "jobs", "good")
    states = {name: ms - earlier.states.get(name, 0.0) for name, ms in totals.states.items()}
    return replace(totals, states=states, **{name: getattr(totals, name) - getattr(earlier, name) for name in added})
