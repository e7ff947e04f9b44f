"""Commands over HTTP: what is done to the plant while it runs.

Errors are problem details (RFC 9457), with the field that breaks a rule as a JSON pointer (RFC 6901).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from pydantic import TypeAdapter

from edge.control.inbox import Command, Executed
from edge.status import Busy
from edge.timestamps import rfc3339
from plant.interventions.commands import COMMANDS, CommandRefused, Reload

PATH: Final = "/api/v1/commands"

_MOST_BYTES: Final = 65_536
_ANSWER_SECONDS: Final = 10.0
_Responses = dict[int | str, dict[str, Any]]  # as FastAPI takes them


def add_commands(
    app: FastAPI,
    execute: Callable[[Command], Awaitable[Executed]],
    authorize: Callable[[Request], Awaitable[None]],
) -> None:
    """Add the call to an application. authorize: raises HTTPException unless the caller may change things."""

    @app.post(PATH, summary="Act on the plant", responses=_RESPONSES, openapi_extra={"requestBody": _request_body()})
    async def command(request: Request) -> Response:
        """Execute a command between two messages, and answer with what is then so.

        A command that breaks a rule is refused, and nothing has changed. What was executed is in the ground truth file,
        from which `run --commands` executes it again. Another configuration comes by `POST /-/reload`.
        """
        try:
            await authorize(request)
            async with asyncio.timeout(_ANSWER_SECONDS):
                executed = await execute(_checked(await _body(request)))
        except HTTPException as error:
            return _problem(error.status_code, str(error.detail), headers=error.headers)
        except CommandRefused as error:
            return _problem(422, str(error), [{"pointer": _pointer(error.place), "detail": error.rule}])
        except Busy:
            return _problem(503, "too many commands wait; try again in a moment", headers={"Retry-After": "2"})
        except TimeoutError:
            return _problem(503, "the plant does not answer in time; it may still execute the command")
        return JSONResponse({"at": rfc3339(executed.at_ms), "answer": dict(executed.answer)})


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


def _checked(command: Command) -> Command:
    if command.get("command") == "reload":
        raise CommandRefused("command", "another configuration comes by POST /-/reload")
    return command


def _pointer(place: str) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in place.split(".") if step)


def _problem(
    status: int, detail: str, errors: list[dict[str, str]] | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Return problem details (RFC 9457, 3.1). errors: each with the field and the rule that it breaks."""
    content: dict[str, object] = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    if errors:
        content["errors"] = errors
    return JSONResponse(content, status, dict(headers or {}), "application/problem+json")


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
