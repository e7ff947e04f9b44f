"""A run that people acted on can be had again: the recorded commands give the same messages and the same truth."""

from __future__ import annotations

from random import Random  # noqa: TID251 - makes plants; no part of one
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fuzz.plants import entries
from messages import START, FactoryMessageGenerator
from plant.fleets.plain_reporter import PlainReporter
from plant.fleets.reporter import Reporter
from plant.telemetry import Message
from tests.support.examples import cases, examples
from tests.support.factory.acted_on import (
    PLANTS,
    Heard,
    Timed,
    attempt,
    content,
    plain,
    played,
    press,
    random_log,
    read,
)
from tests.support.factory.ownplants import usually

SECONDS = 120.0
quickly = settings(max_examples=examples(1), phases=(Phase.generate,))
"""A random run is not made simpler by numbers that are smaller."""
CUTS = st.lists(st.floats(0, SECONDS), min_size=20, max_size=40)
EACH_JOB = plain()
EACH_JOB["message_types"]["cnc_machine"]["report_seconds"] = 9.0
INDEPENDENT = ("faults", "plain", "calendar")
"""Plants whose machines do not depend on each other."""


def assert_same(one: Heard, other: Heard) -> None:
    """Messages are equal to the byte and in order; of the truth each machine's is in order, and all is there."""
    assert other.messages == one.messages
    assert [message.trigger for message in other.messages] == [message.trigger for message in one.messages]
    assert other.commands == one.commands
    assert sorted(map(repr, other.truth)) == sorted(map(repr, one.truth))
    assert other.figures == one.figures


@pytest.mark.parametrize("name", cases([*PLANTS], 3))
@given(seed=st.integers(0, 10**9), cuts=CUTS)
@quickly
def test_what_was_executed_gives_the_same_run_again(name: str, seed: int, cuts: list[float]) -> None:
    """Two hundred random commands, many of them refused, and three reloads; time is cut elsewhere."""
    config = read(PLANTS[name])
    first = played(config, random_log(seed, 200, SECONDS, PLANTS[name]), SECONDS)

    assert_same(first, played(config, first.commands, SECONDS, cuts))
    assert len(first.commands) > 40


@given(chance=st.randoms(use_true_random=False), seed=st.integers(0, 10**9), cuts=CUTS)
@settings(usually, max_examples=examples(15, 5))
def test_a_run_of_any_plant_can_be_had_again(chance: Random, seed: int, cuts: list[float]) -> None:
    """Whatever it has, and whatever it becomes by a reload."""
    data, then = entries.plant(chance), entries.plant(chance)
    reload = (round(START * 1000) + 60_000, {"command": "reload", "content": content(then)})
    log = [*random_log(seed, 40, 60.0, data, reloads=0), reload, *later(random_log(seed, 20, 60.0, then, reloads=0))]
    first = played(read(data), log, SECONDS)

    assert_same(first, played(read(data), first.commands, SECONDS, cuts))


def later(log: list[Timed]) -> list[Timed]:
    """Return commands a minute later."""
    return [(time_ms + 60_000, each) for time_ms, each in log]


@pytest.mark.parametrize("name", INDEPENDENT)
@given(seed=st.integers(0, 10**9), shards=st.integers(2, 4))
@quickly
def test_shards_that_all_execute_the_commands_are_the_whole_plant(name: str, seed: int, shards: int) -> None:
    """Message for message; the truth of each machine is in its shard."""
    config, log = read(PLANTS[name]), random_log(seed, 60, SECONDS, PLANTS[name], reloads=1)
    whole = played(config, log, SECONDS)
    parts = [played(config, log, SECONDS, shard=(number, shards)) for number in range(1, shards + 1)]

    assert sorted(message for part in parts for message in part.messages) == sorted(whole.messages)
    assert sorted(repr(event) for part in parts for event in part.truth) == sorted(map(repr, whole.truth))
    jobs = sorted((each.machine_id, each.producing_seconds, each.jobs) for part in parts for each in part.figures)
    assert jobs == sorted((each.machine_id, each.producing_seconds, each.jobs) for each in whole.figures)


def test_a_command_before_the_next_message_moves_time_there() -> None:
    """It is executed at that moment, and recorded with it; a silent plant needs no call of `advance`."""
    plant, recorded = FactoryMessageGenerator.of(read(PLANTS["plain"]), 1), list[int]()
    plant.listen(None, None, lambda time_ms, _: recorded.append(time_ms))
    moment = (plant.now + plant.next_due()) / 2
    plant.execute({"command": "stop", "machine_id": "CNC-01"}, moment)

    assert (plant.now, recorded) == (moment, [round(moment * 1000)])


@pytest.mark.parametrize("offset", [0.0, -0.0004, 0.001, 3600.0, float("inf")])
def test_a_command_at_the_next_message_or_after_it_is_an_error_of_the_caller(offset: float) -> None:
    """Also in its millisecond: replayed, the message would come first. Nothing has changed."""
    plant, twin = (FactoryMessageGenerator.of(read(PLANTS["plain"]), 1) for _ in range(2))
    with pytest.raises(ValueError, match="time must have advanced"):
        plant.execute({"command": "stop", "machine_id": "CNC-01"}, plant.next_due() + offset)

    assert plant.now == twin.now
    assert plant.advance(START + 30) == twin.advance(START + 30)


@pytest.mark.parametrize("at", [START + 9.999, START - 1, float("nan")])
def test_a_command_in_the_past_is_an_error_of_the_caller(at: float) -> None:
    """As is one at no time."""
    plant = FactoryMessageGenerator.of(read(PLANTS["plain"]), 1)
    plant.advance(START + 10)
    with pytest.raises(ValueError, match="time must have advanced"):
        plant.execute({"command": "stop", "machine_id": "CNC-01"}, at)


@pytest.mark.parametrize("data", [press(), EACH_JOB], ids=["faults", "each job reported"])
def test_hundreds_of_commands_leave_nothing_behind_that_is_looked_at_again(data: dict[str, Any]) -> None:
    """A machine whose next event was moved a thousand times wakes as often as any other."""
    plant = FactoryMessageGenerator.of(read(data), 1)
    target = next(plant.machines())
    for number in range(1000):
        plant.advance(START + number / 100)
        attempt(plant, {"command": "stop" if number % 2 else "start", "machine_id": target.machine_id})
    plant.advance(START + 4000)

    assert waiting(plant) <= 2 * sum(1 for _ in plant.machines())


def waiting(plant: FactoryMessageGenerator) -> int:
    """How many events of machines the fleets wait for."""
    found = 0
    for fleet in plant._parts.fleets:
        if isinstance(fleet.reporting, PlainReporter):
            found += len(fleet.reporting._wake_ups)
        elif isinstance(fleet.reporting, Reporter):
            found += len(fleet.reporting._wake_ups._times)
    return found


def test_messages_of_a_command_come_after_those_of_its_millisecond() -> None:
    """A stop is reported at once, with the time at which it was executed."""
    plant = FactoryMessageGenerator.of(read(PLANTS["faults"]), 1)
    plant.advance(START + 10)
    plant.execute({"command": "stop", "machine_id": "PRESS-01"})
    first: Message = plant.advance(START + 11)[0]

    assert (first.kind, first.time_ms) == ("press.state", round((START + 10) * 1000))
    assert b'"stopped"' in first.payload
