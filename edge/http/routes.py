"""The HTTP port: metrics, probes, details and control, with OpenAPI documentation.

Reading is open to everyone who can reach the port. Calls that change anything need the bearer token of a file or, where
no file is configured, have to come from this machine and not from a web page.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from edge.control.control import Control
from edge.http.asgi import Outermost
from edge.http.authorization import caller
from edge.http.docs import add_docs
from edge.http.figures import UNAVAILABLE, add_anomalies, add_oee, busy_is_503
from edge.http.shared_work import SharedWork
from edge.observability.statistics import ledger_fields
from edge.redaction import clean, redact
from edge.status_source import StatusSource, health, why_dead

CHANGES = "x-changes"
"""In the OpenAPI description of a path: its GET changes something too, as that of another simulator did."""

_Responses = dict[int | str, dict[str, Any]]  # as FastAPI takes them
_MOST_WAITING = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpContext:
    """What the HTTP port needs of the process beside its status.

    registry: the metrics.  control: executes commands, and loads the plant's file.
    authorize: raises HTTPException unless the caller may change things.
    patience_seconds: how long the run loop or acknowledgements may stop before /livez fails.
    """

    version: str
    registry: CollectorRegistry
    control: Control
    authorize: Callable[[Request], Awaitable[None]]
    uptime_seconds: Callable[[], float]
    patience_seconds: float


_MONITORING: list[str | Enum] = ["monitoring"]


def _example(value: object, media_type: str = "application/json") -> _Responses:
    """Return what OpenAPI says of a call that is answered so."""
    return {200: {"description": "The answer.", "content": {media_type: {"example": value}}}}


_PROBE: _Responses = {**UNAVAILABLE, **_example("ok\n", "text/plain")}
_HEALTH = {
    "status": "ok",
    "uptime_seconds": 120.0,
    "ledger": {"messages_generated": 494, "messages_sent": 494, "messages_failed": 0, "queue_depth": 0, "in_flight": 0},
    "connection": {"connected": True, "connects": 1},
    "plant": {"seed": "1", "rows": {"press": 110}, "open_orders": 0},
}


def create_app(source: StatusSource, context: HttpContext) -> FastAPI:
    """Return the web application that shows and controls a simulator."""
    # FastAPI's own telemetry is off: its exporters read the environment and send to where nobody here asked them to.
    app = FastAPI(
        title="edgemqttsim",
        version=context.version,
        description=__doc__,
        docs_url=None,
        redoc_url=None,
        # It would build an address from the Host header that the caller sends.
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    refreshing = SharedWork[None](_MOST_WAITING)

    async def refresh() -> None:
        await refreshing.get("refresh", source.refresh)

    _add_index(app)
    _add_metrics(app, context.registry, refresh)
    _add_probes(app, source, context)
    _add_details(app, source, context, refresh)
    add_oee(app, source)
    add_anomalies(app, source)
    _add_reload(app, context)
    add_docs(app)
    return app


def served(app: FastAPI) -> Outermost:
    """Return the application wrapped in what is the same for every call."""
    methods: dict[str, set[str]] = {"/openapi.json": {"GET"}}
    unsafe = set[str]()
    for route in app.routes:
        if isinstance(route, APIRoute):
            methods.setdefault(route.path, set()).update(route.methods or ())
            if (route.openapi_extra or {}).get(CHANGES):
                unsafe.add(route.path)
    return Outermost(app, methods, unsafe)


def _add_index(app: FastAPI) -> None:
    @app.get("/", summary="List of all calls", tags=_MONITORING, responses=_example({"name": "edgemqttsim"}))
    async def index(response: Response) -> dict[str, object]:
        response.headers["Vary"] = "Accept"  # a browser gets the page at this address
        return {"name": app.title, "version": app.version, "links": _LINKS, "actions": _ACTIONS}


_LINKS = {
    "/metrics": "metrics for Prometheus",
    "/livez": "200 while the process works",
    "/readyz": "200 while messages can be delivered",
    "/healthz": "details",
    "/oee": "the ground truth of each machine: availability, performance, quality",
    "/anomalies": "the labels of faults: what was wrong, with which machine, from when to when",
    "/api/v1/overview": "how connection, rate, queue and machines are now: what the page at / shows first",
    "/api/v1/stream": "the same as server-sent events, as it changes",
    "/api/v1/machines": "machines as they are now; below it, by id, one with its signals",
    "/api/v1/machine-types": "machine types: states, signals, faults, results",
    "/api/v1/messages": "messages as they are delivered, by topic, category, QoS and text",
    "/api/v1/plant": "the plant's YAML in force",
    "/api/v1/settings": "the options in force",
    "/api/v1/journal": "what was done to the plant, by whom and when",
    "/api/v1/wire": "what clients have done at the embedded broker",
    "/docs": "all calls, to try out",
    "/redoc": "all calls, to read",
    "/openapi.json": "all calls, as an OpenAPI description",
}
_ACTIONS = {
    "POST /-/reload": "loads the plant's file again; needs a token, or a caller on the same machine",
    "POST /api/v1/commands": "acts on machines: stop, start, set_state, inject and so on; needs the same",
    "PUT /api/v1/plant": "applies another YAML; needs the same",
    "POST /api/v1/plant/check": "checks a YAML; needs the same",
}


def _add_metrics(app: FastAPI, registry: CollectorRegistry, refresh: Callable[[], Awaitable[None]]) -> None:
    pages = SharedWork[bytes](_MOST_WAITING)

    @app.get(
        "/metrics",
        summary="Metrics for Prometheus",
        tags=_MONITORING,
        response_class=PlainTextResponse,
        responses={**UNAVAILABLE, **_example("edgemqttsim_connected 1.0\n", "text/plain")},
    )
    async def metrics(request: Request) -> Response:
        encode, content_type = encoder(request.headers.get("accept", ""))

        async def page() -> bytes:
            await refresh()
            return encode(registry)

        with busy_is_503():
            return Response(await pages.get(content_type, page), headers={"content-type": content_type})


def _add_probes(app: FastAPI, source: StatusSource, context: HttpContext) -> None:
    @app.get("/livez", summary="Liveness probe", tags=_MONITORING, response_class=PlainTextResponse, responses=_PROBE)
    async def livez() -> Response:
        """200 while the run loop turns and, with messages due and a connection, acknowledgements arrive."""
        return _probe(why_dead(source, context.patience_seconds))

    @app.get("/readyz", summary="Readiness probe", tags=_MONITORING, response_class=PlainTextResponse, responses=_PROBE)
    async def readyz() -> Response:
        """200 while the process works, the broker is connected, and it accepts messages."""
        return _probe(health(source, context.patience_seconds).reason)


def _add_details(
    app: FastAPI, source: StatusSource, context: HttpContext, refresh: Callable[[], Awaitable[None]]
) -> None:
    @app.get("/healthz", summary="Details", tags=_MONITORING, responses={**UNAVAILABLE, **_example(_HEALTH)})
    async def healthz() -> Response:
        """All figures; the status code is 503 where that of /livez is."""
        with busy_is_503():
            await refresh()
        found = health(source, context.patience_seconds)
        details = {**found._asdict(), **_details(source, context.uptime_seconds())}
        # orjson writes null for infinite figures, which JSON does not have.
        code = 503 if found.status == "failing" else 200
        return Response(orjson.dumps(clean(details)), code, media_type="application/json")


def _details(source: StatusSource, uptime_seconds: float) -> Mapping[str, object]:
    connection, plant = source.connection(), source.snapshot()
    return {
        "uptime_seconds": round(uptime_seconds, 3),
        "ledger": ledger_fields(source.ledger),
        "connection": connection.described(),
        "clock": dataclasses.asdict(source.clock()),
        "plant": {"seed": source.seed, "rows": dict(plant.rows), "open_orders": plant.open_orders},
    }


def _probe(reason: str | None) -> Response:
    return PlainTextResponse(f"{redact(reason or 'ok')}\n", status_code=503 if reason else 200)


def encoder(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """Return what writes the metrics in the format that the caller accepts; as text where none is known."""
    try:
        return choose_encoder(accept)
    except (ValueError, TypeError):
        return choose_encoder("")


def _add_reload(app: FastAPI, context: HttpContext) -> None:
    async def authorized(request: Request) -> None:
        await context.authorize(request)

    @app.post(
        "/-/reload",
        summary="Load the plant's file again",
        tags=["plant"],
        responses=_RELOAD_ERRORS,
        dependencies=[Depends(authorized)],
    )
    async def reload(request: Request) -> Response:
        """Apply the file as a whole, or return all its errors."""
        outcome = await context.control.reload(caller(request))
        if outcome.errors:
            return JSONResponse({"errors": outcome.errors}, status_code=422)
        return JSONResponse({"machines": dict(outcome.machines)})


_RELOAD_ERRORS: _Responses = {
    **_example({"machines": {"press": 5}}),
    401: {"description": "No token, or not the one in HTTP_TOKEN_FILE."},
    403: {"description": "Not from this machine, and no HTTP_TOKEN_FILE is set; or that file contains no token."},
    422: {"description": "The file has errors; the previous configuration is kept."},
}
