"""What the simulator is asked each second, in a thread of its own, so that the screen never waits for an answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from cli.ctl.client import Client, NoAnswer, Reply, problem_lines
from cli.top.document import Node, clean

OVERVIEW: Final = "/api/v1/overview"
_STREAM: Final = "/api/v1/stream"
MACHINES: Final = "/api/v1/machines"
MOST_MACHINES: Final = 500
"""Machines of a type that are listed: a longer list says what it leaves out."""

_EVERY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known now.

    overview, machines: the newest answers, also of before the simulator was lost.  kind: the type of `machines`.
    lost: why there is no answer now; None while there is one.  since: when that began, as the clock has it.
    taken: how many overviews have been answered so far.  before: the messages delivered a second until now, where
    the simulator has just been found.
    """

    overview: Node | None = None
    machines: Node | None = None
    kind: str | None = None
    lost: str | None = None
    since: float = 0.0
    taken: int = 0
    before: tuple[float | None, ...] | None = None


def overview_of(client: Client) -> Node:
    """Return the overview as of now; raises NoAnswer where there is none, or something else answers."""
    return _asked(client, OVERVIEW, "process")


def machines_of_type(client: Client, kind: str) -> Node:
    """Return the first machines of a type, as they are now; raises NoAnswer."""
    return _asked(client, f"{MACHINES}?{urlencode({'machine_type': kind, 'limit': MOST_MACHINES})}", "machines")


def rates_until_now(client: Client) -> tuple[float | None, ...]:
    """Return the messages delivered in each of the last seconds, of at most 15 minutes; none where nothing is known."""
    history = Node(client.first_event(_STREAM)).at("history")
    each = max(1, history.at("step_seconds").count)
    return tuple(point.number for point in history.at("rate").items() for _ in range(each))


def _asked(client: Client, path: str, key: str) -> Node:
    reply = client.call("GET", path)
    found = Node(reply.document)
    if reply.ok and found.at(key).is_there:
        return found
    raise NoAnswer(f"{client.shown_url} answers, but not as a simulator of this version: {_refusal(reply)}")


def _refusal(reply: Reply) -> str:
    return clean(problem_lines(reply)[0]) if not reply.ok else "it is something else"


class Watch:
    """Asks again each second, until it is closed; between pauses only.

    hear: called with each answer, in the thread that asks.  elapsed: monotonic seconds.
    """

    def __init__(self, client: Client, hear: Callable[[Heard], None], elapsed: Callable[[], float]) -> None:
        self._client, self._hear, self._elapsed = client, hear, elapsed
        self._kind: str | None = None
        self._is_paused = self._is_closed = False
        self._wake = threading.Event()
        # No thread that the process waits for at its end: an answer may take long.
        self._thread = threading.Thread(target=self._run, name="top", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Ask no more; an answer that comes later is heard by nobody."""
        self._is_closed = True
        self._wake.set()

    def pause(self, is_paused: bool) -> None:
        """Stop asking for a while, or go on at once."""
        self._is_paused = is_paused
        self._wake.set()

    def want(self, kind: str | None) -> None:
        """Ask for the machines of a type too, from now on; None: for none."""
        self._kind = kind
        self._wake.set()

    def _run(self) -> None:
        heard = Heard()
        while not self._is_closed:
            self._wake.clear()
            if not self._is_paused or heard.kind != self._kind:
                heard = self._next(heard)
                if not self._is_closed:
                    self._hear(heard)
            self._wake.wait(_EVERY_SECONDS)

    def _next(self, before: Heard) -> Heard:
        kind = self._kind
        try:
            overview = overview_of(self._client)
            machines = machines_of_type(self._client, kind) if kind is not None else None
            found = rates_until_now(self._client) if before.lost or not before.taken else None
        except NoAnswer as error:
            since = before.since if before.lost else self._elapsed()
            kept = before.machines if before.kind == kind else None
            return replace(before, lost=clean(str(error)), since=since, machines=kept, kind=kind, before=None)
        return Heard(overview, machines, kind, taken=before.taken + 1, before=found)
