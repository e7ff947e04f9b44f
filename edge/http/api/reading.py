"""The calls of the API that only read: machines, machine types, settings, and what was done by whom."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlencode

import orjson
from fastapi import FastAPI, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from edge.control.control import OTHER_PART
from edge.control.problems import Problem
from edge.http.answers import Answers
from edge.http.api.context import ApiContext
from edge.http.api.errors import as_problems
from edge.http.api.machines_answer import PATH, machines_answer
from edge.http.api.openapi import READING, responses
from edge.http.api.schemas import Entries, Machines, MachineTypes, MachineWithSignals, SettingsInForce
from edge.http.asgi import ChunkedResponse
from edge.http.shared_work import SharedWork, in_turns
from edge.redaction import clean
from edge.status import MachinesFound
from plant.telemetry import MachineFilter
from plant.views.plant_views import ViewQuery
from plant.views.type_view import event_views, type_views

_MOST_WAITING: Final = 100
_MOST_MACHINES: Final = 10_000
_LONGEST_NAME: Final = 200
_JOURNAL: Final = "/api/v1/journal"


class _MachineParameters(BaseModel):
    """The query parameters of machines; any other is an error."""

    model_config = ConfigDict(extra="forbid")

    machine_type: str | None = Field(
        None, max_length=_LONGEST_NAME, description="Machines of this type only, by its key in the YAML."
    )
    state: str | None = Field(None, max_length=_LONGEST_NAME, description="Machines in this state only.")
    fault: str | None = Field(
        None, max_length=_LONGEST_NAME, description="Machines with this fault only, or this wear where it is labelled."
    )
    text: str | None = Field(
        None, max_length=_LONGEST_NAME, description="Machines with this text in their id only, in any case."
    )
    after: str | None = Field(None, max_length=_LONGEST_NAME, description="Machines after the one with this id.")
    limit: int = Field(1000, ge=1, le=_MOST_MACHINES, description="The most machines to return.")

    def query(self) -> ViewQuery:
        """Return the query."""
        which = MachineFilter(self.machine_type, self.after, self.limit)
        return ViewQuery(which, self.state, self.fault, text=self.text)


class _JournalParameters(BaseModel):
    """The query parameters of the journal; any other is an error."""

    model_config = ConfigDict(extra="forbid")

    before: int | None = Field(None, ge=1, le=2**53, description="Entries with lower numbers only.")
    machine_id: str | None = Field(
        None, max_length=_LONGEST_NAME, description="Commands to the machine of this id only."
    )
    limit: int = Field(100, ge=1, le=1000, description="The most entries to return.")

    def following(self, last: int) -> str:
        """Return the address of the entries before one, by its number."""
        given = self.model_dump(exclude_none=True, exclude={"before"})
        return f"{_JOURNAL}?" + urlencode({"before": last, **given})


def add_reading(app: FastAPI, context: ApiContext) -> None:
    """Add the calls to an application."""
    _add_machines(app, context)
    _add_machine_types(app, context)
    _add_settings(app, context)
    _add_journal(app, context)


def _add_machines(app: FastAPI, context: ApiContext) -> None:
    answers = Answers[ViewQuery, MachinesFound](context.source.machines, machines_answer)

    @app.get(PATH, summary="Machines", tags=["machines"], responses=responses("machines", Machines, READING))
    async def machines(asked: Annotated[_MachineParameters, Query()]) -> Response:
        """Machines as they are now, in order of type and number.

        They are read a few at a time while the plant goes on. Where a limit leaves some out, `next` is the address of
        those that follow.
        """
        with as_problems():
            answer = await answers.get(asked.query())
        link = {"Link": f'<{answer.next}>; rel="next"'} if answer.next else None
        return ChunkedResponse(answer, answer.size_bytes, "application/json", link)

    @app.get(
        f"{PATH}/{{machine_id:path}}",
        summary="A machine with its signals",
        tags=["machines"],
        responses=responses("machine", MachineWithSignals, (404, *READING)),
    )
    async def machine(machine_id: str) -> Response:
        """A machine as it is now: state, job, faults, alarms, and each signal as a message would have it.

        Registers, such as energy meters, are as the last regular message has left them, and so are alarms.
        """
        with as_problems():
            found = await context.source.machine(machine_id)
        if found.json is None:
            raise Problem(404, found.unknown or OTHER_PART)
        return Response(found.json, media_type="application/json")


def _add_machine_types(app: FastAPI, context: ApiContext) -> None:
    shown = SharedWork[bytes](_MOST_WAITING)

    async def types() -> bytes:
        config = await context.source.config()
        views = [each async for each in in_turns(type_views(config))]
        return orjson.dumps(clean({"machine_types": views, "events": event_views(config)}))

    @app.get(
        "/api/v1/machine-types",
        summary="Machine types",
        tags=["machines"],
        responses=responses("machine-types", MachineTypes, READING),
    )
    async def machine_types() -> Response:
        """Each machine type in the YAML, with what may be asked of its machines: states, signals, faults, results."""
        with as_problems():
            return Response(await shown.get("types", types), media_type="application/json")


def _add_settings(app: FastAPI, context: ApiContext) -> None:
    @app.get(
        "/api/v1/settings",
        summary="Settings in force",
        tags=["process"],
        responses=responses("settings", SettingsInForce, (500,)),
    )
    async def settings() -> Response:
        """The options in force by their variables; of a secret, only whether it is set."""
        return JSONResponse(context.settings)


def _add_journal(app: FastAPI, context: ApiContext) -> None:
    @app.get(
        _JOURNAL, summary="What was done, by whom", tags=["control"], responses=responses("journal", Entries, READING)
    )
    async def journal(asked: Annotated[_JournalParameters, Query()]) -> Response:
        """Commands and configurations, the newest first: executed ones with their plant time and answer, refused ones
        with the error. The newest 1,000 are kept.
        """
        entries = context.control.journal.entries(asked.before, asked.machine_id)
        some = entries[: asked.limit]
        content: dict[str, object] = {"entries": [each.described() for each in some]}
        if len(entries) <= len(some):
            return Response(orjson.dumps(content), media_type="application/json")
        following = asked.following(some[-1].number)
        content["next"] = following
        link = {"Link": f'<{following}>; rel="next"'}
        return Response(orjson.dumps(content), 200, link, "application/json")
