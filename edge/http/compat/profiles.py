"""Which calls of another simulator are answered beside our own, by the option HTTP_COMPAT."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, NamedTuple

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from edge.http.api.context import ApiContext
from edge.http.connection_limits import Limits
from edge.settings.types import HttpCompat


class Served(NamedTuple):
    """What a profile needs of the process beside its calls.

    run: what runs as long as they are served.  websocket: makes the protocol of connections that are upgraded, as
    uvicorn takes it, of the limits of connections.
    """

    run: Callable[[], Coroutine[Any, Any, None]] | None = None
    websocket: Callable[[Limits], Any] | None = None


CALLS_ALONE: Final = Served()


def _enms(app: FastAPI, context: ApiContext) -> Served:
    from edge.http.compat.enms.calls import add_enms  # noqa: PLC0415 - only where it is asked for

    add_enms(app, context)
    return CALLS_ALONE


def _fleet(app: FastAPI, context: ApiContext) -> Served:
    from edge.http.compat.fleet import add_fleet  # noqa: PLC0415 - only where it is asked for

    add_fleet(app, context)
    return CALLS_ALONE


def _vf(app: FastAPI, context: ApiContext) -> Served:
    from edge.http.compat.vf.connection import websocket_protocol  # noqa: PLC0415 - as above, and wsproto with it
    from edge.http.compat.vf.sockets import add_vf  # noqa: PLC0415

    return Served(add_vf(app, context).run, websocket_protocol)


_PROFILES: Final[Mapping[HttpCompat, Callable[[FastAPI, ApiContext], Served]]] = {
    HttpCompat.ENMS: _enms,
    HttpCompat.FLEET: _fleet,
    HttpCompat.VF: _vf,
}
"""What adds the calls of a profile to an application."""


def add_profile(app: FastAPI, context: ApiContext, profile: HttpCompat) -> Served:
    """Add the calls of a profile before all others: where both have a path, the profile's call is answered."""
    if profile not in _PROFILES:
        return CALLS_ALONE
    routes = app.router.routes
    before = len(routes)
    added = _PROFILES[profile](app, context)
    routes[:] = [*routes[before:], *routes[:before]]
    _hide_replaced(routes[: len(routes) - before], routes[len(routes) - before :])
    return added


def _hide_replaced(added: Sequence[BaseRoute], others: Sequence[BaseRoute]) -> None:
    """Leave out of the description what a profile answers in another way."""
    paths = {route.path for route in added if isinstance(route, APIRoute)}
    for route in others:
        if isinstance(route, APIRoute) and route.path in paths:
            route.include_in_schema = False
