"""Which calls of another simulator are answered beside our own, by the option HTTP_COMPAT."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from edge.http.api.context import ApiContext
from edge.settings.types import HttpCompat


def _enms(app: FastAPI, context: ApiContext) -> None:
    from edge.http.compat.enms.calls import add_enms  # noqa: PLC0415 - only where it is asked for

    add_enms(app, context)


def _fleet(app: FastAPI, context: ApiContext) -> None:
    from edge.http.compat.fleet import add_fleet  # noqa: PLC0415 - only where it is asked for

    add_fleet(app, context)


_PROFILES: Final[Mapping[HttpCompat, Callable[[FastAPI, ApiContext], None]]] = {
    HttpCompat.ENMS: _enms,
    HttpCompat.FLEET: _fleet,
}
"""What adds the calls of a profile to an application."""


def add_profile(app: FastAPI, context: ApiContext, profile: HttpCompat) -> None:
    """Add the calls of a profile before all others: where both have a path, the profile's call is answered."""
    if profile not in _PROFILES:
        return
    routes = app.router.routes
    before = len(routes)
    _PROFILES[profile](app, context)
    routes[:] = [*routes[before:], *routes[:before]]
    _hide_replaced(routes[: len(routes) - before], routes[len(routes) - before :])


def _hide_replaced(added: Sequence[BaseRoute], others: Sequence[BaseRoute]) -> None:
    """Leave out of the description what a profile answers in another way."""
    paths = {route.path for route in added if isinstance(route, APIRoute)}
    for route in others:
        if isinstance(route, APIRoute) and route.path in paths:
            route.include_in_schema = False
