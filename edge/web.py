"""The HTTP port: metrics, probes, details and reload, with OpenAPI documentation.

Reading is open to whoever reaches the port. Calls that change anything need the bearer token of a file or, where no
file is configured, come from this machine and from no web page.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hmac
import ipaddress
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from edge.blocking import read_small, run_aside
from edge.facts import PortError, ReloadOutcome, Span
from edge.logs import clean, redact

_MOST_TOKEN_BYTES, _TOKEN_SECONDS = 65_536, 5.0
_Responses = dict[int | str, dict[str, Any]]  # as FastAPI takes them


class Daemon(Protocol):
    """What the HTTP port needs of the process it shows."""

    @property
    def version(self) -> str:
        """The version of the software."""

    @property
    def registry(self) -> CollectorRegistry:
        """The metrics."""

    @property
    def http_token_file(self) -> Path | None:
        """The file with the token for calls that change anything."""

    def why_not_alive(self) -> str | None:
        """Say why the process should be restarted, or None."""

    def why_not_ready(self) -> str | None:
        """Say why it cannot do its work now, or None."""

    def health(self) -> Mapping[str, object]:
        """Give the details: figures of the ledger, the connection, the plant."""

    async def look(self) -> None:
        """Bring what the metrics and the details show up to now."""

    async def oee(self, span: Span) -> Mapping[str, object]:
        """Give the truth of each machine over a span, or raise TimeoutError."""

    async def request_reload(self) -> ReloadOutcome:
        """Load the plant's file anew."""


def create_app(daemon: Daemon) -> FastAPI:
    """Make the web application that shows and steers a daemon."""
    # FastAPI's own telemetry is off: its exporters read the environment and report to where nobody here asked them to.
    app = FastAPI(
        title="edgemqttsim",
        version=daemon.version,
        description=__doc__,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    _add_index(app)
    _add_metrics(app, daemon)
    _add_probes(app, daemon)
    _add_oee(app, daemon)
    _add_reload(app, daemon)
    return app


def _add_index(app: FastAPI) -> None:
    @app.get("/", summary="Where to look")
    async def index() -> dict[str, object]:
        return {"name": app.title, "version": app.version, "links": _LINKS}


_LINKS = {
    "/metrics": "figures for Prometheus",
    "/livez": "200 while the process does its work",
    "/readyz": "200 while messages can be delivered",
    "/healthz": "details",
    "/oee": "what each machine really did: availability, performance, quality",
    "/docs": "all calls, to try out",
}


def _add_metrics(app: FastAPI, daemon: Daemon) -> None:
    @app.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse)
    async def metrics(request: Request) -> Response:
        await daemon.look()
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(daemon.registry), headers={"content-type": content_type})


def _add_probes(app: FastAPI, daemon: Daemon) -> None:
    @app.get("/livez", summary="Is it at work?", response_class=PlainTextResponse, responses=_UNWELL)
    async def livez() -> Response:
        """200 while the loop turns and, with messages due and a connection, acknowledgements come."""
        return _probe(daemon.why_not_alive())

    @app.get("/readyz", summary="Can it deliver?", response_class=PlainTextResponse, responses=_UNWELL)
    async def readyz() -> Response:
        """200 while the configuration is loaded and the broker is connected."""
        return _probe(daemon.why_not_alive() or daemon.why_not_ready())

    @app.get("/healthz", summary="Details")
    async def healthz() -> Response:
        """All figures; the status is 503 where /livez would say so."""
        await daemon.look()
        dead, unready = daemon.why_not_alive(), daemon.why_not_ready()
        status = "failing" if dead else "degraded" if unready else "ok"
        details = {"status": status, "reason": dead or unready, **daemon.health()}
        return JSONResponse(clean(details), status_code=503 if dead else 200)


_UNWELL: _Responses = {503: {"description": "The reason, in a line."}}


def _probe(reason: str | None) -> Response:
    return PlainTextResponse(f"{redact(reason or 'ok')}\n", status_code=503 if reason else 200)


def _add_oee(app: FastAPI, daemon: Daemon) -> None:
    @app.get("/oee", summary="What each machine really did", responses=_UNWELL)
    async def oee(span: Span = "run") -> Response:
        """Times in seconds by state, jobs by result and the OEE figures (ISO 22400-2), as the plant knows them.

        span: the whole run, the clock hour (UTC) that is on, or the one before.
        """
        try:
            return Response(orjson.dumps(await daemon.oee(span)), media_type="application/json")
        except TimeoutError:
            raise HTTPException(503, "a worker does not answer; /livez says for how long") from None


