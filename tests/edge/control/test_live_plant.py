"""The live plant: when what is done to it is done, so that the run can be had again from its plant times."""

from __future__ import annotations

import asyncio
from math import inf

from edge.control.inbox import Command, Executed
from edge.control.live_plant import LivePlant
from messages import START, FactoryMessageGenerator
from plant.interventions.command_log import CommandLog
from tests.support.factory.acted_on import press, read


def stop(number: int) -> Command:
    """Stop a press."""
    return {"command": "stop", "machine_id": f"PRESS-0{number}"}


def live_plant() -> tuple[FactoryMessageGenerator, LivePlant]:
    """Four presses, which report when their state changes."""
    plant = FactoryMessageGenerator.of(read(press()), 1)
    return plant, LivePlant(plant, CommandLog([]), lambda: None, lambda: None, lambda _: None, is_first=True)


def test_what_is_done_after_messages_of_a_millisecond_is_done_in_the_next() -> None:
    """In the same one a replay would do both before the messages between them, which then come in another order."""

    async def story() -> tuple[list[float], list[Executed]]:
        plant, live = live_plant()
        plant.advance(START + 10.0002)
        first = asyncio.ensure_future(live.execute(stop(3)))
        await asyncio.sleep(0)
        times = [live.next_seconds()]
        live.execute_due()
        plant.advance(START + 10.0003)
        second = asyncio.ensure_future(live.execute(stop(1)))
        await asyncio.sleep(0)
        live.execute_due()
        times.append(live.next_seconds())
        assert not second.done()
        plant.advance(live.next_seconds())
        live.execute_due()
        times.append(live.next_seconds())
        return times, [await first, await second]

    times, executed = asyncio.run(story())

    assert times == [0.0, START + 10.001, inf]
    assert [each.at_ms for each in executed] == [round(START * 1000) + 10_000, round(START * 1000) + 10_001]


def test_what_waits_together_is_done_together() -> None:
    """Nothing comes between, so all of it may be of one millisecond."""

    async def story() -> list[Executed]:
        plant, live = live_plant()
        plant.advance(START + 10.0)
        waiting = [asyncio.ensure_future(live.execute(stop(number))) for number in (3, 1, 2)]
        await asyncio.sleep(0)
        live.execute_due()
        return await asyncio.gather(*waiting)

    assert {each.at_ms for each in asyncio.run(story())} == {round(START * 1000) + 10_000}


def test_a_configuration_comes_in_another_millisecond_than_a_command() -> None:
    """Where the plant goes on; one that has stopped emits nothing between them."""

    async def story(goes_on: bool) -> tuple[int, int]:
        plant, live = live_plant()
        plant.advance(START + 10.0)
        stopped = asyncio.ensure_future(live.execute(stop(1)))
        await asyncio.sleep(0)
        live.execute_due()
        applied = asyncio.ensure_future(live.apply(read(press(count=2))))
        await asyncio.sleep(0)
        assert not applied.done()
        if goes_on:
            plant.advance(START + 10.002)
        return (await stopped).at_ms, await applied

    assert [later - earlier for earlier, later in map(asyncio.run, map(story, (True, False)))] == [2, 0]
