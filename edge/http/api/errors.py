"""Errors of the API as problem details, whatever raises them; those of all other paths stay as they are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as StarletteHTTPException

from edge.control.problems import ParameterError, Problem
from edge.http.problems import is_api, problem_response, refused
from edge.status import BadQuery, Busy
from plant.definition.document.errors import quote, suggestion

_AGAIN_SECONDS: Final = 2


def add_error_handlers(app: FastAPI) -> None:
    """Have errors below /api/ answered with problem details."""

    @app.exception_handler(Problem)
    async def problem(_request: Request, error: Problem) -> Response:
        return problem_response(error)

    @app.exception_handler(StarletteHTTPException)
    async def refusal(request: Request, error: StarletteHTTPException) -> Response:
        path = request.scope["path"]
        if not is_api(path):
            return await http_exception_handler(request, error)
        detail = str(error.detail)
        if error.status_code == 404:
            detail = f"no such call; {suggestion(path, _paths(app))}"
        return problem_response(Problem(error.status_code, detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        if not is_api(request.scope["path"]):
            return await request_validation_exception_handler(request, error)
        return problem_response(_of_parameters(error.errors(), _parameters(request)))

    @app.exception_handler(Exception)
    async def failed(request: Request, _error: Exception) -> Response:
        return refused(request.scope["path"], 500, "Internal Server Error")


@contextlib.contextmanager
def as_problems() -> Iterator[None]:
    """Raise what reading the plant may raise as problems."""
    try:
        yield
    except BadQuery as error:
        parameter, _, rule = str(error).partition(": ")
        raise Problem(422, str(error), [ParameterError(parameter, rule)]) from None
    except Busy:
        raise Problem(503, "too many callers wait; try again in a moment", retry_seconds=_AGAIN_SECONDS) from None
    except TimeoutError:
        again = _AGAIN_SECONDS
        raise Problem(503, "a worker does not answer; /livez shows for how long", retry_seconds=again) from None


def _paths(app: FastAPI) -> list[str]:
    routes = (route for route in app.routes if isinstance(route, APIRoute))
    return [*dict.fromkeys(route.path_format for route in routes if is_api(route.path))]


def _parameters(request: Request) -> list[str]:
    """Return the names of the query parameters of a call."""
    route = request.scope.get("route")
    models = (
        [each.field_info.annotation for each in route.dependant.query_params] if isinstance(route, APIRoute) else []
    )
    return [each.alias or name for model in models for name, each in getattr(model, "model_fields", {}).items()]


def _of_parameters(errors: Sequence[Mapping[str, Any]], known: Sequence[str]) -> Problem:
    found = [ParameterError(str(error["loc"][-1]), _rule(error, known)) for error in errors]
    lines = [f"{each.parameter}: {each.detail}" for each in found]
    return Problem(422, "; ".join(lines), found)


def _rule(error: Mapping[str, Any], known: Sequence[str]) -> str:
    context, given = error.get("ctx", {}), quote(str(error.get("input")))
    rules = {
        "int_parsing": f"must be a whole number, got {given}",
        "int_parsing_size": f"must be a whole number, got {given}",
        "greater_than_equal": f"must be at least {context.get('ge')}, got {given}",
        "less_than_equal": f"must be at most {context.get('le')}, got {given}",
        "bool_parsing": f"must be true or false, got {given}",
        "literal_error": f"must be {context.get('expected')}, got {given}",
        "value_error": str(context.get("error")),
        "string_too_long": f"must have at most {context.get('max_length')} characters, got {given}",
        "extra_forbidden": f"no such parameter; {suggestion(str(error['loc'][-1]), known) if known else 'it has none'}",
    }
    return rules.get(error["type"], str(error["msg"]))