def _add_reload(app: FastAPI, daemon: Daemon) -> None:
    async def authorized(request: Request) -> None:
        await authorize(request, daemon.http_token_file)

    @app.post(
        "/-/reload",
        summary="Load the plant's file anew",
        responses=_RELOAD_REFUSALS,
        dependencies=[Depends(authorized)],
    )
    async def reload() -> Response:
        """Put the file in force as a whole, or answer with all its mistakes."""
        outcome = await daemon.request_reload()
        if outcome.mistakes:
            return JSONResponse({"mistakes": outcome.mistakes}, status_code=422)
        return JSONResponse({"machines": dict(outcome.machines)})


_RELOAD_REFUSALS: _Responses = {
    401: {"description": "No token, or not the one of HTTP_TOKEN_FILE."},
    403: {"description": "Not from this machine, and no HTTP_TOKEN_FILE is set; or that file holds no token."},
    422: {"description": "The file has mistakes; the plant in force stays."},
}


async def authorize(request: Request, token_file: Path | None) -> None:
    """Raise HTTPException 401 or 403 unless the caller may change things."""
    if token_file is None:
        _require_local(request)
    else:
        await _require_token(request, token_file)


async def _require_token(request: Request, token_file: Path) -> None:
    # An unreadable file is an empty one, and an empty one opens to nobody: failing must not unlock.
    token, why = b"", "is empty"
    try:
        async with asyncio.timeout(_TOKEN_SECONDS):
            token = (await run_aside(lambda: read_small(token_file, _MOST_TOKEN_BYTES))).strip()
    except OSError as error:
        why = f"cannot be read: {error.strerror or 'no answer in time'}"
    if not token:
        raise HTTPException(403, f"HTTP_TOKEN_FILE names a file that {why}: nobody may change anything")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token):
        raise HTTPException(
            401, "needs `Authorization: Bearer` with the content of HTTP_TOKEN_FILE", {"WWW-Authenticate": "Bearer"}
        )


def _require_local(request: Request) -> None:
    """Let in only a caller on this machine who means this machine.

    A web page elsewhere can make a local browser call us, by a name that it has rebound to 127.0.0.1 (Host gives it
    away) or across sites (Origin does); a proxy here can call for others (it says for whom).
    """
    headers = request.headers
    origin = headers.get("origin")
    local = (
        request.client is not None
        and _is_loopback(request.client.host)
        and _is_loopback(_host_of("//" + headers.get("host", "")))
        and (origin is None or _is_loopback(_host_of(origin)))
        and not any(name in headers for name in ("forwarded", "x-forwarded-for", "x-real-ip", "via"))
    )
    if not local:
        raise HTTPException(403, "only from this machine, by the name localhost; set HTTP_TOKEN_FILE for other callers")


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # A socket for both protocols shows IPv4 callers as ::ffff:127.0.0.1.
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


class Server:
    """Serves an application on a port that is open from the moment this is made; PortError if it cannot be.

    port: 0 lets the system choose; `port` is then the one it chose.
    """

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        self._socket = _listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                # The pure Python parser, no web sockets, no lifespan: each left out saves memory.
                http="h11",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                # A header must not be able to turn a caller's address into loopback.
                proxy_headers=False,
                server_header=False,
                # Bounds the memory that callers can make us use.
                limit_concurrency=250,
                timeout_graceful_shutdown=1,
            )
        )

    async def run(self) -> None:
        """Serve until `stop`; when cancelled, close what is open."""
        try:
            await self._server.serve(sockets=[self._socket])
        except asyncio.CancelledError:
            # uvicorn closes what it has open only when it ends by itself.
            if self._server.started:
                await self._server.shutdown(sockets=[self._socket])
            raise
        finally:
            self._socket.close()

    def stop(self) -> None:
        """Let `run` answer what it is answering and end."""
        self._server.should_exit = True

    def close(self) -> None:
        """Close the port of a server that was never run."""
        self._socket.close()


class _Uvicorn(uvicorn.Server):
    """uvicorn inside a process that handles its own signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return socket.create_server(found[0][4][:2], family=found[0][0], backlog=100)
    except OSError as error:
        hint = "; is another one running? HTTP_PORT=0 turns this off" if error.errno == errno.EADDRINUSE else ""
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise PortError(f"HTTP_HOST, HTTP_PORT: cannot listen on {host}:{port}: {reason}{hint}") from error
