"""The HTTP server: its sockets, and uvicorn with the settings of this process."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, Protocol, cast

import uvicorn
from starlette.types import ASGIApp

from edge.http.connection_limits import Connection, Limits, abort_overdue
from edge.status import PortError

_LONGEST_HEAD_BYTES: Final = 32 * 1024
_BACKLOG: Final = 100
_NOT_HERE: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""Errors of an address that this machine does not have, such as ::1 where there is no IPv6."""
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
        self._sockets = _listen_on_one_of(host, range(port, port + further_ports + 1))
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
                backlog=_BACKLOG,
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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port, and all connections that it has accepted."""
        await stop_accepting(sockets or ())
        await super().shutdown(sockets)


class _HasDescriptor(Protocol):
    def fileno(self) -> int:
        """Return the descriptor."""


async def stop_accepting(listening: Iterable[_HasDescriptor]) -> None:
    """Accept no more on the sockets of a server that is about to close, and complete what is accepted.

    A connection has two more steps to make in the event loop then. Where the server is closed before the first one,
    asyncio fails in it and never closes the connection.
    """
    loop = asyncio.get_running_loop()
    for each in listening:
        loop.remove_reader(each.fileno())
    for _ in range(2):
        await asyncio.sleep(0)


def _listen_on_one_of(host: str, ports: range) -> list[socket.socket]:
    """Return the sockets of the first port that is free."""
    for port in ports:
        try:
            return _listen(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or port == ports[-1]:
                raise PortError(f"HTTP_HOST, HTTP_PORT: cannot listen on {host}:{ports[0]}: {_why(error)}") from error
    raise AssertionError  # a range of ports is never empty


def _listen(host: str, port: int) -> list[socket.socket]:
    """Return a socket for each address of a host, all with one port; OSError where an address of this machine fails."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    missing: OSError | None = None
    with contextlib.ExitStack() as opened:
        sockets: list[socket.socket] = []
        for family, _, _, _, address in dict.fromkeys(found):
            chosen = sockets[0].getsockname()[1] if sockets else port
            try:
                each = socket.create_server((address[0], chosen, *address[2:]), family=family, backlog=_BACKLOG)
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                missing = error
            else:
                # Of each connection, too. asyncio sets this itself only on sockets made for the protocol by its number.
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sockets.append(opened.enter_context(each))
        if missing and not sockets:
            raise missing
        opened.pop_all()
        return sockets


def first_free_port(host: str, ports: range) -> int | None:
    """Return the first port that is free now; None where no port can be listened on."""
    try:
        found = _listen_on_one_of(host, ports)
    except PortError:
        return None
    port: int = found[0].getsockname()[1]
    for each in found:
        each.close()
    return port


def url_of(host: str, port: int) -> str:
    """Return the address of a port, without a path."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _why(error: OSError) -> str:
    hint = "; is another one running? HTTP_PORT=0 turns this off" if error.errno == errno.EADDRINUSE else ""
    reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
    return f"{reason}{hint}"
