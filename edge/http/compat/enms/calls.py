"""The calls of EnMS, added to the application: paths, forms, and what each shows or does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import Scope

from edge.http.api.context import ApiContext
from edge.http.authorization import caller
from edge.http.compat.enms.answers import (
    CHANGING,
    READING,
    changed,
    described,
    no_machine,
    read_body,
    reply,
    shown,
    taking,
)
from edge.http.compat.enms.configuration import Configuration
from edge.http.compat.enms.forms import SERVICE, VERSION, Anomaly, Changes, Health, Machine, Reply, Selection, Status
from edge.http.compat.enms.machines import factories_count, shown_machine, total, type_name
from edge.http.compat.enms.operation import Operation, counts
from edge.http.shared_work import SharedWork
from edge.status import why_not_ready
from edge.timestamps import rfc3339
from plant.definition.machine_types.message_classes import readings_of
from plant.views.plant_views import ViewQuery

_MOST_WAITING: Final = 100
_TAGS: Final[list[Any]] = ["EnMS"]
_PREFIX: Final = "/simulator"
_MACHINES: Final = f"{_PREFIX}/machines"
_MACHINE: Final = f"{_MACHINES}/{{machine_id:path}}"
_ANOMALY: Final = f"{_MACHINE}/anomaly"
_ABOUT: Final = {
    "service": SERVICE,
    "version": VERSION,
    "docs": "/docs",
    "health": "/health",
    "api": _PREFIX,
}
_ENDPOINTS: Final = {
    "health": "/health",
    "start": f"{_PREFIX}/start",
    "stop": f"{_PREFIX}/stop",
    "status": f"{_PREFIX}/status",
    "machines": _MACHINES,
    "anomaly": f"{_MACHINES}/{{machine_id}}/anomaly",
    "config": f"{_PREFIX}/config",
    "docs": "/docs",
}


def add_enms(app: FastAPI, context: ApiContext) -> None:
    """Add the calls to an application."""
    operation, configuration = Operation(context, context.uptime_seconds), Configuration(context)
    _add_about(app, context)
    _add_switches(app, context, operation)
    _add_status(app, context, operation, configuration)
    _add_anomalies(app, context, operation)  # before machines, whose path would have theirs
    _add_machines(app, context)
    _add_configuration(app, context, configuration)


class _ForPrograms(APIRoute):
    """A call that is not for browsers: these see the page of the same path."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a request is for this call."""
        if "text/html" in Headers(scope=scope).get("accept", ""):
            return Match.NONE, {}
        return super().matches(scope)


def _add_about(app: FastAPI, context: ApiContext) -> None:
    async def index() -> Response:
        """What this is, and where the rest is; with `Accept: text/html`, what this path shows otherwise."""

        async def about() -> object:
            return reply(f"{SERVICE} v{VERSION}", _ABOUT)

        return await shown(about)

    app.router.add_api_route(
        "/",
        index,
        summary="What this is",
        tags=_TAGS,
        responses=described("index", Reply, READING),
        route_class_override=_ForPrograms,
    )

    @app.get("/health", summary="Health", tags=_TAGS, responses=described("health", Health, READING))
    async def health() -> Response:
        """Always 200: `degraded` while messages cannot be delivered. Probes are `/livez` and `/readyz`."""

        async def found() -> object:
            connection = context.source.connection()
            is_healthy = context.source.why_stuck() is None and why_not_ready(connection) is None
            return {
                "status": "healthy" if is_healthy else "degraded",
                "service": SERVICE,
                "version": VERSION,
                "timestamp": rfc3339(round(context.wall_clock() * 1000)),
                "mqtt_connected": connection.connected,
                "database_connected": True,
            }

        return await shown(found)

    @app.get(f"{_PREFIX}/info", summary="Machine types", tags=_TAGS, responses=described("info", Reply, READING))
    async def info() -> Response:
        """The machine types, how often each reports, and the other calls."""

        async def found() -> object:
            config = await context.source.config()
            types = [machine_type for _, machine_type, _ in config.machines()]
            sent = {type_name(each): readings_of(each) for each in types}
            periods = {name: config.class_period_seconds(each) for name, each in sent.items() if each is not None}
            data = {
                "service": SERVICE,
                "version": VERSION,
                "machine_types": [*sent],
                "data_intervals": {name: f"{seconds:g}s" for name, seconds in periods.items()},
                "endpoints": _ENDPOINTS,
            }
            return reply(f"{SERVICE} information", data)

        return await shown(found)


