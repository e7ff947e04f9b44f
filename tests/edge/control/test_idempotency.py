"""Requests with a key are executed once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from edge.control.idempotency import KEPT_SECONDS, MOST_BYTES, MOST_KEYS, Answer, Idempotency
from edge.control.problems import Problem


class Worker:
    """Counts what it executes. answer: what it then answers, or raises."""

    def __init__(self) -> None:
        self.time, self.executed = 0.0, 0
        self.answer: Answer | Exception = Answer(200, b"{}")
        self.requests = Idempotency(lambda: self.time)

    async def work(self) -> Answer:
        self.executed += 1
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def ask(self, key: str, request: bytes = b"stop") -> tuple[Answer, bool]:
        return asyncio.run(self.requests.answer(key, request, self.work))


@pytest.fixture
def worker() -> Worker:
    """One that executes all at once."""
    return Worker()


def test_a_request_that_comes_again_has_the_first_answer(worker: Worker) -> None:
    """And is not executed again; another key is another request."""
    worker.answer = Answer(422, b"no")
    first = worker.ask("a")
    worker.answer = Answer(200, b"yes")

    assert (first, worker.ask("a")) == ((Answer(422, b"no"), False), (Answer(422, b"no"), True))
    assert worker.ask("b") == (Answer(200, b"yes"), False)
    assert worker.executed == 2


def test_a_key_belongs_to_one_request(worker: Worker) -> None:
    """422, and the other one is not executed."""
    worker.ask("a")
    with pytest.raises(Problem, match="another request") as caught:
        worker.ask("a", b"start")

    assert (caught.value.status, worker.executed) == (422, 1)


def test_while_the_first_is_at_work_the_second_is_refused(worker: Worker) -> None:
    """409: what it will be answered is not known yet."""

    async def both() -> list[object]:
        asked: list[Awaitable[object]] = [worker.requests.answer("a", b"stop", worker.work) for _ in range(2)]
        return await asyncio.gather(*asked, return_exceptions=True)

    first, second = asyncio.run(both())

    assert first == (Answer(200, b"{}"), False)
    assert isinstance(second, Problem)
    assert (second.status, second.retry_seconds, worker.executed) == (409, 1, 1)


def test_what_was_not_executed_may_be_tried_again(worker: Worker) -> None:
    """As where too much waits."""
    worker.answer = Answer(503, b"busy", again_seconds=2)
    worker.ask("a")
    worker.answer = Answer(200, b"done")

    assert worker.ask("a") == (Answer(200, b"done"), False)


@pytest.mark.parametrize("error", [RuntimeError("oops"), asyncio.CancelledError()])
def test_what_failed_halfway_is_not_executed_again(worker: Worker, error: BaseException) -> None:
    """As nobody knows how far it came."""

    async def fail() -> Answer:
        raise error

    async def ask(work: Callable[[], Awaitable[Answer]]) -> Answer:
        return (await worker.requests.answer("a", b"stop", work))[0]

    with pytest.raises(type(error)):
        asyncio.run(ask(fail))
    again = asyncio.run(ask(worker.work))

    assert (again.status, worker.executed) == (500, 0)
    assert b"whether it was executed is not known" in again.content


def test_the_newest_thousand_are_known(worker: Worker) -> None:
    """The one before is executed again."""
    for number in range(MOST_KEYS + 1):
        worker.ask(str(number))

    assert worker.ask("1") == (Answer(200, b"{}"), True)
    assert worker.ask("0") == (Answer(200, b"{}"), False)


def test_a_day_later_they_are_not_known_any_more(worker: Worker) -> None:
    """Nor do they take memory."""
    worker.ask("a")
    worker.time = KEPT_SECONDS - 1
    assert worker.ask("a")[1] is True
    worker.time = KEPT_SECONDS

    assert worker.ask("a")[1] is False


def test_long_answers_are_forgotten_first(worker: Worker) -> None:
    """So that all together take at most so many bytes, and the last one."""
    worker.answer = Answer(422, bytes(MOST_BYTES // 4))
    for key in "abcdef":
        worker.ask(key)

    assert [worker.ask(key)[1] for key in "fa"] == [True, False]
