"""What keeps one caller from taking the HTTP port from all others: limits on connections, in number and in time.

uvicorn has a time-out for idle connections alone, which any byte puts off, and answers 503 to everybody once a number
of connections is open. Here whoever waits for longest gives way, so a probe is always answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, cast

import h11
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.h11_impl import H11Protocol

_DRAINED_BYTES: Final = HIGH_WATER_LIMIT * 3 // 4  # asyncio pauses at this limit, and goes on at a quarter of it


class Limits(NamedTuple):
    """What callers may take.

    connections: how many of them.  request_seconds: for the head of a request, from the connection or the answer before
    it on.  stalled_seconds, bytes_a_second: who reads an answer may stall for so long in all, beyond what it takes at
    that speed.
    """

    connections: int = 200
    request_seconds: float = 10.0
    stalled_seconds: float = 10.0
    bytes_a_second: float = 64 * 1024


class Connection(H11Protocol):
    """One connection. Times are those of the event loop.

    since: when it began to wait for a request, or to be answered.
    """

    def __init__(self, limits: Limits, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.since = self.loop.time()
        self._limits = limits
        self._read_by: float | None = None

    @property
    def waits(self) -> bool:
        """Whether the next request is not there yet; half of one does not count."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody connects; where there are too many, another gives way."""
        super().connection_made(transport)
        others = cast("set[Connection]", self.connections) - {self}
        if len(others) >= self._limits.connections:
            min(others, key=_gives_way).give_up()

    def handle_events(self) -> None:
        """Something was received, or left over from before."""
        waited = self.waits
        super().handle_events()
        if waited and not self.waits:
            self.since = self.loop.time()

    def on_response_complete(self) -> None:
        """All of an answer is written, if not all of it sent."""
        self.since, self._read_by = self.loop.time(), None
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The caller reads more slowly than we write."""
        super().pause_writing()
        self._read_by = self._read_by or self.loop.time() + self._limits.stalled_seconds

    def resume_writing(self) -> None:
        """The caller has read some more."""
        super().resume_writing()
        if self._read_by is not None:
            self._read_by += _DRAINED_BYTES / self._limits.bytes_a_second

    def send_400_response(self, msg: str) -> None:
        """What was received is no HTTP. A request that is answered, or being answered, gets no second answer."""
        if not self.waits:
            self.cycle.disconnected = True
            self.transport.close()
            return
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            self.transport.close()

    def shutdown(self) -> None:
        """The process ends."""
        with contextlib.suppress(h11.LocalProtocolError):  # something went wrong here before
            super().shutdown()

    def is_overdue(self) -> bool:
        """Whether the caller has had its time."""
        now = self.loop.time()
        if self.waits:
            return now > self.since + self._limits.request_seconds
        return self.flow.write_paused and self._read_by is not None and now > self._read_by

    def give_up(self) -> None:
        """Close it now, whatever is unsent."""
        self.connections.discard(self)  # at once, so that it does not give way twice
        if not self.waits:
            # What the kernel still holds for the caller goes as well, and the caller sees that something is missing.
            end = self.transport.get_extra_info("socket")
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _should_upgrade(self) -> bool:
        """Never; uvicorn would log two warnings each time somebody asks."""
        return False


def give_up_overdue(connections: Iterable[object]) -> None:
    """Close the connections whose callers have had their time."""
    for connection in cast("list[Connection]", list(connections)):
        if connection.is_overdue():
            connection.give_up()


def _gives_way(connection: Connection) -> tuple[bool, float]:
    """Who waits for a request before who is being answered, and of those the oldest."""
    return not connection.waits, connection.since
