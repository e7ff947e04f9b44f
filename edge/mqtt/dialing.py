"""TCP connections to a host that may have several addresses: all are tried in quick succession, and the first wins.

RFC 8305 ("Happy Eyeballs"): a network may drop what is sent to one of the addresses, so none is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import socket
from collections.abc import Iterable, Sequence
from functools import partial
from math import inf
from typing import Any, Final, NamedTuple

from edge.blocking import run_aside

HEAD_START_SECONDS: Final = 0.25
"""Connection Attempt Delay (RFC 8305, 5)."""

_ATTEMPT_SECONDS: Final = 10.0
_LOOKUP_SECONDS: Final = 15.0


class Address(NamedTuple):
    """One address of a host, as `socket.getaddrinfo` returns it."""

    family: int
    where: tuple[Any, ...]

    @property
    def text(self) -> str:
        """The address without its port; a link-local one with its zone."""
        host, scope = str(self.where[0]), self.where[3] if len(self.where) > 3 else 0
        return host if not scope or "%" in host else f"{host}%{_zone(scope)}"


class NotReached(OSError):
    """No address of a host accepts a connection.  lost: the error of each address."""

    def __init__(self, host: str, lost: dict[Address, OSError]) -> None:
        super().__init__(self._describe(host, lost))
        self.lost = lost

    @staticmethod
    def _describe(host: str, lost: dict[Address, OSError]) -> str:
        """Return all errors in a line, each once, with its addresses."""
        by_reason: dict[str, list[str]] = {}
        for address, error in lost.items():
            by_reason.setdefault(reason(error), []).append(address.text)
        if len(lost) == 1 and host == next(iter(lost)).text:
            return next(iter(by_reason))
        return ", ".join(f"{why} ({', '.join(addresses)})" for why, addresses in by_reason.items())


class Dialer:
    """Opens connections to one host and port, attempt after attempt.

    An address that accepts the TCP connection, on which then no MQTT session begins, is tried after the others at the
    next attempts. A lookup that hangs is waited for again, not started again: each costs a thread.
    keep_seconds: for which an answer is used again, where many connections are opened to one host.
    """

    def __init__(
        self,
        host: str,
        port: int,
        attempt_seconds: float = _ATTEMPT_SECONDS,
        lookup_seconds: float = _LOOKUP_SECONDS,
        keep_seconds: float = 0.0,
    ) -> None:
        self.host, self.port = host, port
        self._attempt_seconds, self._lookup_seconds = attempt_seconds, lookup_seconds
        self._keep_seconds, self._known_until, self._known = keep_seconds, -inf, list[Address]()
        self._lookup: asyncio.Task[list[Address]] | None = None
        self._doubts: dict[Address, int] = {}
        self._attempts = itertools.count(1)

    async def resolve(self) -> list[Address]:
        """Look up the addresses, in the order in which to try them.

        Raises socket.gaierror, EAI_AGAIN where no name server answers.
        """
        now = asyncio.get_running_loop().time()
        if now >= self._known_until:
            self._known = await self._looked_up()
            self._known_until = now + self._keep_seconds
        return sorted(interleaved(self._known), key=lambda address: self._doubts.get(address, 0))

    async def _looked_up(self) -> list[Address]:
        if self._lookup is None or self._lookup.done():  # a result that was not waited for may be old
            self._lookup = asyncio.create_task(run_aside(partial(_look_up, self.host, self.port)), name="lookup")
            self._lookup.add_done_callback(_retrieve)
        lookup = self._lookup  # several connects may wait for the same one
        done, _ = await asyncio.wait([lookup], timeout=self._lookup_seconds)
        if not done:
            why = f"no answer from a name server within {self._lookup_seconds:g} s"
            raise socket.gaierror(socket.EAI_AGAIN, why)
        return lookup.result()

    async def connect(self) -> socket.socket:
        """Return a connected socket, to the first address that accepts.

        Raises NotReached where none does, socket.gaierror where there is no address.
        """
        addresses = await self.resolve()
        winner, sock = await race(self.host, addresses, self._attempt_seconds)
        self._doubts[winner] = next(self._attempts)
        return sock

    def confirm(self) -> None:
        """Note that an MQTT session has begun on the last connection."""
        self._doubts.clear()


async def race(host: str, addresses: Sequence[Address], seconds: float) -> tuple[Address, socket.socket]:
    """Connect to all addresses, each `HEAD_START_SECONDS` after the one before or as soon as that has failed.

    seconds: how long each may take.  Returns the first that is connected; raises NotReached where none is.
    """
    lost: dict[Address, OSError] = {}
    waiting = list(reversed(addresses))
    running: dict[asyncio.Task[socket.socket], Address] = {}
    try:
        while waiting or running:
            if waiting:
                address = waiting.pop()
                running[asyncio.create_task(connected(address, seconds))] = address
            pause = HEAD_START_SECONDS if waiting else None
            done, _ = await asyncio.wait(running, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                address = running.pop(task)
                error = task.exception()
                if error is None:
                    return address, task.result()
                if not isinstance(error, OSError):
                    raise error
                lost[address] = error
    finally:
        _abandon(running)
    raise NotReached(host, {address: lost[address] for address in addresses})


async def connected(address: Address, seconds: float) -> socket.socket:
    """Connect to one address; raise OSError, of which TimeoutError is one, where that fails."""
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(sock, address.where)
    except TimeoutError:
        sock.close()
        raise TimeoutError(errno.ETIMEDOUT, f"no answer within {seconds:g} s") from None
    except BaseException:
        sock.close()
        raise
    return sock


def interleaved(addresses: Iterable[Address]) -> list[Address]:
    """Alternate the address families, that of the first address first (RFC 8305, 4); drop duplicates."""
    families: dict[int, list[Address]] = {}
    for address in dict.fromkeys(addresses):
        families.setdefault(address.family, []).append(address)
    turns = itertools.zip_longest(*families.values())
    return [address for turn in turns for address in turn if address is not None]


def reason(error: OSError) -> str:
    """Return why an attempt failed. asyncio puts the address into `strerror`, which is shown elsewhere."""
    if isinstance(error, TimeoutError):
        return error.strerror or "no answer in time"
    return os.strerror(error.errno) if error.errno else str(error)


def connected_socket(host: str, port: int) -> socket.socket:
    """Do the same as `Dialer.connect` in a thread without an event loop; the socket blocks, at most ten seconds."""
    sock = asyncio.run(Dialer(host, port).connect())
    sock.settimeout(_ATTEMPT_SECONDS)
    return sock


def _abandon(tasks: Iterable[asyncio.Task[socket.socket]]) -> None:
    for task in tasks:
        task.cancel()
        task.add_done_callback(_close)


def _close(task: asyncio.Task[socket.socket]) -> None:
    """Close the socket of an attempt that is no longer needed."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _look_up(host: str, port: int) -> list[Address]:
    found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [Address(family, where) for family, _, _, _, where in found]


def _zone(scope: int) -> str:
    with contextlib.suppress(OSError):
        return socket.if_indextoname(scope)
    return str(scope)


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Retrieve the error of a lookup that nothing waits for, so that asyncio does not log it."""
    if not task.cancelled():
        task.exception()
