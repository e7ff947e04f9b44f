"""`/ws` of HTTP_COMPAT=vf: who may read, who may command, and what callers can take from the port."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from edge.http.asgi import CrossOrigin
from edge.http.compat.profiles import add_profile
from edge.http.compat.vf.viewer import MOST_ENTRIES, Viewer
from edge.http.connection_limits import Limits
from edge.http.routes import served
from edge.http.server import Server
from edge.settings.types import HttpCompat
from edge.traffic import TrafficBatch, TrafficRow
from tests.edge.http.test_routes import Shown, api_of, app_of, serving
from tests.support.processes.daemon import ROOT
from tests.support.processes.waiting import wait_until

FEW = Limits(connections=10, request_seconds=2.0, stalled_seconds=1.0)
TOKEN = "t0ken+/=~"
ALLOWED = "https://app.example.com"
LONG = TrafficRow("2026-01-05T08:00:00.123Z", "factory/x", 0, False, "telemetry", None, 8192, "x" * 8192, True)


class Port:
    """A running port with `/ws`.  shown: what it shows, and the commands that have reached the plant."""

    def __init__(self, shown: Shown, url: str, port: int) -> None:
        self.shown, self.url, self.port = shown, url, port

    def page(
        self, host: str = "localhost", path: str = "/ws", **options: Any
    ) -> AbstractContextManager[ClientConnection]:
        """A client, for which this machine has the name `host`."""
        here = socket.create_connection(("127.0.0.1", self.port))
        made: AbstractContextManager[ClientConnection] = connect(f"ws://{host}:{self.port}{path}", sock=here, **options)
        return made

    def alive(self) -> bool:
        """Whether a fresh probe gets its answer."""
        return httpx.get(f"{self.url}/livez", trust_env=False).status_code == 200

    def commands(self, **options: Any) -> int:
        """Give a command over a connection of its own; return how many have reached the plant in all."""
        with self.page(**options) as client:
            client.send(json.dumps({"type": "command", "device_id": "press", "command": "stop"}))
            client.send(b"the end")  # which is answered once all before it is done
            with contextlib.suppress(ConnectionClosed):
                while client.recv(20):
                    pass
        return len(self.shown.commands)


@contextlib.contextmanager
def port_of(shown: Shown, limits: Limits = Limits()) -> Iterator[Port]:  # noqa: B008
    """Serve in a thread what the profile adds."""
    app = app_of(shown)
    profile = add_profile(app, replace(api_of(shown), origins=(ALLOWED,)), HttpCompat.VF)
    server = Server(CrossOrigin(served(app), [ALLOWED]), "127.0.0.1", 0, limits=limits, websocket=profile.websocket)

    async def run() -> None:
        assert profile.run is not None
        looking = asyncio.create_task(profile.run())
        await server.run()
        looking.cancel()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        yield Port(shown, server.url, server.port)
    finally:
        server.stop()
        thread.join(5)


@pytest.fixture(scope="module")
def running() -> Iterator[Port]:
    """One for all tests."""
    with port_of(Shown()) as port:
        yield port


@pytest.fixture
def port(running: Port) -> Port:
    """As at the start."""
    running.shown.reset()
    return running


@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", "http://localhost.evil.com", "null", "http://[", ALLOWED + ".x"]
)
def test_a_page_of_another_origin_is_refused_at_the_handshake(port: Port, origin: str) -> None:
    """With 403: a browser would let it read all, as a WebSocket knows no CORS."""
    with pytest.raises(InvalidStatus) as refused, port.page(origin=origin):
        pass

    assert refused.value.response.status_code == 403
    assert port.alive()


@pytest.mark.parametrize("origin", [None, "http://localhost:3000", "http://127.0.0.1", ALLOWED])
def test_programs_pages_of_this_machine_and_allowed_ones_may_read(port: Port, origin: str | None) -> None:
    """The latter are those of HTTP_CORS_ORIGINS."""
    with port.page(origin=origin) as client:
        assert json.loads(client.recv(20))["type"] == "snapshot"


def test_without_a_token_file_programs_and_pages_of_this_machine_may_command(port: Port) -> None:
    """As over HTTP."""
    assert port.commands(origin="http://localhost:3000") == 1
    assert port.commands() == 2


@pytest.mark.parametrize(
    "options",
    [
        {"origin": ALLOWED},
        {"host": "evil.example.com"},
        {"host": "evil.example.com", "origin": "http://evil.example.com"},
        {"additional_headers": {"X-Forwarded-For": "10.0.0.1"}},
    ],
    ids=["page that may read", "rebound host", "rebound page", "proxy"],
)
def test_nobody_else_may_command(port: Port, options: dict[str, Any]) -> None:
    """But read, as everybody may over HTTP who can reach the port."""
    if options.get("host") and options.get("origin"):
        options = options | {"origin": f"{options['origin']}:{port.port}"}
    with port.page(**options) as client:
        assert json.loads(client.recv(20))["type"] == "snapshot"

    assert port.commands(**options) == 0


@pytest.fixture
def token_file(port: Port, tmp_path: Path) -> Path:
    """The file whose token commands need."""
    port.shown.http_token_file = tmp_path / "token"
    port.shown.http_token_file.write_text(TOKEN)
    return port.shown.http_token_file


def encoded(token: str) -> str:
    """A token as a subprotocol has it."""
    return "bearer." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def test_with_a_token_file_commands_need_its_token(port: Port, token_file: Path) -> None:
    """As a header, or as a subprotocol where pages cannot send one; whoever may read it all may not."""
    assert port.commands() == 0
    assert port.commands(subprotocols=["edgemqttsim.vf", encoded("wrong")]) == 0
    assert port.commands(subprotocols=["edgemqttsim.vf", "bearer.%%%"]) == 0
    assert port.commands(additional_headers={"Authorization": f"Bearer {TOKEN}"}) == 1
    with_token: dict[str, Any] = {"subprotocols": ["edgemqttsim.vf", encoded(TOKEN)], "origin": ALLOWED}
    assert port.commands(**with_token) == 2
    with port.page(**with_token) as client:
        assert client.subprotocol == "edgemqttsim.vf", "the token is not repeated"
    token_file.write_text("another")
    assert port.commands(**with_token) == 2, "it is read again at each command"


def test_without_the_profile_there_is_no_web_socket() -> None:
    """The request is answered as any other of a path that there is not."""
    with serving(Shown()) as client:
        asked = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "x",
        }

        assert client.get("/ws", headers=asked).status_code == 404


def test_without_the_profile_no_web_socket_is_loaded() -> None:
    """Not even what it is made of: others have the memory."""
    code = "import sys, edge.http.server, edge.http.compat.profiles; print('wsproto' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert ran.stdout == "False\n"


def test_other_paths_have_no_web_socket(port: Port) -> None:
    """And a handshake that breaks the rules is refused."""
    with pytest.raises(InvalidStatus), port.page(path="/api/v1/machines"):
        pass
    asked = {"Connection": "Upgrade", "Upgrade": "websocket"}

    assert httpx.get(f"{port.url}/ws", headers=asked, trust_env=False).status_code == 400
    assert port.alive()


def test_clients_count_as_connections_and_probes_are_still_answered() -> None:
    """The oldest gives way."""
    with port_of(Shown(), FEW) as port, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(port.page(open_timeout=20)) for _ in range(FEW.connections)]

        assert all(port.alive() for _ in range(3))
        wait_until(lambda: clients[0].protocol.close_exc is not None, 20, "the oldest gives way")
        assert clients[-1].recv(20)


def test_a_client_that_does_not_read_is_closed_and_others_go_on() -> None:
    """Nothing waits for it, and what waits for it is bounded."""
    shown = Shown()
    shown.delivered = TrafficBatch(1, 50, 50, [LONG] * 50)
    with port_of(shown, FEW) as port, port.page() as other, socket.socket() as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.connect(("127.0.0.1", port.port))
        key = base64.b64encode(bytes(16)).decode()
        lines = ["GET /ws HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket"]
        lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", "", ""]
        idle.sendall("\r\n".join(lines).encode())
        for _ in range(500):
            assert other.recv(20)
        closed = threading.Event()

        def sends() -> bool:
            try:
                idle.sendall(b"\x8a\x80\0\0\0\0")  # an unsolicited PONG
            except ConnectionError:
                closed.set()
            return closed.is_set()

        wait_until(sends, 20, "it is closed")
        assert port.alive()


def test_what_waits_for_a_client_is_bounded_and_the_newest_state_wins() -> None:
    """What it is sent first is never lost."""

    async def sent() -> list[str]:
        viewer = Viewer("snapshot")
        for number in range(1000):
            viewer.give([f"event {number}"], [("devices", f"devices {number}")])
        return [*await viewer.next()]

    texts = asyncio.run(sent())

    assert texts == ["snapshot", *(f"event {number}" for number in range(1000 - MOST_ENTRIES, 1000)), "devices 999"]
