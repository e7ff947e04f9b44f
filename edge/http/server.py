"""The HTTP server: its sockets, and uvicorn with the settings of this process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp

from edge.http.connection_limits import Connection, Limits, abort_overdue
from edge.http.listening import BACKLOG, listen_on_one_of, url_of

_LONGEST_HEAD_BYTES: Final = 32 * 1024
_MOST_WEBSOCKET_BYTES: Final = 32 * 1024
"""Of a message over a WebSocket."""
_HEARTBEAT_SECONDS: Final = 20.0


class Server:
    """Serves an application on a port that is open as soon as this is made; raises PortError.

    host: a name means all its addresses.  port: 0 lets the system choose; `port` is then its choice.
    further_ports: how many of the following ports are tried where it is taken.
    websocket: makes the protocol of connections that are upgraded, under the limits; None where none is.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        further_ports: int = 0,
        limits: Limits = Limits(),  # noqa: B008 - fixed
        websocket: Callable[[Limits], Any] | None = None,
    ) -> None:
        self._sockets = listen_on_one_of(host, range(port, port + further_ports + 1))
        self.port: int = self._sockets[0].getsockname()[1]
        self.url = url_of(host, self.port)
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                # The pure Python parser, no lifespan, web sockets only where asked for: leaving these out saves memory.
                http=cast("type[asyncio.Protocol]", partial(Connection, limits)),
                ws="none" if websocket is None else websocket(limits),
                ws_max_size=_MOST_WEBSOCKET_BYTES,
                # What is small on the wire must not be large in memory.
                ws_per_message_deflate=False,
                ws_ping_interval=_HEARTBEAT_SECONDS,
                ws_ping_timeout=_HEARTBEAT_SECONDS,
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                # A header must not be able to turn a caller's address into loopback.
                proxy_headers=False,
                server_header=False,
                h11_max_incomplete_event_size=_LONGEST_HEAD_BYTES,
                backlog=BACKLOG,
                timeout_graceful_shutdown=1,
            )
        )

    async def run(self) -> None:
        """Serve until `stop`; when cancelled, close what is open."""
        try:
            await self._server.serve(sockets=self._sockets)
        except asyncio.CancelledError:
            # uvicorn closes its connections only when it ends by itself.
            if self._server.started:
                await self._server.shutdown(sockets=self._sockets)
            raise
        finally:
            self.close()

    def stop(self) -> None:
        """Let `run` complete its answers and return."""
        self._server.should_exit = True

    def close(self) -> None:
        """Close the port of a server that was never run."""
        for each in self._sockets:
            each.close()


class _Uvicorn(uvicorn.Server):
    """uvicorn inside a process that handles its own signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        """Close overdue connections, ten times a second."""
        abort_overdue(self.server_state.connections)
        return await super().on_tick(counter)
