"""Facts about a queue that fills up because one machine is away: whom it holds up, and what is given up."""

from __future__ import annotations

import pytest

from edge.settings.types import QueuePolicy
from tests.support.brokers.machines import connected_machines
from tests.support.brokers.rawclient import in_loop
from tests.support.brokers.rig import until

SIZE = 20


@pytest.mark.parametrize("policy", list(QueuePolicy))
@in_loop
async def test_the_others_go_on_while_there_is_room(policy: QueuePolicy) -> None:
    """What a machine that is away has to say waits in the queue, and passes nobody by."""
    async with connected_machines(2, queue_size=SIZE, queue_policy=policy) as (broker, rig):
        seen = broker.subscribe("factory/cnc")
        rig.act("disconnect", "CNC-01")
        await until(lambda: not rig.is_up("CNC-01"), "away")
        for number in range(1, 31):
            if number <= SIZE // 2:
                rig.offer(f"CNC-01 {number}")
            rig.offer(f"CNC-02 {number}")
            await seen.wait(number)

        assert {each.client_id for each in seen.messages} == {"rig-CNC-02"}
        assert (rig.ledger.queued, rig.ledger.dropped) == (SIZE // 2, {})
        rig.act("reconnect", "CNC-01")
        await rig.drained()
        assert rig.ledger.acknowledged == 40


@pytest.mark.parametrize(
    ("policy", "kept", "dropped"),
    [
        (QueuePolicy.DROP_OLDEST, list(range(11, 31)), {"oldest": 10}),
        (QueuePolicy.DROP_NEWEST, list(range(1, 21)), {"newest": 10}),
    ],
)
@in_loop
async def test_a_full_queue_gives_up_messages_of_the_machine_that_is_away(
    policy: QueuePolicy, kept: list[int], dropped: dict[str, int]
) -> None:
    """Its oldest are the oldest of all, and its newest find no room."""
    async with connected_machines(2, queue_size=SIZE, queue_policy=policy) as (broker, rig):
        seen = broker.subscribe("factory/cnc")
        rig.act("disconnect", "CNC-01")
        await until(lambda: not rig.is_up("CNC-01"), "away")
        rig.offer(*(f"CNC-01 {number}" for number in range(1, 31)))
        assert rig.ledger.dropped == dropped
        rig.act("reconnect", "CNC-01")
        await rig.drained()

        assert [each.payload for each in seen.messages] == [b'{"row":%d}' % number for number in kept]


@in_loop
async def test_with_drop_oldest_a_machine_that_is_away_costs_no_other_a_message() -> None:
    """Where its messages fill the queue, the next one of another displaces the oldest of them, and is delivered."""
    async with connected_machines(2, queue_size=SIZE, queue_policy=QueuePolicy.DROP_OLDEST) as (broker, rig):
        seen = broker.subscribe("factory/cnc")
        rig.act("disconnect", "CNC-01")
        await until(lambda: not rig.is_up("CNC-01"), "away")
        rig.offer(*(f"CNC-01 {number}" for number in range(1, SIZE + 1)))
        for number in range(1, 11):
            rig.offer(f"CNC-02 {number}")
            await seen.wait(number)

        assert rig.ledger.dropped == {"oldest": 1}
        assert {each.client_id for each in seen.messages} == {"rig-CNC-02"}


@in_loop
async def test_with_drop_newest_a_full_queue_drops_what_the_others_say() -> None:
    """It takes nothing more from anybody until the machine is back, and then all of them go on."""
    async with connected_machines(2, queue_size=SIZE, queue_policy=QueuePolicy.DROP_NEWEST) as (broker, rig):
        seen = broker.subscribe("factory/cnc")
        rig.act("disconnect", "CNC-01")
        await until(lambda: not rig.is_up("CNC-01"), "away")
        rig.offer(*(f"CNC-01 {number}" for number in range(1, SIZE + 1)), "CNC-02 1")
        assert rig.ledger.dropped == {"newest": 1}
        rig.act("reconnect", "CNC-01")
        await seen.wait(SIZE)
        rig.offer("CNC-02 2")
        await rig.drained()

        assert rig.ledger.acknowledged == SIZE + 1


@in_loop
async def test_with_block_a_full_queue_holds_all_up_until_the_machine_is_back() -> None:
    """The plant waits: nothing is lost, and nobody else gets in. This is what `block` means, and the page says so."""
    async with connected_machines(2, queue_size=SIZE, queue_policy=QueuePolicy.BLOCK) as (_, rig):
        rig.act("disconnect", "CNC-01")
        await until(lambda: not rig.is_up("CNC-01"), "away")
        rig.offer(*(f"CNC-01 {number}" for number in range(1, SIZE + 1)))
        assert rig.outbox.room == 0
        before = rig.ledger.generated
        rig.offer("CNC-02 1")
        assert rig.ledger.generated == before
        rig.act("reconnect", "CNC-01")
        await rig.drained()
        rig.offer("CNC-02 1")
        await rig.drained()

        assert (rig.ledger.acknowledged, rig.ledger.dropped) == (SIZE + 1, {})
