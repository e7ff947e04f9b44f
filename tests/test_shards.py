"""Shards: a plant in parts, each in its own process, which together emit the messages of the whole plant."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig
from plant.telemetry import Message
from tests.support.examples import THOROUGH, examples
from tests.support.factory.plants import COUNTED, config, original, said

ORDER = [*COUNTED, "customer_order", "dispatch"]
BRISK = {"customer_order": {"orders_per_hour": 900.0}, "dispatch": {"dispatches_per_hour": 800.0}}


def parts(plant: PlantConfig, count: int, start: float = START) -> list[FactoryMessageGenerator]:
    """A plant in so many shards."""
    return [FactoryMessageGenerator.of(plant, 1, start=start, shard=(number, count)) for number in range(1, count + 1)]


def merged(told: Iterable[list[Message]]) -> list[Message]:
    """Merge messages in the documented order: time, type, number; those of one machine keep their order."""
    messages = [message for its in told for message in its]
    return sorted(
        messages, key=lambda row: (row.time_ms, ORDER.index(row.kind), int(row.source.partition("-")[2] or 0))
    )


PLANTS = st.builds(
    lambda counts, weight: config(
        dict(zip(COUNTED, counts, strict=True)), welding={"frequency_weight": weight}, **BRISK
    ),
    st.lists(st.integers(0, 9), min_size=5, max_size=5),
    st.sampled_from([1.0, 2.0, 50.0]),
)


@given(plants=st.lists(PLANTS, min_size=1, max_size=3), count=st.integers(1, 5), seconds=st.floats(1, 90))
@settings(max_examples=examples(40) if THOROUGH else 8, deadline=None)
def test_all_shards_together_say_what_the_whole_says(plants: list[PlantConfig], count: int, seconds: float) -> None:
    """Message for message, also after the same reloads; some shards may emit nothing."""
    whole, shards = FactoryMessageGenerator.of(plants[0], 1), parts(plants[0], count)
    for then in plants:
        for plant in (whole, *shards):
            plant.reload(then)
        until = whole.now + seconds
        assert merged(shard.advance(until) for shard in shards) == whole.advance(until)


def test_four_shards_are_one_plant_for_an_hour() -> None:
    """The original's plant, whose welding and painting stations report each job."""
    shards = parts(original(), 4)

    assert merged(shard.advance(START + 3600) for shard in shards) == said(original(), 3600)


def test_each_machine_is_in_one_shard() -> None:
    """Number i of a type is in shard (i - 1) % n + 1; its number and id are those of the whole."""
    first, second, third = ([view.machine_id for view in shard.machines()] for shard in parts(config(), 3))

    assert first[:2] == ["CNC-01", "CNC-04"]
    assert (second[:2], third[:1]) == (["CNC-02", "CNC-05"], ["CNC-03"])
    assert len({*first, *second, *third}) == len(first + second + third) == 22


def test_an_order_and_its_dispatch_are_in_one_shard() -> None:
    """The orders are divided in turn; open orders of all shards are those of the whole."""
    whole, shards = FactoryMessageGenerator.of(config(**BRISK), 1), parts(config(**BRISK), 3)
    placed = [message for message in whole.advance(START + 3600) if message.kind == "customer_order"]
    for number, shard in enumerate(shards):
        its = [message for message in shard.advance(START + 3600) if message.kind == "customer_order"]
        assert its == placed[number::3]

    assert sum(shard.snapshot().open_orders for shard in shards) == whole.snapshot().open_orders > 10
    rows = [shard.snapshot().rows for shard in shards]
    assert {kind: sum(its[kind] for its in rows) for kind in ORDER} == whole.snapshot().rows


def test_books_of_all_shards_are_those_of_the_whole() -> None:
    """Each machine has its own, the same ones; also after a silent time."""
    whole, shards = FactoryMessageGenerator.of(config(), 1), parts(config(), 4)
    for plant in (whole, *shards):
        plant.advance_silently(START + 5000)

    together = sorted((its for shard in shards for its in shard.oee()), key=lambda its: its.machine_id)
    assert together == sorted(whole.oee(), key=lambda its: its.machine_id)
    assert sum(kind.jobs for shard in shards for kind in shard.oee_by_kind("hour")) == sum(
        kind.jobs for kind in whole.oee_by_kind("hour")
    )


@pytest.mark.parametrize("shard", [(0, 1), (2, 1), (-1, 3), (1, 0)])
def test_a_shard_that_cannot_be_is_refused(shard: tuple[int, int]) -> None:
    """Counted from 1 up to their number."""
    with pytest.raises(ValueError, match="1 <= k <= n"):
        FactoryMessageGenerator.of(config(), 1, shard=shard)


def test_shards_that_begin_at_different_times_share_no_order_number() -> None:
    """Replicas of a deployment start one after the other; a number still means one order."""
    numbers = [
        {
            message.payload[message.payload.index(b"ORD-") :][:14]
            for message in FactoryMessageGenerator.of(
                config(**BRISK), 1, start=START + 0.7 * part, shard=(part, 3)
            ).advance(START + 3600)
            if message.kind == "customer_order"
        }
        for part in (1, 2, 3)
    ]

    assert min(map(len, numbers)) > 100
    assert not numbers[0] & numbers[1] | numbers[0] & numbers[2] | numbers[1] & numbers[2]
