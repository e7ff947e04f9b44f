"""The HTTP port: metrics, probes, details and reload, with OpenAPI documentation.

Reading is open to whoever reaches the port. Calls that change anything need the bearer token of a file or, where no
file is configured, come from this machine and from no web page.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Protocol
from urllib.parse import urlsplit

import orjson
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from pydantic import BaseModel, ConfigDict, Field

from edge.blocking import read_small, run_aside
from edge.http.asgi import ChunkedResponse, Outermost
from edge.http.docs import add_docs
from edge.http.oee_answer import OeeAnswer
from edge.http.shared_work import SharedWork
from edge.redaction import clean, redact
from edge.status import BadQuery, Busy, OeeQuery, ReloadOutcome, Span
from plant.telemetry import MachineFilter

_MOST_TOKEN_BYTES, _TOKEN_SECONDS = 65_536, 5.0
_Responses = dict[int | str, dict[str, Any]]  # as FastAPI takes them
_MOST_SCRAPES = 100


class StatusSource(Protocol):
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

    async def oee(self, query: OeeQuery) -> OeeAnswer:
        """Give the truth of each machine over a span, or raise TimeoutError, Busy or BadQuery."""

    async def request_reload(self) -> ReloadOutcome:
        """Load the plant's file anew."""


def create_app(daemon: StatusSource) -> FastAPI:
    """Make the web application that shows and steers a daemon."""
    # FastAPI's own telemetry is off: its exporters read the environment and report to where nobody here asked them to.
    app = FastAPI(
        title="edgemqttsim",
        version=daemon.version,
        description=__doc__,
        docs_url=None,
        redoc_url=None,
        # It would make the address of a page from whatever the caller says that we are called.
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    _add_index(app)
    _add_metrics(app, daemon)
    _add_probes(app, daemon)
    _add_oee(app, daemon)
    _add_reload(app, daemon)
    add_docs(app)
    return app


def served(app: FastAPI) -> Outermost:
    """Put around an application what is the same for every call."""
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    return Outermost(app, {"/openapi.json": ["GET"], **{route.path: route.methods or () for route in routes}})


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
    "/redoc": "all calls, to read",
}


def _add_metrics(app: FastAPI, daemon: StatusSource) -> None:
    pages = SharedWork[bytes](_MOST_SCRAPES)

    @app.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse, responses=_UNWELL)
    async def metrics(request: Request) -> Response:
        encode, content_type = _encoder(request.headers.get("accept", ""))

        async def page() -> bytes:
            await daemon.look()
            return encode(daemon.registry)

        with _busy_is_503():
            return Response(await pages.get(content_type, page), headers={"content-type": content_type})


def _add_probes(app: FastAPI, daemon: StatusSource) -> None:
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
        with _busy_is_503():
            await daemon.look()
        dead, unready = daemon.why_not_alive(), daemon.why_not_ready()
        status = "failing" if dead else "degraded" if unready else "ok"
        details = {"status": status, "reason": dead or unready, **daemon.health()}
        # orjson has null where a figure is infinite, which JSON cannot say.
        return Response(orjson.dumps(clean(details)), 503 if dead else 200, media_type="application/json")


_UNWELL: _Responses = {503: {"description": "The reason, in a line."}}


def _probe(reason: str | None) -> Response:
    return PlainTextResponse(f"{redact(reason or 'ok')}\n", status_code=503 if reason else 200)


class _OeeParameters(BaseModel):
    """What may stand behind the question mark; anything else is a mistake."""

    model_config = ConfigDict(extra="forbid")

    span: Span = Field("run", description="The whole run, the clock hour (UTC) that is on, or the one before.")
    type: str | None = Field(None, max_length=200, description="Machines of this type alone, such as `cnc_machine`.")
    after: str | None = Field(None, max_length=200, description="Machines after the one of this id.")
    limit: int | None = Field(None, ge=1, le=1_000_000, description="So many machines at most; all, if not given.")


def _add_oee(app: FastAPI, daemon: StatusSource) -> None:
    @app.get("/oee", summary="What each machine really did", responses=_UNWELL)
    async def oee(asked: Annotated[_OeeParameters, Query()]) -> Response:
        """Times in seconds by state, jobs by result and the OEE figures (ISO 22400-2), as the plant knows them.

        All machines as of one moment, in order of type and number. Where a limit leaves some out, `next` is where to
        ask for those that follow.
        """
        query = OeeQuery(asked.span, MachineFilter(asked.type, asked.after, asked.limit))
        try:
            with _busy_is_503():
                answer = await daemon.oee(query)
        except BadQuery as mistake:
            raise HTTPException(422, str(mistake)) from None
        except TimeoutError:
            raise HTTPException(503, "a worker does not answer; /livez says for how long") from None
        link = {"Link": f'<{answer.next}>; rel="next"'} if answer.next else None
        return ChunkedResponse(answer, answer.size_bytes, "application/json", link)


@contextlib.contextmanager
def _busy_is_503() -> Iterator[None]:
    try:
        yield
    except Busy:
        raise HTTPException(503, "too many ask for this at once; try again in a moment", {"Retry-After": "2"}) from None


def _encoder(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """What writes the metrics as the caller wants them; as text for who wants what nobody knows."""
    try:
        return choose_encoder(accept)
    except (ValueError, TypeError):
        return choose_encoder("")


def _add_reload(app: FastAPI, daemon: StatusSource) -> None:
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
