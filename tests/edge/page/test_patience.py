"""Readings that take long: they are waited for a while, and then no more until they are there."""

from __future__ import annotations

import asyncio
import gc

import pytest

from edge.page.figures.patience import Patient

NEVER = 3600.0


def test_what_is_read_soon_is_read_each_time() -> None:
    """To its end, before anything else goes on."""
    read = list[int]()

    async def soon() -> None:
        await asyncio.sleep(0)
        read.append(len(read))

    async def twice() -> list[list[int]]:
        patient = Patient(soon, NEVER)
        await patient.refresh()
        first = [*read]
        await patient.refresh()
        return [first, [*read]]

    assert asyncio.run(twice()) == [[0], [0, 1]]


def test_a_reading_that_takes_longer_is_waited_for_once_and_not_begun_again_meanwhile() -> None:
    """When it is there, it is read anew."""
    begun = list[int]()
    answer = asyncio.Event()

    async def slow() -> None:
        begun.append(len(begun))
        await answer.wait()

    async def often() -> list[int]:
        patient = Patient(slow, 0.01)
        for _ in range(3):
            await patient.refresh()
        meanwhile = len(begun)
        answer.set()
        await asyncio.sleep(0.01)
        await patient.refresh()
        return [meanwhile, len(begun)]

    assert asyncio.run(often()) == [1, 2]


def test_an_error_of_a_reading_is_raised() -> None:
    """To whoever waits for it; the next one is read all the same."""
    left = [ValueError("no")]

    async def read() -> None:
        if left:
            raise left.pop()

    async def twice() -> None:
        patient = Patient(read, NEVER)
        with pytest.raises(ValueError, match="no"):
            await patient.refresh()
        await patient.refresh()

    asyncio.run(twice())


def test_an_error_that_comes_too_late_is_told_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """The next reading is what counts; asyncio logs no traceback."""
    answer = asyncio.Event()

    async def fail() -> None:
        await answer.wait()
        raise ValueError

    async def story() -> None:
        patient = Patient(fail, 0.0)
        await patient.refresh()
        answer.set()
        await asyncio.sleep(0.01)

    asyncio.run(story())
    gc.collect()
    assert caplog.text == ""
