"""The calls of a simulator of sensors, whose devices are started, scaled and stopped: HTTP_COMPAT=fleet.

Its devices are the machines of the plant's first machine type. Each change is a command `scale`, so it is noted, and
can be executed again. They may be asked for by GET, as there; both forms need what all changes need.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from prometheus_client import GCCollector, PlatformCollector

from edge.blocking import run_aside
from edge.control.problems import Problem
from edge.http.api.context import ApiContext
from edge.http.api.errors import as_problems
from edge.http.authorization import caller
from edge.http.compat.fleet_metrics import FleetFigures, with_fleet
from edge.http.figures import UNAVAILABLE, busy_is_503
from edge.http.routes import CHANGES, encoder
from edge.http.shared_work import SharedWork
from edge.observability.tracing import spans
from plant.definition.machine_types.machine_type import MachineType

Answer = dict[str, Any]

_METRICS: Final = "/metrics"
_MOST_WAITING: Final = 100
_OWN_PAGES: Final = ("same-origin", "none")
"""Values of Sec-Fetch-Site: a page of this server, or somebody who typed the address."""


@dataclass(frozen=True, slots=True)
class Devices:
    """The devices: their machine type, and how many there are."""

    machine_type: MachineType
    count: int

    def ids(self) -> list[str]:
        """Return their ids, sorted as text."""
        return sorted(map(self.machine_type.id_of, range(1, self.count + 1)))


class DeviceFleet:
    """Starts, scales and stops the devices of a plant, one caller after the other."""

    def __init__(self, context: ApiContext) -> None:
        self._context, self._one_change = context, asyncio.Lock()

    async def devices(self) -> Devices:
        """Return the devices now; raises HTTPException where the plant has no machine type."""
        with _as_http():
            config = await self._context.source.config()
        declared = next(iter(config.declared()), None)
        if declared is None:
            raise HTTPException(404, "the plant has no machine type")
        _, machine_type, count = declared
        return Devices(machine_type, count)

    async def start(self, count: int, by: str) -> Answer:
        """Stop all devices, and start so many again."""
        with spans.span("router.start_devices", {"input.count": count}) as span:
            async with self._one_change:
                devices, count = await self.devices(), self._cut(count)
                for wanted in (0, count) if devices.count else (count,):
                    await self._scale(devices.machine_type, wanted, by)
            span.set("started.count", count)
            return {"status": "started", "started": count, "running": count}

    async def scale(self, count: int, by: str) -> Answer:
        """Have so many devices; those that stay are not disturbed."""
        with spans.span("router.scale_devices", {"scale.target_count": count}) as span:
            async with self._one_change:
                devices, count = await self.devices(), self._cut(count)
                if count != devices.count:
                    await self._scale(devices.machine_type, count, by)
            answer = _scaled(devices.count, count)
            span.set("scale.current_count", devices.count)
            span.set("scale.result", answer["status"])
            return answer

    async def stop(self, by: str) -> Answer:
        """Stop all devices."""
        with spans.span("router.stop_devices", {}):
            async with self._one_change:
                devices = await self.devices()
                if devices.count:
                    await self._scale(devices.machine_type, 0, by)
            return {"status": "stopped", "running": 0}

    async def status(self) -> Answer:
        """Return how many devices there are, and which."""
        with spans.span("router.status_devices", {}) as span:
            devices = await self.devices()
            span.set("status.count", devices.count)
            status = "running" if devices.count else "stopped"
            return {"status": status, "count": devices.count, "devices": await run_aside(devices.ids)}

    def _cut(self, count: int) -> int:
        return min(count, self._context.max_devices)

    async def _scale(self, machine_type: MachineType, count: int, by: str) -> None:
        with _as_http():
            command = {"command": "scale", "message_type": machine_type.key, "count": count}
            await self._context.control.execute(command, by)


def add_fleet(app: FastAPI, context: ApiContext) -> None:
    """Add the calls to an application."""
    fleet = DeviceFleet(context)
    _add_changes(app, context, fleet)
    _add_status(app, fleet)
    _add_metrics(app, context, fleet)


def _add_changes(app: FastAPI, context: ApiContext, fleet: DeviceFleet) -> None:
    async def authorized(request: Request) -> None:
        _refuse_other_pages(request)
        await context.authorize(request)

    async def start(request: Request, count: Annotated[int, Query(ge=1)] = 1) -> Answer:
        """Stop all devices, and start so many again."""
        return await fleet.start(count, caller(request))

    async def scale(request: Request, count: Annotated[int, Query(ge=0)] = 0) -> Answer:
        """Have so many devices; those that stay go on as they are."""
        return await fleet.scale(count, caller(request))

    async def stop(request: Request) -> Answer:
        """Stop all devices."""
        return await fleet.stop(caller(request))

    for path, call in {"/start": start, "/scale": scale, "/stop": stop}.items():
        _add(app, path, call, dependencies=[Depends(authorized)], openapi_extra={CHANGES: True})


def _add_status(app: FastAPI, fleet: DeviceFleet) -> None:
    async def status() -> Answer:
        """Return how many devices there are, and their ids, sorted as text."""
        return await fleet.status()

    _add(app, "/status", status)


def _add(app: FastAPI, path: str, call: Callable[..., Awaitable[Answer]], **about: Any) -> None:
    """Add a call by GET, as the other simulator has it, and by POST."""
    for add in (app.get, app.post):
        add(path, tags=["fleet"], **about)(call)


def _add_metrics(app: FastAPI, context: ApiContext, fleet: DeviceFleet) -> None:
    for register in (PlatformCollector, GCCollector):
        register(registry=context.registry)
    pages = SharedWork[bytes](_MOST_WAITING)

    @app.get(_METRICS, tags=["fleet"], status_code=307, response_class=RedirectResponse)
    async def redirected() -> Response:
        """Go on at `/metrics/`."""
        return RedirectResponse(f"{_METRICS}/", 307)

    @app.get(f"{_METRICS}/", tags=["fleet"], response_class=PlainTextResponse, responses=UNAVAILABLE)
    async def metrics(request: Request) -> Response:
        """Metrics for Prometheus: ours, and those of the fleet, with a series for each device."""
        encode, content_type = encoder(request.headers.get("accept", ""))

        async def page() -> bytes:
            await context.source.refresh()
            figures = FleetFigures(
                context.source.ledger.acknowledged_by_machine, (await fleet.devices()).count, context.began
            )
            return await with_fleet(encode(context.registry), content_type, figures)

        with busy_is_503():
            return Response(await pages.get(content_type, page), headers={"content-type": content_type})


def _scaled(before: int, now: int) -> Answer:
    if now == before:
        return {"status": "unchanged", "running": now}
    changed = {"added": now - before} if now > before else {"removed": before - now}
    return {"status": "scaled up" if now > before else "scaled down", **changed, "running": now}


def _refuse_other_pages(request: Request) -> None:
    """Refuse what a page of another origin has a browser fetch, such as an image: a GET names no origin.

    A page that sends the token has been allowed to; a name and a password may stand in the address of an image.
    """
    site = request.headers.get("sec-fetch-site")
    is_with_token = request.headers.get("authorization", "").lower().startswith("bearer ")
    if site is not None and site not in _OWN_PAGES and not is_with_token:
        raise HTTPException(403, "not from a page of another origin")


@contextlib.contextmanager
def _as_http() -> Iterator[None]:
    """Raise problems as FastAPI's own errors, which clients of the other simulator know."""
    try:
        with as_problems():
            yield
    except Problem as problem:
        again = {} if problem.retry_seconds is None else {"Retry-After": str(problem.retry_seconds)}
        raise HTTPException(problem.status, problem.detail, again) from None
