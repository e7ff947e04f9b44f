"""`/ws`: the handshake, who may read and who may command, and the messages both ways."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
from collections.abc import Collection, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from fastapi import FastAPI, HTTPException, Request
from starlette.responses import PlainTextResponse
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge.control.problems import Problem
from edge.http.api.context import ApiContext
from edge.http.authorization import is_loopback
from edge.http.compat.vf.hub import Hub
from edge.observability.logs import RateLimited
from edge.redaction import from_peer

log = logging.getLogger("http")

PATH: Final = "/ws"
PROTOCOL: Final = "edgemqttsim.vf"
BEARER: Final = "bearer."
"""The beginning of a subprotocol that carries the token, in base64url without padding: a page cannot send headers."""

_NO_TEXT: Final = 1003
_LONGEST: Final = 200
_DEFAULT_REASON: Final = "dashboard"


def add_vf(app: FastAPI, context: ApiContext) -> Hub:
    """Add `/ws` to an application; return what is to run while it is served."""
    hub = Hub(context)
    sockets = _Sockets(context, hub)
    app.router.add_websocket_route(PATH, sockets.serve)
    return hub


class _Malformed(Exception):
    """A message of a client is no command; the text says why."""


class _Sockets:
    def __init__(self, context: ApiContext, hub: Hub) -> None:
        self._context, self._hub = context, hub
        self._log = RateLimited(log, 30.0, context.uptime_seconds)

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one client until it goes, or refuse a page of another origin: a WebSocket knows no CORS."""
        with contextlib.suppress(WebSocketDisconnect):  # it may go at any time
            if _is_own_page(websocket, self._context.origins):
                await self._serve(websocket)
            else:
                await websocket.send_denial_response(PlainTextResponse("not from a page of another origin\n", 403))

    async def _serve(self, websocket: WebSocket) -> None:
        await websocket.accept(PROTOCOL if PROTOCOL in websocket.scope["subprotocols"] else None)
        viewer = self._hub.join()
        sending = asyncio.create_task(_send(websocket, viewer.next))
        try:
            await self._receive(websocket)
        finally:
            self._hub.leave(viewer)
            sending.cancel()
            await asyncio.wait([sending])

    async def _receive(self, websocket: WebSocket) -> None:
        while (message := await websocket.receive())["type"] == "websocket.receive":
            text = message.get("text")
            if text is None:
                await websocket.close(_NO_TEXT, "only text is taken")
                return
            await self._obey(websocket, text)

    async def _obey(self, websocket: WebSocket, text: str) -> None:
        """Have a command executed; nothing is answered, as clients expect nothing, but refusals are logged."""
        host = websocket.client.host if websocket.client else "?"
        try:
            command, device_id, reason = _command(text)
            await self._context.authorize(_as_request(websocket.scope))
            await self._context.control.execute({"command": command, "machine_id": device_id}, f"page {host}")
        except _Malformed as error:
            self._note("malformed", host, str(error))
        except HTTPException as error:
            self._note("forbidden", host, str(error.detail))
        except Problem as problem:
            self._note("refused", host, problem.detail)
        else:
            self._hub.commanded(command, device_id, reason)

    def _note(self, outcome: str, host: str, why: str) -> None:
        text = "command over /ws not executed outcome=%s by=%s: %s"
        self._log.log(logging.WARNING, outcome, text, outcome, host, from_peer(why, 300))


async def _send(websocket: WebSocket, following: Any) -> None:
    """Send what there is, as fast as the client reads; return where it has gone."""
    try:
        while True:
            for text in await following():
                await websocket.send_text(text)
    except (WebSocketDisconnect, RuntimeError):  # it goes while something is sent
        return


def _command(text: str) -> tuple[str, str, str]:
    """Return the command in a message, its device and its reason; raises _Malformed."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _Malformed(f"is no JSON: {error}") from None
    if not isinstance(found, dict) or found.get("type") != "command":
        raise _Malformed('must be an object with "type": "command"')
    command, device_id, reason = (
        _text(found, name, otherwise)
        for name, otherwise in (("command", None), ("device_id", None), ("reason", _DEFAULT_REASON))
    )
    return command, device_id, reason


def _text(found: dict[str, Any], name: str, otherwise: str | None) -> str:
    value = found.get(name)
    value = otherwise if value is None else value
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise _Malformed(f"{name}: must be text of at most {_LONGEST} characters")
    return value


def _is_own_page(websocket: WebSocket, origins: Collection[str]) -> bool:
    """Return whether a client is no page, or a page of this server, of this machine, or of HTTP_CORS_ORIGINS."""
    origin, host = websocket.headers.get("origin"), websocket.headers.get("host", "")
    if origin is None or origin in origins:
        return True
    try:
        page, server = urlsplit(origin), urlsplit(f"//{host}")
        names = page.hostname or "", server.hostname or ""
    except ValueError:
        return False
    is_same = page.netloc == server.netloc and page.scheme in ("http", "https")
    return is_same or all(map(is_loopback, names))


def _as_request(scope: Scope) -> Request:
    """Return the handshake as a request, with the token of a subprotocol as the header that a page cannot send."""
    headers = [*scope["headers"]]
    if not any(name == b"authorization" for name, _ in headers):
        headers += [(b"authorization", b"Bearer " + token) for token in _tokens(scope["subprotocols"])][:1]
    return Request({**scope, "type": "http", "method": "GET", "headers": headers})


def _tokens(subprotocols: Collection[str]) -> Iterator[bytes]:
    for each in subprotocols:
        if each.startswith(BEARER):
            text = each.removeprefix(BEARER)
            try:
                yield base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            except (binascii.Error, ValueError):
                continue
