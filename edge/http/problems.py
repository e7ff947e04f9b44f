"""Problem details (RFC 9457): the form of all errors below /api/."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi.responses import JSONResponse, PlainTextResponse, Response

from edge.control.problems import Problem

MEDIA_TYPE: Final = "application/problem+json"
_API: Final = "/api/"


def is_api(path: str) -> bool:
    """Return whether errors of a path are problem details."""
    return f"{path}/".startswith(_API)


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return problem details (RFC 9457, 3)."""
    again = {} if problem.retry_seconds is None else {"Retry-After": str(problem.retry_seconds)}
    return JSONResponse(problem.described(), problem.status, {**again, **(headers or {})}, MEDIA_TYPE)


def refused(
    path: str, status: int, text: str, headers: Mapping[str, str] | None = None, retry_seconds: int | None = None
) -> Response:
    """Return an error that is the same for each call: problem details below /api/, elsewhere a line of text."""
    if is_api(path):
        return problem_response(Problem(status, text, retry_seconds=retry_seconds), headers)
    return PlainTextResponse(f"{text}\n", status, headers)
