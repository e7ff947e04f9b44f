"""The call of the API that shows what is delivered: the newest messages, by topic, category, QoS, retain and text."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final, Literal

import orjson
from fastapi import FastAPI, Query
from fastapi.responses import Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from edge.http.api.context import ApiContext
from edge.http.api.errors import as_problems
from edge.http.api.openapi import READING, responses
from edge.http.api.schemas import Traffic
from edge.routing import TopicError, check_filter
from edge.status_source import StatusSource
from edge.traffic import MOST_ROWS, TrafficBatch, TrafficQuery

PATH: Final = "/api/v1/messages"

_LONGEST_NAME: Final = 200
_PATIENCE_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.05


def _topic_filter(value: str) -> str:
    """Return a topic filter of one client; raise ValueError otherwise."""
    if value.startswith("$share/"):
        raise ValueError("must not be shared: nobody subscribes here")
    try:
        return check_filter(value)
    except TopicError as error:
        raise ValueError(str(error)) from None


class TrafficParameters(BaseModel):
    """The query parameters that say which messages are asked for; any other is an error."""

    model_config = ConfigDict(extra="forbid")

    topic: Annotated[str, AfterValidator(_topic_filter)] | None = Field(
        None, max_length=1000, description="Messages on topics that match this topic filter, with `+` and `#`."
    )
    category: Literal["telemetry", "event", "alarm", "status", "command", "order"] | None = Field(
        None, description="Messages about this only."
    )
    qos: int | None = Field(None, ge=0, le=1, description="Messages of this quality of service only.")
    retain: bool | None = Field(None, description="Messages with the retain flag, or without it.")
    text: str | None = Field(
        None, max_length=_LONGEST_NAME, description="Messages with this text in topic or payload; case does not count."
    )
    machine_id: str | None = Field(None, max_length=_LONGEST_NAME, description="Messages of this machine only.")

    def query(self) -> TrafficQuery:
        """Return the query."""
        return TrafficQuery(self.topic, self.category, self.qos, self.retain, self.text or None, self.machine_id)


class _MessageParameters(TrafficParameters):
    limit: int = Field(100, ge=1, le=MOST_ROWS, description="The most messages to return.")


def add_messages(app: FastAPI, context: ApiContext) -> None:
    """Add the call to an application."""

    @app.get(
        PATH,
        summary="Messages as they are delivered",
        tags=["machines"],
        responses=responses("messages", Traffic, READING),
    )
    async def messages(asked: Annotated[_MessageParameters, Query()]) -> Response:
        """The newest messages that the broker has acknowledged, or that were written at QoS 0, the newest last.

        Also announcements of machines, and commands that came over MQTT. Messages are noted from the first call with
        these parameters on, which waits up to a second for some, until there is none for five seconds.
        """
        with as_problems():
            batch = await newest(context.source, asked.query(), asked.limit)
        return Response(orjson.dumps(batch.described()), media_type="application/json")


async def newest(source: StatusSource, query: TrafficQuery, limit: int) -> TrafficBatch:
    """Return the newest messages; where there are none, wait up to a second for some. Raises TimeoutError, or Busy."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE_SECONDS
    # Polling is over in a second, and reaches workers as well.
    while not (batch := await source.traffic(query, None, limit)).rows and loop.time() < until:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_SECONDS)
    return batch
