"""The calls of the page: its files, the overview, and the stream of events."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.responses import Response

from edge.http.api.errors import as_problems
from edge.page.files import add_files
from edge.page.hub import Hub
from edge.page.stream import EventStream


def add_page(app: FastAPI, hub: Hub) -> None:
    """Add the calls to an application, after all others."""
    _add_overview(app, hub)
    _add_stream(app, hub)
    add_files(app)


def _add_overview(app: FastAPI, hub: Hub) -> None:
    @app.get("/api/v1/overview", summary="The overview", tags=["page"])
    async def overview() -> Response:
        """How connection, rate, queue and machines are now."""
        with as_problems():
            return Response(await hub.overview(), media_type="application/json")


def _add_stream(app: FastAPI, hub: Hub) -> None:
    @app.get("/api/v1/stream", summary="The overview as it changes", tags=["page"], response_class=Response)
    async def stream() -> Response:
        """Server-sent events: a snapshot of all, and then what changes, once a second at most."""
        return EventStream([hub])
