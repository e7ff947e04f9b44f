"""The inbox: commands in the order in which they are due, each with its answer, and never too many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from edge.control.inbox import MOST_WAITING, Inbox
from edge.status import Busy
from plant.interventions.commands import CommandRefused


def run(test: Callable[[Inbox], Awaitable[None]]) -> None:
    """Run a test in an event loop, with an inbox."""
    asyncio.run(test(Inbox(lambda: None)))  # type: ignore[arg-type]


def settle(inbox: Inbox, now: float) -> int:
    """Do what is due; how much it was."""
    due = [*inbox.due(now)]
    for waiting in due:
        waiting.settle()
    return len(due)


def test_commands_are_executed_in_the_order_in_which_they_are_due() -> None:
    """At once those without a time, then by time; those of the same time in the order in which they came."""

    async def test(inbox: Inbox) -> None:
        done: list[str] = []

        def named(name: str, at: float = 0.0) -> asyncio.Future[None]:
            return asyncio.ensure_future(inbox.run(lambda: done.append(name), at))

        answers = [named("late", 30.0), named("early", 20.0), named("as early", 20.0), named("now")]
        await asyncio.sleep(0)

        assert inbox.next_seconds() == 0.0
        assert (settle(inbox, 20.0), done) == (3, ["now", "early", "as early"])
        assert (inbox.next_seconds(), settle(inbox, 30.0), inbox.next_seconds()) == (30.0, 1, float("inf"))
        await asyncio.gather(*answers)

    run(test)


def test_a_refusal_is_raised_where_the_answer_is_awaited() -> None:
    """And the run loop goes on."""

    def refuse() -> None:
        raise CommandRefused("machine_id", "is missing")

    async def test(inbox: Inbox) -> None:
        answer = asyncio.ensure_future(inbox.run(refuse))
        await asyncio.sleep(0)
        settle(inbox, 1.0)
        with pytest.raises(CommandRefused, match="machine_id: is missing"):
            await answer

    run(test)


def test_a_command_that_nobody_waits_for_any_more_is_not_executed() -> None:
    """As the caller has been told that it got no answer."""

    async def test(inbox: Inbox) -> None:
        executed: list[int] = []
        answer = asyncio.ensure_future(inbox.run(lambda: executed.append(1)))
        await asyncio.sleep(0)
        answer.cancel()
        await asyncio.sleep(0)
        settle(inbox, 1.0)

        assert executed == []

    run(test)


def test_beyond_a_thousand_waiting_commands_the_answer_is_busy() -> None:
    """Until some have been executed."""

    async def test(inbox: Inbox) -> None:
        answers = [asyncio.ensure_future(inbox.run(lambda: 1)) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await inbox.run(lambda: 2)
        assert settle(inbox, 1.0) == MOST_WAITING == 1000
        assert sum(await asyncio.gather(*answers)) == MOST_WAITING
        answer = asyncio.ensure_future(inbox.run(lambda: 3))
        await asyncio.sleep(0)
        settle(inbox, 1.0)

        assert await answer == 3

    run(test)
