"""A connection that was upgraded to a WebSocket, under the limits of all HTTP connections."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from uvicorn.protocols.websockets.wsproto_impl import WSProtocol

from edge.http.connection_limits import Limits


class SocketConnection(WSProtocol):
    """One WebSocket. Times are those of the event loop.

    since: when it began.  waits: False, as it waits for no request: those that do are closed before it.
    """

    waits = False

    def __init__(self, limits: Limits, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.since = self.loop.time()
        self._limits = limits
        self._read_by: float | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection, also one that was aborted, which is forgotten already."""
        self.connections.add(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Note that the caller reads too slowly."""
        super().pause_writing()
        self._read_by = self._read_by or self.loop.time() + self._limits.stalled_seconds

    def resume_writing(self) -> None:
        """Note that the caller reads again."""
        super().resume_writing()
        self._read_by = None

    def is_overdue(self) -> bool:
        """Return whether the caller has used up its time: for the handshake, or to read."""
        now = self.loop.time()
        if not self.handshake_complete:
            return now > self.since + self._limits.request_seconds
        return self._read_by is not None and now > self._read_by

    def abort(self) -> None:
        """Close it now, whatever is unsent."""
        self.connections.discard(self)  # at once, so that it is not chosen twice
        end = self.transport.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def shutdown(self) -> None:
        """Close it, because the process ends; one that nobody reads at once."""
        if self._read_by is not None:
            self.abort()
        else:
            super().shutdown()


def websocket_protocol(limits: Limits) -> Any:
    """Return what makes the connections, as uvicorn takes it."""

    def made(**uvicorns: Any) -> asyncio.Protocol:
        return SocketConnection(limits, **uvicorns)

    return made
