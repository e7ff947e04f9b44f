"""Which calls of another simulator are answered beside our own, by the option HTTP_COMPAT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from fastapi import FastAPI

from edge.http.api.context import ApiContext
from edge.http.compat.fleet import add_fleet
from edge.settings.types import HttpCompat

_PROFILES: Final[Mapping[HttpCompat, Callable[[FastAPI, ApiContext], None]]] = {HttpCompat.FLEET: add_fleet}
"""What adds the calls of a profile to an application."""


def add_profile(app: FastAPI, context: ApiContext, profile: HttpCompat) -> None:
    """Add the calls of a profile before all others: where both have a path, the profile's call is answered."""
    if profile not in _PROFILES:
        return
    routes = app.router.routes
    before = len(routes)
    _PROFILES[profile](app, context)
    routes[:] = [*routes[before:], *routes[:before]]
