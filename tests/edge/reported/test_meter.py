"""Facts about the meter of OEE from messages: when it reads, and what it is compared with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from edge.labels.ended_episodes import EndedEpisodes
from edge.reported.meter import OeeMeter, Reported, merged
from edge.runtime.machine_figures import MachineFigures
from messages import START, FactoryMessageGenerator
from plant.telemetry import Message
from tests.support.factory import plants


class Metered:
    """A plant, whose messages are delivered as it says them, with a meter and a clock of its own."""

    def __init__(self, part: tuple[int, int] = (1, 1)) -> None:
        self.plant = FactoryMessageGenerator.of(plants.config(), "1", start=START, shard=part)
        self.now = 0.0
        self._listener: Callable[[Sequence[Message]], None] | None = None
        figures = MachineFigures(self.plant, EndedEpisodes())
        self._figures = figures
        self.meter = OeeMeter(
            self._listen, figures.oee, figures.refresh, figures.oee_by_kind, lambda: self.plant.config, lambda: self.now
        )

    def is_read(self) -> bool:
        """Whether somebody takes what is delivered."""
        return self._listener is not None

    def advance(self, seconds: float) -> None:
        """Let time pass, and deliver what the plant says."""
        self.now += seconds
        messages = self.plant.advance(START + self.now)
        if self._listener is not None:
            self._listener(messages)

    async def read(self) -> Reported | None:
        """What the meter says."""
        await self._figures.refresh()
        return await self.meter.read()

    def _listen(self, listener: Callable[[Sequence[Message]], None] | None) -> None:
        self._listener = listener


async def looked_at(metered: Metered, minutes: int = 60) -> Reported:
    """What the meter says after so long, with a look each half minute."""
    await metered.meter.read()
    for _ in range(2 * minutes):
        metered.advance(30)
        found = await metered.read()
    assert found is not None
    return found


def test_nothing_is_read_before_somebody_asks() -> None:
    """The messages of a plant that nobody looks at cost nothing."""
    metered = Metered()
    metered.advance(600)
    assert not metered.is_read()
    asyncio.run(metered.meter.read())
    assert metered.is_read()


def test_the_truth_beside_it_is_of_the_same_time() -> None:
    """An hour that nobody looked at is in neither of the two."""
    metered = Metered()
    metered.advance(3600)
    found = asyncio.run(looked_at(metered))
    assert found.start_ms == pytest.approx((START + 3600) * 1000, abs=30_000)
    for by_messages, truth in zip(found.by_messages, found.truth, strict=True):
        assert by_messages.kind == truth.kind
        assert truth.planned_seconds == pytest.approx(3600 * truth.machines, rel=0.01)
        assert by_messages.planned_seconds == pytest.approx(truth.planned_seconds, rel=0.03)
        assert by_messages.oee == pytest.approx(truth.oee, abs=0.05)


def test_it_ends_a_minute_after_the_last_question() -> None:
    """Who has left a page is not read for for ever; who comes back begins anew."""
    metered = Metered()
    asyncio.run(metered.meter.read())
    metered.advance(59)
    assert metered.is_read()
    metered.advance(2)
    assert not metered.is_read()
    metered.advance(60)
    found = asyncio.run(looked_at(metered, minutes=4))
    assert found.start_ms >= (START + 121) * 1000


def test_with_another_configuration_it_begins_again() -> None:
    """Machines and their messages may be other ones."""
    metered = Metered()
    first = asyncio.run(looked_at(metered, minutes=5))
    metered.plant.reload(plants.config({"cnc_machine": 9}))
    second = asyncio.run(looked_at(metered, minutes=5))
    assert second.start_ms > first.start_ms
    machines = {each.kind: each.machines for each in second.by_messages}
    assert machines["cnc_machine"] == 9


def test_parts_of_a_plant_add_up_to_the_whole() -> None:
    """Each worker reads the messages of its own machines."""
    whole = asyncio.run(looked_at(Metered(), minutes=30))
    parts = [asyncio.run(looked_at(Metered((number, 2)), minutes=30)) for number in (1, 2)]
    together = merged(parts)
    assert together is not None
    assert {each.kind: (each.machines, each.results) for each in together.by_messages} == {
        each.kind: (each.machines, each.results) for each in whole.by_messages
    }
    assert merged([None, None]) is None
