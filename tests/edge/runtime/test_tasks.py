"""Facts about the life of the process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from edge.runtime.tasks import TaskEnded, TaskSupervisor


async def for_ever() -> None:
    """Never end."""
    await asyncio.Event().wait()


async def quietly() -> None:
    """End at once."""


async def badly() -> None:
    """Die."""
    raise OSError("no more disk")


def death_of(*tasks: Coroutine[Any, Any, None], end: bool = False) -> Exception | None:
    """What a life with these tasks ends of."""

    async def story() -> Exception | None:
        life = TaskSupervisor()
        for number, task in enumerate(tasks):
            life.start(f"task {number}", task)
        if end:
            asyncio.get_running_loop().call_later(0.01, life.end)
        death = await life.until_ended()
        await life.close()
        return death

    return asyncio.run(story())


def test_a_life_that_is_ended_dies_of_nothing() -> None:
    """`end` is how a life should end."""
    assert death_of(for_ever(), end=True) is None


def test_if_one_task_dies_life_is_over() -> None:
    """The error is what it died of; the other tasks do not go on without it."""
    death = death_of(for_ever(), badly())

    assert isinstance(death, OSError)
    assert str(death) == "no more disk"


def test_a_task_that_just_ends_has_died_too() -> None:
    """No half-dead daemon: its name is in the error."""
    death = death_of(for_ever(), quietly())

    assert isinstance(death, TaskEnded)
    assert "task 1" in str(death)
