"""Commands over HTTP: what is done to the plant while it runs."""

from __future__ import annotations

from typing import Final

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import Response

from edge.control.problems import Problem
from edge.http.api.context import ApiContext
from edge.http.api.openapi import CHANGING, responses, taking_command
from edge.http.api.requests import answered
from edge.http.api.schemas import Executed
from edge.http.authorization import caller
from edge.timestamps import rfc3339

PATH: Final = "/api/v1/commands"

_MOST_BYTES: Final = 65_536


def add_commands(app: FastAPI, context: ApiContext) -> None:
    """Add the call to an application."""

    @app.post(
        PATH,
        summary="Act on the plant",
        tags=["control"],
        responses=responses("command", Executed, (404, *CHANGING)),
        openapi_extra=taking_command(),
    )
    async def command(request: Request) -> Response:
        """Execute a command between two messages, and answer with what is then so.

        A command that breaks a rule is refused, and nothing has changed. What was executed is in the ground truth file,
        from which `run --commands` executes it again. Another configuration comes by `PUT /api/v1/plant`.
        """

        async def execute(content: bytes) -> object:
            executed = await context.control.execute(_command(content), caller(request))
            return {"at": rfc3339(executed.at_ms), "answer": dict(executed.answer)}

        return await answered(context, request, _MOST_BYTES, execute)


def _command(content: bytes) -> dict[str, object]:
    """Return the JSON object that was sent; raises Problem."""
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Problem(400, f"is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise Problem(400, "must be a JSON object")
    return found
