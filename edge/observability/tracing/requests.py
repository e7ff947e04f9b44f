"""Spans of HTTP requests, with the attributes that OpenTelemetry's conventions name; callers' traces are continued.

What a caller sends beside method, path and user agent is not recorded: queries and headers may have secrets.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.observability.tracing import spans
from edge.observability.tracing.spans import Attributes, Carrier, Kind, Span
from edge.redaction import printable

QUIET: Final = frozenset({"/metrics", "/metrics/", "/livez", "/readyz", "/healthz", "/api/v1/stream"})
"""Asked for every few seconds by machines, or without an end: no spans."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"})
_OTHER_METHOD: Final = "_OTHER"
_CARRIED: Final = frozenset({b"traceparent", b"tracestate"})


def traced(app: ASGIApp) -> ASGIApp:
    """Return an application whose requests are traced, if anything is."""
    return _Traced(app) if spans.enabled() else app


class _Traced:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request within a span."""
        if scope["type"] != "http" or scope["path"] in QUIET:
            return await self._app(scope, receive, send)
        method = scope["method"] if scope["method"] in _METHODS else _OTHER_METHOD
        with (
            spans.continued(_carrier(scope)),
            spans.span(_name(method), _attributes(scope, method), Kind.SERVER) as span,
        ):

            async def noting_send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _note_status(span, message["status"])
                await send(message)

            await self._app(scope, receive, noting_send)
            if route := getattr(scope.get("route"), "path", None):
                span.rename(f"{_name(method)} {route}")
                span.set("http.route", route)
        return None


def _carrier(scope: Scope) -> Carrier:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"] if name in _CARRIED}


def _name(method: str) -> str:
    return "HTTP" if method == _OTHER_METHOD else method


def _attributes(scope: Scope, method: str) -> Attributes:
    agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    client, server = scope.get("client"), scope.get("server")
    return {
        "http.request.method": method,
        "url.path": printable(scope["path"]),
        "url.scheme": scope["scheme"],
        "network.protocol.version": scope["http_version"],
        **({"user_agent.original": printable(agent.decode("latin-1"))} if agent else {}),
        **({"client.address": client[0], "client.port": client[1]} if client else {}),
        **({"server.address": server[0], "server.port": server[1]} if server and server[1] else {}),
    }


def _note_status(span: Span, status: int) -> None:
    span.set("http.response.status_code", status)
    if status >= 500:
        span.fail(str(status))
