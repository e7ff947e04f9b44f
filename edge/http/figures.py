"""The calls `/oee` and `/anomalies`: the ground truth of machines, and the labels of faults."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from edge.http.anomalies_answer import anomalies_answer
from edge.http.answers import Answer, Answers
from edge.http.asgi import ChunkedResponse
from edge.http.oee_answer import oee_answer
from edge.labels.queries import Anomalies, AnomalyQuery, read_place
from edge.status import BadQuery, Busy, OeeFigures, OeeQuery, Span
from edge.status_source import StatusSource
from plant.telemetry import MachineFilter

_Responses = dict[int | str, dict[str, Any]]  # as FastAPI takes them
UNAVAILABLE: _Responses = {503: {"description": "The reason, in one line."}}
_DETAIL: dict[str, object] = {"description": "One line, or a list of errors by FastAPI."}
_REFUSED: _Responses = {
    422: {
        "description": "A parameter is wrong.",
        "content": {"application/json": {"schema": {"type": "object", "properties": {"detail": _DETAIL}}}},
    }
}


_FIGURES: dict[str, object] = {
    "span": "run",
    "start": "2026-01-05T08:00:00.000Z",
    "now": "2026-01-05T10:00:00.000Z",
    "types": {},
    "machines": [
        {"machine_id": "PRESS-01", "machine_type": "press", "availability": 0.71, "quality": 0.95, "oee": 0.66}
    ],
}
_OEE: _Responses = {**UNAVAILABLE, **_REFUSED, 200: {"content": {"application/json": {"example": _FIGURES}}}}


class _OeeParameters(BaseModel):
    """The query parameters of /oee; any other is an error."""

    model_config = ConfigDict(extra="forbid")

    span: Span = Field("run", description="The whole run, the current clock hour (UTC), or the one before.")
    machine_type: str | None = Field(
        None, max_length=200, description="Machines of this type only, by its key in the YAML."
    )
    after: str | None = Field(None, max_length=200, description="Machines after the one with this id.")
    limit: int | None = Field(None, ge=1, le=1_000_000, description="The most machines to return; all by default.")


def add_oee(app: FastAPI, source: StatusSource) -> None:
    """Add the call to an application."""
    answers = Answers[OeeQuery, OeeFigures](source.oee, oee_answer)

    @app.get("/oee", summary="Ground truth of each machine", tags=["truth"], responses=_OEE)
    async def oee(asked: Annotated[_OeeParameters, Query()]) -> Response:
        """Times in seconds by state, jobs by result and the OEE figures (ISO 22400-2), exactly as in the plant.

        All machines as of one moment, in order of type and number. Where a limit leaves some out, `next` is the address
        of those that follow.
        """
        query = OeeQuery(asked.span, MachineFilter(asked.machine_type, asked.after, asked.limit))
        with _errors_as_codes():
            return _sent(await answers.get(query))


_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_MOMENT_RULE = "must be RFC 3339 with an offset, such as 2026-01-05T08:00:00Z; a + in an address is %2B"
_AS_MOMENT: dict[str, JsonValue] = {"format": "date-time"}


class _AnomalyParameters(BaseModel):
    """The query parameters of /anomalies; any other is an error."""

    model_config = ConfigDict(extra="forbid")

    machine_id: str | None = Field(None, max_length=200, description="Of this machine only.")
    machine_type: str | None = Field(None, max_length=200, description="Of this type only, by its key in the YAML.")
    fault: str | None = Field(None, max_length=200, description="Of this fault only, such as `temperature.stuck`.")
    begin: str | None = Field(
        None, alias="from", description="That have not ended before, in RFC 3339.", json_schema_extra=_AS_MOMENT
    )
    end: str | None = Field(
        None, alias="to", description="That begin before, in RFC 3339.", json_schema_extra=_AS_MOMENT
    )
    min_severity: float | None = Field(None, ge=0, allow_inf_nan=False, description="Of this severity or above.")
    open: bool | None = Field(None, description="true: those that go on; false: those that have ended.")
    sensor: bool | None = Field(None, description="true: faults of sensors; false: the others.")
    after: str | None = Field(None, max_length=500, description="Those after a place, as `next` has it.")
    limit: int | None = Field(None, ge=1, le=1_000_000, description="The most to return; all by default.")

    def query(self) -> AnomalyQuery:
        """Return the query; raises BadQuery."""
        after = None if self.after is None else read_place(self.after)
        begin_ms, end_ms = _milliseconds("from", self.begin), _milliseconds("to", self.end)
        if begin_ms is not None and end_ms is not None and end_ms <= begin_ms:
            raise BadQuery("to: must be after from")
        what = self.machine_id, self.machine_type, self.fault
        return AnomalyQuery(*what, begin_ms, end_ms, self.min_severity, self.open, self.sensor, after, self.limit)


def _milliseconds(parameter: str, text: str | None) -> int | None:
    """Return a time in milliseconds since 1970; raises BadQuery unless it has a date, a time and an offset."""
    if text is None:
        return None
    try:
        if _MOMENT.fullmatch(text):
            return round(datetime.fromisoformat(text.upper()).timestamp() * 1000)
    except (ValueError, OverflowError):
        pass
    raise BadQuery(f"{parameter}: {_MOMENT_RULE}")


def add_anomalies(app: FastAPI, source: StatusSource) -> None:
    """Add the call to an application."""
    answers = Answers[AnomalyQuery, Anomalies](source.anomalies, anomalies_answer)

    @app.get("/anomalies", summary="Labels of faults", tags=["truth"], responses=_ANOMALIES)
    async def anomalies(asked: Annotated[_AnomalyParameters, Query()]) -> Response:
        """Faults of machines and sensors that go on, with `open` and without end, and the newest that have ended.

        In order of their begin. `dropped` older ones have not been kept. Where a limit leaves some out, `next` is the
        address of those that follow.
        """
        with _errors_as_codes():
            return _sent(await answers.get(asked.query()))


_EXAMPLE: dict[str, object] = {
    "now": "2026-01-05T10:00:00.000Z",
    "dropped": 0,
    "anomalies": [
        {
            "machine_id": "CNC-03",
            "fault": "tool_breakage",
            "from": "2026-01-05T08:12:44.120Z",
            "to": None,
            "severity": 0.62,
            "ramp_seconds": 900.0,
            "cause": "chance",
            "effects": ["vibration", "cycle_seconds"],
            "open": True,
        }
    ],
}


_ANOMALIES: _Responses = {**UNAVAILABLE, **_REFUSED, 200: {"content": {"application/json": {"example": _EXAMPLE}}}}


def _sent(answer: Answer) -> Response:
    link = {"Link": f'<{answer.next}>; rel="next"'} if answer.next else None
    return ChunkedResponse(answer, answer.size_bytes, "application/json", link)


@contextlib.contextmanager
def _errors_as_codes() -> Iterator[None]:
    try:
        with busy_is_503():
            yield
    except BadQuery as error:
        raise HTTPException(422, str(error)) from None
    except TimeoutError:
        raise HTTPException(503, "a worker does not answer; /livez shows for how long") from None


@contextlib.contextmanager
def busy_is_503() -> Iterator[None]:
    """Raise HTTPException 503 where too many wait."""
    try:
        yield
    except Busy:
        raise HTTPException(
            503, "too many requests for this page; try again in a moment", {"Retry-After": "2"}
        ) from None