def _add_switches(app: FastAPI, context: ApiContext, operation: Operation) -> None:
    def add(command: str, what: str) -> None:
        @app.post(
            f"{_PREFIX}/{command}",
            summary=what,
            tags=_TAGS,
            responses=described(command, Reply, CHANGING),
            openapi_extra=taking("selection", Selection, is_required=False),
            operation_id=f"enms_{command}",
        )
        async def switch(request: Request) -> Response:
            """All machines, or those of factories and with ids that are named; unknown ones are left out.

            A machine that is so already stays so.
            """

            async def work(content: bytes) -> object:
                selection = read_body(Selection, content, is_optional=True)
                return await operation.switch(command, selection, caller(request))

            return await changed(context, request, work)

    add("start", "Start machines")
    add("stop", "Stop machines")


def _add_status(app: FastAPI, context: ApiContext, operation: Operation, configuration: Configuration) -> None:
    work = SharedWork[object](_MOST_WAITING)

    async def found() -> object:
        source, config = context.source, await context.source.config()
        count = await counts(source)
        chance, connection = configuration.chance(config), source.connection()
        running = count["running_machines"]
        why_stuck = source.why_stuck()
        return {
            "status": "error" if why_stuck else operation.at_work or ("running" if running else "stopped"),
            "uptime_seconds": round(operation.uptime_seconds(running), 3),
            "factories_count": factories_count(config),
            "machines_count": count["total_machines"],
            "running_machines": running,
            "total_readings_generated": total(config, source.snapshot().rows),
            "mqtt_connected": connection.connected,
            "mqtt_messages_published": source.ledger.sent,
            "configuration": {
                "enable_anomalies": chance.is_on,
                "anomaly_probability": chance.probability,
                "mqtt_broker": _broker(context.settings),
            },
        }

    @app.get(
        f"{_PREFIX}/status", summary="The plant as a whole", tags=_TAGS, responses=described("status", Status, READING)
    )
    async def status() -> Response:
        """How many machines there are, and how many are not stopped; readings, messages and configuration."""
        return await shown(lambda: work.get("status", found))


def _broker(settings: Mapping[str, Any]) -> str:
    values = settings["settings"]
    return f"{values.get('MQTT_BROKER')}:{values.get('MQTT_PORT')}"


def _add_machines(app: FastAPI, context: ApiContext) -> None:
    work = SharedWork[object](_MOST_WAITING)

    async def found() -> object:
        listed = await context.source.machines(ViewQuery(is_detailed=True))
        config = await context.source.config()
        machines = (shown_machine(config, orjson.loads(json)) for _, _, json in listed.entries)
        return [each for each in machines if each is not None]

    @app.get(_MACHINES, summary="All machines", tags=_TAGS, responses=described("machines", list[Machine], READING))
    async def machines() -> Response:
        """Each machine with the values that a message of now would have."""
        return await shown(lambda: work.get("machines", found))

    @app.get(_MACHINE, summary="One machine", tags=_TAGS, responses=described("machine", Machine, (404, *READING)))
    async def machine(machine_id: str) -> Response:
        """The same of one machine."""

        async def one() -> object:
            json = (await context.source.machine(machine_id)).json
            shown_now = json and shown_machine(await context.source.config(), orjson.loads(json))
            if not shown_now:
                raise no_machine(machine_id)
            return shown_now

        return await shown(one)


def _add_anomalies(app: FastAPI, context: ApiContext, operation: Operation) -> None:
    @app.post(
        _ANOMALY,
        summary="Begin a fault",
        tags=_TAGS,
        responses=described("inject", Reply, (404, *CHANGING)),
        openapi_extra=taking("anomaly", Anomaly),
    )
    async def inject(machine_id: str, request: Request) -> Response:
        """A fault of the machine's type, for a time, in place of those that the machine has."""

        async def work(content: bytes) -> object:
            return await operation.inject(machine_id, read_body(Anomaly, content), caller(request))

        return await changed(context, request, work)

    @app.delete(_ANOMALY, summary="End all faults", tags=_TAGS, responses=described("clear", Reply, (404, *CHANGING)))
    async def clear(machine_id: str, request: Request) -> Response:
        """All faults of the machine, if it has any."""

        async def work(_content: bytes) -> object:
            return await operation.clear(machine_id, caller(request))

        return await changed(context, request, work)


def _add_configuration(app: FastAPI, context: ApiContext, configuration: Configuration) -> None:
    @app.put(
        f"{_PREFIX}/config",
        summary="Change faults by chance, and weekends",
        tags=_TAGS,
        responses=described("config", Reply, CHANGING),
        openapi_extra=taking("changes", Changes),
    )
    async def configure(request: Request) -> Response:
        """Other values in the YAML in force, as by `PUT /api/v1/plant`; what is left out stays."""

        async def work(content: bytes) -> object:
            return await configuration.change(read_body(Changes, content), caller(request))

        return await changed(context, request, work)
