"""Limits on HTTP connections, in number and in time, so that one caller cannot block the port for all others.

uvicorn has a time-out for idle connections only, which any byte resets, and answers 503 to everybody once a number of
connections is open. Here the connection that has waited longest is closed, so a probe is always answered.
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

ENDLESS: Final = "edgemqttsim.endless"
"""In the state of a request: what is called for an answer that has no end, such as a stream of events."""
_UNSENT_BYTES: Final = 16 * 1024
"""The most of such an answer that waits here, and in the kernel before it is sent: what is older is of no use."""

_DRAINED_BYTES: Final = HIGH_WATER_LIMIT * 3 // 4  # asyncio pauses at this limit, and goes on at a quarter of it


class Limits(NamedTuple):
    """Limits on callers.

    connections: how many of them.  request_seconds: for the head of a request, since the connection or the last answer.
    stalled_seconds, bytes_a_second: how long a caller may take to read an answer beyond the time that it takes at
    that speed.
    """

    connections: int = 200
    request_seconds: float = 10.0
    stalled_seconds: float = 10.0
    bytes_a_second: float = 64 * 1024


class Connection(H11Protocol):
    """One connection. Times are those of the event loop.

    since: when it began to wait for a request, or for the end of an answer.
    """

    def __init__(self, limits: Limits, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.since = self.loop.time()
        self._limits = limits
        self._read_by: float | None = None
        self._endless: object = None

    @property
    def waits(self) -> bool:
        """Whether it waits for the next request; half of one does not count."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def _is_endless(self) -> bool:
        """Whether the answer that is being sent has no end."""
        return not self.waits and self.cycle is self._endless

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection; where there are too many, close another."""
        super().connection_made(transport)
        others = cast("set[Connection]", self.connections) - {self}
        if len(others) >= self._limits.connections:
            min(others, key=_closed_first).abort()

    def handle_events(self) -> None:
        """Process what was received, or left over from before."""
        waited = self.waits
        super().handle_events()
        if waited and not self.waits:
            self.since = self.loop.time()
            self.cycle.scope["state"][ENDLESS] = self._become_endless

    def on_response_complete(self) -> None:
        """Note that an answer is written, though perhaps not sent."""
        self.since, self._read_by = self.loop.time(), None
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Note that the caller reads too slowly."""
        super().pause_writing()
        self._read_by = self._read_by or self.loop.time() + self._limits.stalled_seconds

    def resume_writing(self) -> None:
        """Give the caller more time, because it has read some more."""
        super().resume_writing()
        if self._is_endless:
            self._read_by = None  # what it has read so far is no measure of the next time
        elif self._read_by is not None:
            self._read_by += _DRAINED_BYTES / self._limits.bytes_a_second

    def send_400_response(self, msg: str) -> None:
        """Answer something that is not HTTP. A request that is answered, or being answered, gets no second answer."""
        if not self.waits:
            self.cycle.disconnected = True
            self.transport.close()
            return
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            self.transport.close()

    def shutdown(self) -> None:
        """Close the connection, because the process ends; a stream that nobody reads has no end to be waited for."""
        if self._is_endless and self.transport.get_write_buffer_size():
            return self.abort()
        with contextlib.suppress(h11.LocalProtocolError):  # an earlier error
            super().shutdown()
        return None

    def is_overdue(self) -> bool:
        """Return whether the caller has used up its time."""
        now = self.loop.time()
        if self.waits:
            return now > self.since + self._limits.request_seconds
        return self.flow.write_paused and self._read_by is not None and now > self._read_by

    def _become_endless(self) -> None:
        """Let little wait that is not sent yet, and have patience each time that the caller does not read."""
        self._endless = self.cycle
        self.transport.set_write_buffer_limits(_UNSENT_BYTES)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            end = self.transport.get_extra_info("socket")
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)

    def abort(self) -> None:
        """Close it now, whatever is unsent."""
        self.connections.discard(self)  # at once, so that it is not chosen twice
        if not self.waits:
            # With a reset the kernel drops unsent data as well, and the caller sees that the answer is incomplete.
            end = self.transport.get_extra_info("socket")
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _should_upgrade(self) -> bool:
        """Return whether it is to become a WebSocket; uvicorn would log two warnings for each where there are none."""
        return self.ws_protocol_class is not None and self._get_upgrade() == b"websocket"


def abort_overdue(connections: Iterable[object]) -> None:
    """Close the connections whose callers have used up their time."""
    for connection in cast("list[Connection]", list(connections)):
        if connection.is_overdue():
            connection.abort()


def _closed_first(connection: Connection) -> tuple[bool, float]:
    """Return a sort key: connections that wait for a request before those being answered, and the oldest first."""
    return not connection.waits, connection.since
