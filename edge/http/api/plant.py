"""The plant's YAML over HTTP: as it is in force, another one to be applied, and one to be checked."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from edge.blocking import run_aside
from edge.control.problems import FileError, Problem
from edge.http.api.context import ApiContext
from edge.http.api.errors import as_problems
from edge.http.api.openapi import CHANGING, PLANT, YAML_FORM, problem_responses, responses, taking_plant
from edge.http.api.requests import answered
from edge.http.api.schemas import Applied, Checked
from edge.http.authorization import caller
from edge.http.shared_work import SharedWork
from edge.status import CheckOutcome, PlantError, ReloadOutcome
from plant.definition.document.yaml_file import MAX_BYTES
from plant.views.plant_yaml import yaml_in_force

PATH: Final = "/api/v1/plant"

_MOST_WAITING: Final = 100
_MOST_YAMLS: Final = 16
_YAML: Final = "application/yaml"
_BUSY_SECONDS: Final = 2


class _PutParameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    save: bool = Field(False, description="Save it in the plant's file, too; 409 where that cannot be.")


def add_plant(app: FastAPI, context: ApiContext) -> None:
    """Add the calls to an application."""
    shown = SharedWork[bytes](_MOST_WAITING)
    # One at a time, and only so many wait: each of them may have a mebibyte.
    applied, checked = SharedWork[ReloadOutcome](_MOST_YAMLS), SharedWork[CheckOutcome](_MOST_YAMLS)

    async def in_force() -> bytes:
        config = await context.source.config()
        return await run_aside(lambda: yaml_in_force(config))

    @app.get(
        PATH,
        summary="The YAML in force",
        tags=["plant"],
        response_class=Response,
        responses={
            200: {"description": "The YAML.", "content": {_YAML: {"schema": YAML_FORM, "example": PLANT}}},
            **problem_responses((500, 503)),
        },
    )
    async def plant() -> Response:
        """The YAML as it was read; where commands have changed numbers of machines, the rate, or what is switched on,
        it has that in their place.
        """
        with as_problems():
            return Response(await shown.get("plant", in_force), media_type=_YAML)

    @app.put(
        PATH,
        summary="Apply another YAML",
        tags=["plant"],
        responses=responses("plant", Applied, CHANGING),
        openapi_extra=taking_plant(has_key=True),
    )
    async def put(request: Request, asked: Annotated[_PutParameters, Query()]) -> Response:
        """Apply a YAML live, as a whole or not at all.

        The plant's file stays as it is: its next change, or `POST /-/reload`, applies the file again. With `save=true`
        it is replaced in one step, what it had is kept beside it as `.bak`, and nothing is applied where it cannot be
        replaced.
        """

        async def apply(content: bytes) -> object:
            by = caller(request)
            with as_problems():
                outcome = await applied.get(object(), lambda: context.control.put(content, by, save=asked.save))
            if outcome.is_busy:
                raise Problem(503, "; ".join(outcome.errors), retry_seconds=_BUSY_SECONDS)
            if outcome.errors:
                raise _refusal(outcome.places)
            saved = {"saved": outcome.saved, "backup": outcome.backup} if outcome.saved else {}
            return {"machines": dict(outcome.machines), **saved}

        return await answered(context, request, MAX_BYTES, apply)

    @app.post(
        f"{PATH}/check",
        summary="Check a YAML",
        tags=["plant"],
        responses=responses("check", Checked, CHANGING),
        openapi_extra=taking_plant(has_key=False),
    )
    async def check(request: Request) -> Response:
        """Return what a YAML describes, or all its errors, with line, path and rule; nothing changes."""

        async def look(content: bytes) -> object:
            with as_problems():
                outcome = await checked.get(content, lambda: context.check(content))
            if outcome.errors:
                raise _refusal(outcome.errors)
            rate = round(outcome.messages_per_second, 6)
            return {"machines": outcome.machines, "messages_per_second": rate, "notes": outcome.notes}

        return await answered(context, request, MAX_BYTES, look)


def _refusal(errors: tuple[PlantError, ...]) -> Problem:
    found = [*map(FileError, errors)]
    text = found[0].detail if len(found) == 1 else f"{len(found):,} errors in the YAML; nothing has changed"
    return Problem(422, text, found)
