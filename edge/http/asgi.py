"""What is the same for every HTTP call: methods, forms of the address, fairness, internal errors, other origins."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from fastapi.responses import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.http.problems import refused

log = logging.getLogger("http")

HEAD: Final = "edgemqttsim.head"
"""In the scope of a request by HEAD, which is answered like GET: true."""

_RESTART_SECONDS: Final = 5
_A_TURN: Final = 4
"""Requests that are started in one turn of the event loop: each costs some tenths of a millisecond."""
_SENT_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key, traceparent, tracestate"
_READ_HEADERS: Final = "Allow, Idempotency-Replayed, Link, Retry-After"
_REMEMBERED_SECONDS: Final = "600"


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
    """Wraps an application. methods: those of each path, without HEAD and OPTIONS.

    unsafe: the paths whose GET changes something, so that HEAD is not taken for it.
    """

    def __init__(self, app: ASGIApp, methods: Mapping[str, Iterable[str]], unsafe: Collection[str] = ()) -> None:
        self._app = app
        self._methods = {path: _allowed(names, has_head=path not in unsafe) for path, names in methods.items()}
        self._patterns = [(compile_path(path)[0], self._methods[path]) for path in methods if "{" in path]
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
                await refused(scope["path"], 503, "shutting down", retry_seconds=_RESTART_SECONDS)(scope, receive, send)
        except ClientDisconnect:
            log.debug("%s %s: the caller has gone before its request was whole", scope["method"], scope["path"])
        except Exception as error:
            what = scope.get("method", "WebSocket"), scope["path"]
            log.error("%s %s: %s: %s", *what, type(error).__name__, error)  # noqa: TRY400
            log.debug("internal error", exc_info=error)
            if not begun:
                await refused(scope["path"], 500, "Internal Server Error")(scope, receive, send)

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
        if scope["type"] == "websocket":
            return await self._app(scope, receive, send)
        try:
            scope = _in_origin_form(scope)
        except ValueError:
            return await refused(scope["path"], 400, "not an address of this server")(scope, receive, send)
        allowed = self._allowed_at(scope["path"])
        headers = {"Allow": ", ".join(allowed or ())}
        if allowed and scope["method"] == "OPTIONS":
            return await Response(status_code=204, headers=headers)(scope, receive, send)
        if allowed and scope["method"] not in allowed:
            return await refused(scope["path"], 405, "Method Not Allowed", headers)(scope, receive, send)
        if scope["method"] == "HEAD":
            # uvicorn leaves out the body.
            scope = {**scope, "method": "GET", HEAD: True}
        return await self._app(scope, receive, send)

    def _allowed_at(self, path: str) -> list[str] | None:
        """Return the methods of a path; None if there is no such path."""
        if path == "*":
            return _allowed(["GET"])
        matching = (methods for pattern, methods in self._patterns if pattern.match(path))
        return self._methods.get(path) or next(matching, None)


def _allowed(methods: Iterable[str], *, has_head: bool = True) -> list[str]:
    return sorted({*methods, "OPTIONS"} | ({"HEAD"} if has_head and "GET" in methods else set()))


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


class CrossOrigin:
    """Wraps an application, so that web pages of other origins may call it (CORS), without a browser's credentials.

    A page may read what everyone may read; what changes anything needs the bearer token, which the page has to send.
    origins: those of the pages, such as https://example.com.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app, self._origins = app, frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; a preflight is answered with the methods of its path."""
        if scope["type"] == "websocket":  # which knows no CORS: whoever serves it looks at the origin
            return await self._app(scope, receive, send)
        asked = Headers(scope=scope)
        origin = asked.get("origin")
        is_preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in asked

        async def marking_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if origin in self._origins:
                    headers.update(dict(_permission(origin, headers, is_preflight=is_preflight)))
            await send(message)

        return await self._app(scope, receive, marking_send)


def _permission(origin: str, headers: MutableHeaders, *, is_preflight: bool) -> Iterable[tuple[str, str]]:
    yield "Access-Control-Allow-Origin", origin
    if not is_preflight:
        yield "Access-Control-Expose-Headers", _READ_HEADERS
        return
    yield "Access-Control-Allow-Methods", headers.get("allow", "")
    yield "Access-Control-Allow-Headers", _SENT_HEADERS
    yield "Access-Control-Max-Age", _REMEMBERED_SECONDS
