"""How the calls of EnMS read their bodies, and how they answer: an envelope, or problem details with its members."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import orjson
from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError

from edge.control.problems import FieldError, Problem
from edge.http.api.context import ApiContext
from edge.http.api.errors import as_problems
from edge.http.api.openapi import problem_description
from edge.http.api.requests import answered
from edge.http.compat.enms.forms import EXAMPLES, TAKEN, ProblemReply
from edge.http.problems import MEDIA_TYPE, problem_response
from edge.redaction import clean

_F = TypeVar("_F", bound=BaseModel)
_MOST_BYTES: Final = 1024 * 1024
_JSON: Final = "application/json"

READING: Final = (500, 503)
CHANGING: Final = (400, 401, 403, 409, 413, 422, 500, 503)


@dataclass(frozen=True, slots=True)
class BodyError(FieldError):
    """A field of a body that breaks a rule. kind: as pydantic names it."""

    kind: str = "value_error"

    def described(self) -> dict[str, object]:
        """Return it as plain data."""
        return {"pointer": self.pointer, "detail": self.detail, "type": self.kind}


def reply(message: str, data: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return the envelope of a call that has succeeded."""
    return {"message": message, "success": True, "data": data}


def no_machine(machine_id: str) -> Problem:
    """Return the problem of an id that no machine has."""
    return Problem(404, f"Machine {machine_id} not found")


def read_body(form: type[_F], content: bytes, *, is_optional: bool = False) -> _F:
    """Return what was sent; raises Problem with each field that breaks a rule."""
    if is_optional and content.strip() in (b"", b"null"):
        return form()
    try:
        return form.model_validate(orjson.loads(content))
    except orjson.JSONDecodeError as error:
        raise Problem(422, f"is no JSON: {error}", [BodyError("", str(error), "json_invalid")]) from None
    except ValidationError as error:
        found = [_body_error(each["loc"], each["msg"], each["type"]) for each in error.errors()]
        places = (f"{each.pointer[1:]}: " if each.pointer else "" for each in found)
        detail = "; ".join(f"{place}{each.detail}" for place, each in zip(places, found, strict=True))
        raise Problem(422, detail, found) from None


def _body_error(place: tuple[int | str, ...], rule: str, kind: str) -> BodyError:
    if not place:
        rule = "must be a JSON object"  # pydantic's text names our class
    return BodyError("".join(f"/{step}" for step in place), rule, kind)


async def shown(work: Callable[[], Awaitable[object]]) -> Response:
    """Return the answer of a call that only reads."""
    try:
        with as_problems():
            found = await work()
    except Problem as problem:
        return _with_members(problem_response(problem))
    return Response(orjson.dumps(clean(found)), media_type=_JSON)


async def changed(context: ApiContext, request: Request, work: Callable[[bytes], Awaitable[object]]) -> Response:
    """Return the answer of a call that changes something, once its caller is known to be permitted."""

    async def worked(content: bytes) -> object:
        with as_problems():
            return await work(content)

    return _with_members(await answered(context, request, _MOST_BYTES, worked))


def _with_members(response: Response) -> Response:
    """Return a problem with the members that EnMS answers as well; all else as it is."""
    if response.status_code < 400:
        return response
    problem = orjson.loads(response.body)
    is_invalid = response.status_code == 422
    message = "Validation error" if is_invalid else problem["detail"]
    errors = [_with_place(each) for each in problem.pop("errors", ())]
    content = {**problem, "success": False, "message": message, "errors": errors}
    kept = {name: value for name, value in response.headers.items() if name not in ("content-length", "content-type")}
    return Response(orjson.dumps(content), response.status_code, kept, MEDIA_TYPE)


def _with_place(error: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error with its place and text as FastAPI names them."""
    steps = [step for step in error.get("pointer", "").split("/") if step]
    kind = error.get("type", "value_error")
    return {**error, "type": kind, "loc": ["body", *steps], "msg": error["detail"]}


def described(name: str, form: Any, codes: tuple[int, ...]) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of the answers of a call. name: of its example."""
    problem = {MEDIA_TYPE: {"schema": ProblemReply.model_json_schema()}}
    success: dict[str, Any] = {"model": form, "content": {_JSON: {"example": EXAMPLES[name]}}}
    return {200: success, **{code: {"description": problem_description(code), "content": problem} for code in codes}}


def taking(name: str, form: type[BaseModel], *, is_required: bool = True) -> dict[str, Any]:
    """Return what OpenAPI says of the body of a call. name: of its example."""
    content = {_JSON: {"schema": form.model_json_schema(), "example": TAKEN[name]}}
    return {"requestBody": {"required": is_required, "content": content}}
