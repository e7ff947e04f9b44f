"""Requests that are executed once, however often they are sent: each has a key that its sender has chosen.

As in the IETF's draft-ietf-httpapi-idempotency-key-header: the same key with the same request has the first answer
again, with another request it is refused, and while the first is at work, so is the second. A request that was refused
because too much waits was not executed, and is not remembered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import orjson

from edge.control.problems import Problem

MOST_KEYS: Final = 1000
KEPT_SECONDS: Final = 24 * 3600.0
MOST_BYTES: Final = 16 * 1024 * 1024
_AGAIN_SECONDS: Final = 1


class Answer(NamedTuple):
    """What a request was answered. status: as a status code of HTTP.  content: JSON.

    again_seconds: when to try again, where it was not executed.
    """

    status: int
    content: bytes
    again_seconds: int | None = None


@dataclass(slots=True)
class _Request:
    digest: bytes
    since: float
    answer: Answer | None = field(default=None)


class Idempotency:
    """The answers of the newest requests with a key: of a day, at most a thousand, at most 16 MiB.

    clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._requests: dict[str, _Request] = {}
        self._bytes = 0

    async def answer(self, key: str, request: bytes, work: Callable[[], Awaitable[Answer]]) -> tuple[Answer, bool]:
        """Return the answer of a request, and whether it is one that was given before.

        request: all that makes it this one.  work: executes it.
        Raises Problem 422 where the key was another request's, 409 while the first is at work, and what `work` raises.
        """
        digest = hashlib.blake2b(request, digest_size=16).digest()
        self._forget(MOST_KEYS)
        known = self._requests.get(key)
        if known is None:
            return await self._first(key, digest, work), False
        if known.digest != digest:
            raise Problem(422, "Idempotency-Key: was given with another request")
        if known.answer is None:
            raise Problem(409, "Idempotency-Key: the first request is at work", retry_seconds=_AGAIN_SECONDS)
        return known.answer, True

    async def _first(self, key: str, digest: bytes, work: Callable[[], Awaitable[Answer]]) -> Answer:
        self._forget(MOST_KEYS - 1)
        request = self._requests[key] = _Request(digest, self._clock())
        try:
            answer = await work()
        except BaseException:
            self._keep(request, _UNKNOWN)  # nobody knows how far it came, so it is not executed again
            raise
        if answer.again_seconds is None:
            self._keep(request, answer)
        else:
            del self._requests[key]
        return answer

    def _keep(self, request: _Request, answer: Answer) -> None:
        request.answer = answer
        self._bytes += len(answer.content)

    def _forget(self, most: int) -> None:
        """Forget what is too old, and the oldest of what is too many or too long."""
        oldest_first = [(key, each) for key, each in self._requests.items() if each.answer is not None]
        too_many, now = len(self._requests) - most, self._clock()
        for number, (key, each) in enumerate(oldest_first):
            if number >= too_many and self._bytes <= MOST_BYTES and now - each.since < KEPT_SECONDS:
                return
            self._bytes -= len(each.answer.content) if each.answer else 0
            del self._requests[key]


_UNKNOWN: Final = Answer(
    500, orjson.dumps(Problem(500, "the first request failed; whether it was executed is not known").described())
)
