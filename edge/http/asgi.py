"""What is the same for every HTTP call: methods, forms of the address, fairness, and internal errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from fastapi.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("http")

_A_TURN: Final = 4
"""Requests that are started in one turn of the event loop: each costs some tenths of a millisecond."""


class ChunkedResponse(Response):
    """An answer of known length, sent in pieces of about 64 KiB; other tasks run between them."""

    def __init__(
        self, pieces: Iterable[bytes], size_bytes: int, media_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(None, media_type=media_type, headers=headers)
        self._pieces = pieces
        self.headers["content-length"] = str(size_bytes)

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the pieces as fast as the caller reads."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Outermost:
    """Wraps an application. methods: those of each path, without HEAD and OPTIONS."""

    def __init__(self, app: ASGIApp, methods: Mapping[str, Iterable[str]]) -> None:
        self._app = app
        self._methods = {path: _allowed(names) for path, names in methods.items()}
        self._started = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. An exception is logged in one line, as it is an internal error and not the caller's."""
        begun = False

        async def noting_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._wait_for_turn()
            await self._answer(scope, receive, noting_send)
        except asyncio.CancelledError:
            if not begun:  # at the end of the process
                await _text(503, "shutting down")(scope, receive, send)
        except Exception as error:
            log.error("%s %s: %s: %s", scope["method"], scope["path"], type(error).__name__, error)  # noqa: TRY400
            log.debug("internal error", exc_info=error)
            if not begun:
                await _text(500, "Internal Server Error")(scope, receive, send)

    async def _wait_for_turn(self) -> None:
        """Wait where many requests start at the same time, so that messages are not late because of them."""
        while self._started >= _A_TURN:  # noqa: ASYNC110 - over in a turn of the loop
            await asyncio.sleep(0)
        if not self._started:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._started += 1

    def _next_turn(self) -> None:
        self._started = 0

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            scope = _in_origin_form(scope)
        except ValueError:
            return await _text(400, "not an address of this server")(scope, receive, send)
        allowed = self._methods.get(scope["path"], _allowed(["GET"]) if scope["path"] == "*" else None)
        headers = {"Allow": ", ".join(allowed or ())}
        if allowed and scope["method"] == "OPTIONS":
            return await Response(status_code=204, headers=headers)(scope, receive, send)
        if allowed and scope["method"] not in allowed:
            return await _text(405, "Method Not Allowed", headers)(scope, receive, send)
        if scope["method"] == "HEAD":
            # uvicorn leaves out the body.
            scope = {**scope, "method": "GET"}
        return await self._app(scope, receive, send)


def _allowed(methods: Iterable[str]) -> list[str]:
    return sorted({*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set()))


def _text(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{text}\n", status, headers)


def _in_origin_form(scope: Scope) -> Scope:
    """Return the request in origin form, with the path alone. Raises ValueError where it names no page.

    A server has to accept whole addresses as well; the host is then the one in the address (RFC 9112, 3.2.2).
    """
    target = scope["raw_path"].decode("ascii")
    if target.startswith("/") or (target == "*" and scope["method"] == "OPTIONS"):
        return scope
    address = urlsplit(target)
    if address.scheme not in ("http", "https") or not address.netloc:
        raise ValueError(target)
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    path = unquote(address.path) or "/"
    return {**scope, "path": path, "headers": [*headers, (b"host", address.netloc.encode("ascii"))]}
