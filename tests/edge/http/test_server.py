"""Facts about the end of the HTTP server that no request shows."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing

import pytest
from starlette.applications import Starlette

from edge.http.server import Server
from tests.support.brokers.rawclient import in_loop
from tests.support.brokers.rig import until


@pytest.mark.parametrize("steps", range(1, 4))
@in_loop
async def test_a_connection_that_is_accepted_just_as_the_server_ends_is_closed(steps: int) -> None:
    """Whichever step of it the event loop has made."""
    server = Server(Starlette(), "127.0.0.1", 0)
    serving = asyncio.create_task(server.run())
    await until(lambda: server._server.started, "started")
    with closing(socket.create_connection(("127.0.0.1", server.port), 5.0)) as client:
        for _ in range(steps):
            await asyncio.sleep(0)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

        assert client.recv(1) == b""
