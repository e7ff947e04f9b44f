"""Commands over HTTP: what is done to the plant while it runs.

Errors are problem details (RFC 9457), with the field that breaks a rule as a JSON pointer (RFC 6901).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import orjson
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from pydantic import TypeAdapter

from edge.control.control import Control
from edge.control.inbox import Command
from edge.control.problems import Problem
from edge.timestamps import rfc3339
from plant.interventions.commands import COMMANDS, Reload

PATH: Final = "/api/v1/commands"

_MOST_BYTES: Final = 65_536
_Responses = dict[int | str, dict[str, Any]]  # as FastAPI takes them


def add_commands(app: FastAPI, control: Control, authorize: Callable[[Request], Awaitable[None]]) -> None:
    """Add the call to an application. authorize: raises HTTPException unless the caller may change things."""

    @app.post(PATH, summary="Act on the plant", responses=_RESPONSES, openapi_extra={"requestBody": _request_body()})
    async def command(request: Request) -> Response:
        """Execute a command between two messages, and answer with what is then so.

        A command that breaks a rule is refused, and nothing has changed. What was executed is in the ground truth file,
        from which `run --commands` executes it again. Another configuration comes by `POST /-/reload`.
        """
        try:
            await authorize(request)
            asked = await _body(request)
            executed = await control.execute(asked, caller(request))
        except HTTPException as error:
            return _problem(Problem(error.status_code, str(error.detail)), error.headers)
        except Problem as problem:
            return _problem(problem)
        return JSONResponse({"at": rfc3339(executed.at_ms), "answer": dict(executed.answer)})


def caller(request: Request) -> str:
    """Return who calls, for the journal."""
    return f"http {request.client.host}" if request.client else "http"


async def _body(request: Request) -> Command:
    """Return the JSON object that was sent; raises HTTPException."""
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > _MOST_BYTES:
            raise HTTPException(413, f"a command has at most {_MOST_BYTES:,} bytes")
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise HTTPException(400, f"is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "must be a JSON object")
    return found


def _problem(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return problem details (RFC 9457, 3)."""
    again = {} if problem.retry_seconds is None else {"Retry-After": str(problem.retry_seconds)}
    return JSONResponse(problem.described(), problem.status, {**again, **(headers or {})}, "application/problem+json")


def _request_body() -> dict[str, object]:
    kinds = [kind for kind in dict.fromkeys(COMMANDS.values()) if kind is not Reload]
    schemas = [TypeAdapter(kind).json_schema() for kind in kinds]
    examples = {
        name: {"value": value}
        for name, value in {
            "stop": {"command": "stop", "machine_id": "CNC-03"},
            "inject": {"command": "inject", "machine_id": "CNC-03", "fault": "tool_breakage", "severity": 2},
            "rate": {"command": "rate", "messages_per_second": 500},
        }.items()
    }
    return {"required": True, "content": {"application/json": {"schema": {"oneOf": schemas}, "examples": examples}}}


def _told(description: str) -> dict[str, object]:
    return {"description": description, "content": {"application/problem+json": {}}}


_RESPONSES: Final[_Responses] = {
    200: {
        "description": "What is now so, and since when, in plant time.",
        "content": {
            "application/json": {
                "example": {
                    "at": "2026-01-05T08:00:00.000Z",
                    "answer": {"machine_id": "CNC-03", "state": "stopped"},
                }
            }
        },
    },
    400: _told("The body is no JSON object."),
    401: _told("No token, or not the one in HTTP_TOKEN_FILE."),
    403: _told("Not from this machine, and no HTTP_TOKEN_FILE is set; or that file contains no token."),
    413: _told("The body is too long."),
    422: _told("The command breaks a rule; nothing has changed."),
    503: _told("Too many commands wait, or the plant does not answer."),
}
