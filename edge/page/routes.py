"""The calls of the page: its files, the overview, and the stream of events."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import FastAPI, Query
from fastapi.responses import Response
from pydantic import Field

from edge.http.api.errors import as_problems
from edge.http.api.messages import TrafficParameters
from edge.http.api.openapi import EXAMPLES, READING, Responses, problem_responses, responses
from edge.page.feeds import Feeds
from edge.page.forms import OVERVIEW, STREAM, Overview
from edge.page.hub import Hub
from edge.page.page_files import add_files
from edge.page.stream import EventStream, Feed
from edge.status import BadQuery
from edge.status_source import StatusSource
from edge.traffic import TrafficQuery

_LONGEST_NAME: Final = 200
_EVENTS: Final = "text/event-stream"


def add_page(app: FastAPI, hub: Hub, source: StatusSource) -> None:
    """Add the calls to an application, after all others."""
    EXAMPLES["overview"] = OVERVIEW
    _add_overview(app, hub)
    _add_stream(app, hub, source)
    add_files(app)


def _add_overview(app: FastAPI, hub: Hub) -> None:
    @app.get(
        "/api/v1/overview",
        summary="The overview",
        tags=["page"],
        responses=responses("overview", Overview, (500, 503)),
    )
    async def overview() -> Response:
        """How connection, rate, queue and machines are now: what the page shows first."""
        with as_problems():
            return Response(await hub.overview(), media_type="application/json")


class _StreamParameters(TrafficParameters):
    machine: str | None = Field(None, max_length=_LONGEST_NAME, description="Also this machine, once a second.")
    traffic: bool = Field(False, description="Also messages as they are delivered, those that the others choose.")

    def traffic_query(self) -> TrafficQuery | None:
        """Return what traffic is asked for, if any; raises BadQuery where it is described and not asked for."""
        described = TrafficParameters.model_fields.keys() & self.model_fields_set
        if described and not self.traffic:
            raise BadQuery(f"{min(described)}: needs traffic=true")
        return self.query() if self.traffic else None


def _add_stream(app: FastAPI, hub: Hub, source: StatusSource) -> None:
    feeds = Feeds(source)
    described: Responses = {
        200: {"description": "Events.", "content": {_EVENTS: {"schema": {"type": "string"}, "example": STREAM}}}
    }

    @app.get(
        "/api/v1/stream",
        summary="The overview as it changes",
        tags=["page"],
        response_class=Response,
        responses={**described, **problem_responses(READING)},
    )
    async def stream(asked: Annotated[_StreamParameters, Query()]) -> Response:
        """Server-sent events, without an end: a `snapshot` of all, and then what changes, once a second at most.

        `overview` has the keys that have changed, `tiles` the rows, `history` a further point each five seconds;
        `machine` is the machine that is asked for, `traffic` the newest messages, five times a second at most. What a
        viewer does not read is left out, and the newest state comes when it reads again.
        """
        with as_problems():
            query = asked.traffic_query()
            if query is not None:
                await source.traffic(query, None, 1)  # may be refused

        def joined() -> list[Feed]:
            machine = [] if asked.machine is None else [feeds.machine(asked.machine)]
            return [hub, *machine, *([] if query is None else [feeds.traffic(query)])]

        return EventStream(joined)
