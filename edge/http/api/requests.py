"""Requests that change something: who calls, what was sent, and that it is done once where it has a key."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

import orjson
from fastapi import HTTPException, Request
from fastapi.responses import Response

from edge.control.idempotency import Answer
from edge.control.problems import Problem
from edge.http.api.context import ApiContext
from edge.http.problems import MEDIA_TYPE, problem_response

KEY: Final = "Idempotency-Key"
_KEY_FORM: Final = re.compile(r'"?([!#-~]{1,255})"?')
_JSON: Final = "application/json"

Work = Callable[[bytes], Awaitable[object]]
"""Does what a body asks for, and returns the answer as plain data; raises Problem."""


async def answered(context: ApiContext, request: Request, most_bytes: int, work: Work) -> Response:
    """Return the answer of a call that changes something, or the problem. most_bytes: of the body."""
    try:
        await context.authorize(request)
        key = _key(request)
        content = await body(request, most_bytes)
        if key is None:
            return _response(await _executed(content, work))
        said = b"\0".join(
            (request.method.encode(), request.scope["path"].encode(), request.scope["query_string"], content)
        )
        answer, is_repeated = await context.idempotency.answer(key, said, lambda: _executed(content, work))
        return _response(answer, is_repeated=is_repeated)
    except HTTPException as error:
        return problem_response(Problem(error.status_code, str(error.detail)), error.headers)
    except Problem as problem:
        return problem_response(problem)


async def body(request: Request, most_bytes: int) -> bytes:
    """Return what was sent; raises Problem where it is too long."""
    pieces, length = list[bytes](), 0
    async for piece in request.stream():
        length += len(piece)
        if length > most_bytes:
            raise Problem(413, f"at most {most_bytes:,} bytes are taken here")
        pieces.append(piece)
    return b"".join(pieces)


async def _executed(content: bytes, work: Work) -> Answer:
    try:
        return Answer(200, orjson.dumps(await work(content)))
    except Problem as problem:
        return Answer(problem.status, orjson.dumps(problem.described()), problem.retry_seconds)


def _response(answer: Answer, *, is_repeated: bool = False) -> Response:
    headers = {"Idempotency-Replayed": "true"} if is_repeated else {}
    if answer.again_seconds is not None:
        headers["Retry-After"] = str(answer.again_seconds)
    return Response(answer.content, answer.status, headers, _JSON if answer.status < 400 else MEDIA_TYPE)


def _key(request: Request) -> str | None:
    """Return the key of a request; raises Problem where it is no text of printable characters."""
    text = request.headers.get(KEY)
    if text is None:
        return None
    found = _KEY_FORM.fullmatch(text.strip())
    if found is None:
        raise Problem(400, f"{KEY}: must be 1 to 255 printable ASCII characters, without spaces and quotes")
    return found[1]
