"""The HTTP port: metrics, probes, details and reload, with OpenAPI documentation.

Reading is open to everyone who can reach the port. Calls that change anything need the bearer token of a file or, where
no file is configured, have to come from this machine and not from a web page.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from edge.control.control import Control
from edge.http.anomalies_answer import anomalies_answer
from edge.http.answers import Answer, Answers
from edge.http.asgi import ChunkedResponse, Outermost
from edge.http.commands import add_commands, caller
from edge.http.docs import add_docs
from edge.http.oee_answer import oee_answer
from edge.http.shared_work import SharedWork
from edge.labels.queries import Anomalies, AnomalyQuery, read_place
from edge.observability.statistics import ledger_fields
from edge.redaction import clean, redact
from edge.status import BadQuery, Busy, OeeFigures, OeeQuery, Span, why_not_alive, why_not_ready
from edge.status_source import StatusSource
from plant.telemetry import MachineFilter

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
    _add_oee(app, Answers(source.oee, oee_answer))
    _add_anomalies(app, Answers(source.anomalies, anomalies_answer))
    _add_reload(app, context)
    add_commands(app, context.control, context.authorize)
    add_docs(app)
    return app


def served(app: FastAPI) -> Outermost:
    """Return the application wrapped in what is the same for every call."""
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    return Outermost(app, {"/openapi.json": ["GET"], **{route.path: route.methods or () for route in routes}})


def _add_index(app: FastAPI) -> None:
    @app.get("/", summary="List of all calls")
    async def index() -> dict[str, object]:
        return {"name": app.title, "version": app.version, "links": _LINKS, "actions": _ACTIONS}


_LINKS = {
    "/metrics": "metrics for Prometheus",
    "/livez": "200 while the process works",
    "/readyz": "200 while messages can be delivered",
    "/healthz": "details",
    "/oee": "the ground truth of each machine: availability, performance, quality",
    "/anomalies": "the labels of faults: what was wrong, with which machine, from when to when",
    "/docs": "all calls, to try out",
    "/redoc": "all calls, to read",
    "/openapi.json": "all calls, as an OpenAPI description",
}
_ACTIONS = {
    "POST /-/reload": "loads the plant's file again; needs a token, or a caller on the same machine",
    "POST /api/v1/commands": "acts on machines: stop, start, set_state, inject and so on; needs the same",
}


def _add_metrics(app: FastAPI, registry: CollectorRegistry, refresh: Callable[[], Awaitable[None]]) -> None:
    pages = SharedWork[bytes](_MOST_WAITING)

    @app.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse, responses=_UNAVAILABLE)
    async def metrics(request: Request) -> Response:
        encode, content_type = _encoder(request.headers.get("accept", ""))

        async def page() -> bytes:
            await refresh()
            return encode(registry)

        with _busy_is_503():
            return Response(await pages.get(content_type, page), headers={"content-type": content_type})


def _add_probes(app: FastAPI, source: StatusSource, context: HttpContext) -> None:
    @app.get("/livez", summary="Liveness probe", response_class=PlainTextResponse, responses=_UNAVAILABLE)
    async def livez() -> Response:
        """200 while the run loop turns and, with messages due and a connection, acknowledgements arrive."""
        return _probe(_why_not_alive(source, context))

    @app.get("/readyz", summary="Readiness probe", response_class=PlainTextResponse, responses=_UNAVAILABLE)
    async def readyz() -> Response:
        """200 while the process works, the broker is connected, and it accepts messages."""
        return _probe(_why_not_alive(source, context) or why_not_ready(source.connection()))


def _add_details(
    app: FastAPI, source: StatusSource, context: HttpContext, refresh: Callable[[], Awaitable[None]]
) -> None:
    @app.get("/healthz", summary="Details")
    async def healthz() -> Response:
        """All figures; the status code is 503 where that of /livez is."""
        with _busy_is_503():
            await refresh()
        dead, unready = _why_not_alive(source, context), why_not_ready(source.connection())
        status = "failing" if dead else "degraded" if unready else "ok"
        details = {"status": status, "reason": dead or unready, **_details(source, context.uptime_seconds())}
        # orjson writes null for infinite figures, which JSON does not have.
        return Response(orjson.dumps(clean(details)), 503 if dead else 200, media_type="application/json")


def _details(source: StatusSource, uptime_seconds: float) -> Mapping[str, object]:
    connection, plant = source.connection(), source.snapshot()
    return {
        "uptime_seconds": round(uptime_seconds, 3),
        "ledger": ledger_fields(source.ledger),
        "connection": connection.described(),
        "clock": dataclasses.asdict(source.clock()),
        "plant": {"seed": source.seed, "rows": dict(plant.rows), "open_orders": plant.open_orders},
    }


def _why_not_alive(source: StatusSource, context: HttpContext) -> str | None:
    return source.why_stuck() or why_not_alive(
        source.connection(), turn_age_seconds=source.turn_age_seconds(), patience_seconds=context.patience_seconds
    )


_UNAVAILABLE: _Responses = {503: {"description": "The reason, in one line."}}


def _probe(reason: str | None) -> Response:
    return PlainTextResponse(f"{redact(reason or 'ok')}\n", status_code=503 if reason else 200)


class _OeeParameters(BaseModel):
    """The query parameters of /oee; any other is an error."""

    model_config = ConfigDict(extra="forbid")

    span: Span = Field("run", description="The whole run, the current clock hour (UTC), or the one before.")
    machine_type: str | None = Field(
        None, max_length=200, description="Machines of this type only, by its key in the YAML."
    )
    after: str | None = Field(None, max_length=200, description="Machines after the one with this id.")
    limit: int | None = Field(None, ge=1, le=1_000_000, description="The most machines to return; all by default.")


def _add_oee(app: FastAPI, answers: Answers[OeeQuery, OeeFigures]) -> None:
    @app.get("/oee", summary="Ground truth of each machine", responses=_UNAVAILABLE)
    async def oee(asked: Annotated[_OeeParameters, Query()]) -> Response:
        """Times in seconds by state, jobs by result and the OEE figures (ISO 22400-2), exactly as in the plant.

        All machines as of one moment, in order of type and number. Where a limit leaves some out, `next` is the address
        of those that follow.
        """
        query = OeeQuery(asked.span, MachineFilter(asked.machine_type, asked.after, asked.limit))
        with _errors_as_codes():
            return _sent(await answers.get(query))


def _rfc3339(text: object) -> object:
    """Return a time as it is; raises ValueError unless it has a date, a time and an offset."""
    if isinstance(text, str) and not _MOMENT.fullmatch(text):
        raise ValueError("must be RFC 3339 with an offset, such as 2026-01-05T08:00:00Z; a + in an address is %2B")
    return text


_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339)]


class _AnomalyParameters(BaseModel):
    """The query parameters of /anomalies; any other is an error."""

    model_config = ConfigDict(extra="forbid")

    machine_id: str | None = Field(None, max_length=200, description="Of this machine only.")
    machine_type: str | None = Field(None, max_length=200, description="Of this type only, by its key in the YAML.")
    fault: str | None = Field(None, max_length=200, description="Of this fault only, such as `temperature.stuck`.")
    begin: _Moment | None = Field(None, alias="from", description="That have not ended before, in RFC 3339.")
    end: _Moment | None = Field(None, alias="to", description="That begin before, in RFC 3339.")
    min_severity: float | None = Field(None, ge=0, allow_inf_nan=False, description="Of this severity or above.")
    open: bool | None = Field(None, description="true: those that go on; false: those that have ended.")
    sensor: bool | None = Field(None, description="true: faults of sensors; false: the others.")
    after: str | None = Field(None, max_length=500, description="Those after a place, as `next` has it.")
    limit: int | None = Field(None, ge=1, le=1_000_000, description="The most to return; all by default.")

    def query(self) -> AnomalyQuery:
        """Return the query; raises BadQuery."""
        after = None if self.after is None else read_place(self.after)
        if self.begin is not None and self.end is not None and self.end <= self.begin:
            raise BadQuery("to: must be after from")
        span = _milliseconds(self.begin), _milliseconds(self.end)
        what = self.machine_id, self.machine_type, self.fault
        return AnomalyQuery(*what, *span, self.min_severity, self.open, self.sensor, after, self.limit)


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def _add_anomalies(app: FastAPI, answers: Answers[AnomalyQuery, Anomalies]) -> None:
    @app.get("/anomalies", summary="Labels of faults", responses=_ANOMALIES)
    async def anomalies(asked: Annotated[_AnomalyParameters, Query()]) -> Response:
        """Faults of machines and sensors that go on, with `open` and without end, and the newest that have ended.

        In order of their begin. `dropped` older ones have not been kept. Where a limit leaves some out, `next` is the
        address of those that follow.
        """
        with _errors_as_codes():
            return _sent(await answers.get(asked.query()))


_EXAMPLE: dict[str, object] = {
    "now": "2026-01-05T10:00:00.000Z",
    "dropped": 0,
    "anomalies": [
        {
            "machine_id": "CNC-03",
            "fault": "tool_breakage",
            "from": "2026-01-05T08:12:44.120Z",
            "to": None,
            "severity": 0.62,
            "ramp_seconds": 900.0,
            "cause": "chance",
            "effects": ["vibration", "cycle_seconds"],
            "open": True,
        }
    ],
}


_ANOMALIES: _Responses = {**_UNAVAILABLE, 200: {"content": {"application/json": {"example": _EXAMPLE}}}}


def _sent(answer: Answer) -> Response:
    link = {"Link": f'<{answer.next}>; rel="next"'} if answer.next else None
    return ChunkedResponse(answer, answer.size_bytes, "application/json", link)


@contextlib.contextmanager
def _errors_as_codes() -> Iterator[None]:
    try:
        with _busy_is_503():
            yield
    except BadQuery as error:
        raise HTTPException(422, str(error)) from None
    except TimeoutError:
        raise HTTPException(503, "a worker does not answer; /livez shows for how long") from None


@contextlib.contextmanager
def _busy_is_503() -> Iterator[None]:
    try:
        yield
    except Busy:
        raise HTTPException(
            503, "too many requests for this page; try again in a moment", {"Retry-After": "2"}
        ) from None


def _encoder(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
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
    401: {"description": "No token, or not the one in HTTP_TOKEN_FILE."},
    403: {"description": "Not from this machine, and no HTTP_TOKEN_FILE is set; or that file contains no token."},
    422: {"description": "The file has errors; the previous configuration is kept."},
}
