"""The inbox: commands in the order in which they are due, each with its answer, and never too many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from edge.control.inbox import MOST_WAITING, Command, Executed, Inbox
from edge.status import Busy
from plant.interventions.commands import CommandRefused


def run(test: Callable[[Inbox], Awaitable[None]]) -> None:
    """Run a test in an event loop, with an inbox."""
    asyncio.run(test(Inbox(lambda: None)))  # type: ignore[arg-type]


def named(name: str) -> Command:
    """A command of that name."""
    return {"command": name}


def echoed(command: Command) -> Executed:
    """Execute a command."""
    return Executed(0, command)


def settle(inbox: Inbox, now: float) -> list[str]:
    """Execute what is due; the names of the commands, in order."""
    due = [*inbox.due(now)]
    for waiting in due:
        waiting.settle(echoed)
    return [str(waiting.command["command"]) for waiting in due]


def test_commands_are_executed_in_the_order_in_which_they_are_due() -> None:
    """At once those without a time, then by time; those of the same time in the order in which they came."""

    async def test(inbox: Inbox) -> None:
        times = {"late": 30.0, "early": 20.0, "as early": 20.0}
        answers = [asyncio.ensure_future(inbox.execute(named(name), at)) for name, at in times.items()]
        answers.append(asyncio.ensure_future(inbox.execute(named("now"))))
        await asyncio.sleep(0)

        assert inbox.next_seconds() == 0.0
        assert settle(inbox, 20.0) == ["now", "early", "as early"]
        assert (inbox.next_seconds(), settle(inbox, 30.0), inbox.next_seconds()) == (30.0, ["late"], float("inf"))
        assert [each.answer["command"] for each in await asyncio.gather(*answers)] == [*times, "now"]

    run(test)


def test_a_refusal_is_raised_where_the_answer_is_awaited() -> None:
    """And the run loop goes on."""

    def refuse(_: Command) -> Executed:
        raise CommandRefused("machine_id", "is missing")

    async def test(inbox: Inbox) -> None:
        answer = asyncio.ensure_future(inbox.execute(named("stop")))
        await asyncio.sleep(0)
        for waiting in inbox.due(1.0):
            waiting.settle(refuse)
        with pytest.raises(CommandRefused, match="machine_id: is missing"):
            await answer

    run(test)


def test_a_command_that_nobody_waits_for_any_more_is_not_executed() -> None:
    """As the caller has been told that it got no answer."""

    async def test(inbox: Inbox) -> None:
        executed: list[Command] = []
        answer = asyncio.ensure_future(inbox.execute(named("stop")))
        await asyncio.sleep(0)
        answer.cancel()
        await asyncio.sleep(0)
        for waiting in inbox.due(1.0):
            waiting.settle(lambda command: executed.append(command) or echoed(command))  # type: ignore[func-returns-value]

        assert executed == []

    run(test)


def test_beyond_a_thousand_waiting_commands_the_answer_is_busy() -> None:
    """Until some have been executed."""

    async def test(inbox: Inbox) -> None:
        answers = [asyncio.ensure_future(inbox.execute(named("stop"))) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await inbox.execute(named("start"))
        assert len(settle(inbox, 1.0)) == MOST_WAITING == 1000
        await asyncio.gather(*answers)
        answers = [asyncio.ensure_future(inbox.execute(named("start")))]
        await asyncio.sleep(0)

        assert settle(inbox, 1.0) == ["start"]

    run(test)
