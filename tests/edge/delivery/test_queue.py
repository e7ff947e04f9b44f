"""Facts about the outbox and its ledger."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge.delivery.queue import Ledger, MessageQueue, describe_endurance
from edge.settings.types import QueuePolicy
from plant.telemetry import Message
from tests.support.examples import examples


def message(number: int, kind: str = "cnc_machine") -> Message:
    """A message one can tell from the others."""
    return Message(kind, "CNC-01", None, number, number, b"{}")


def filled(size: int, policy: QueuePolicy = QueuePolicy.DROP_OLDEST) -> MessageQueue:
    """An outbox that is just full, with messages 1 to `size`."""
    outbox = MessageQueue(size, policy)
    for number in range(1, size + 1):
        outbox.offer(message(number))
    return outbox


def numbers(outbox: MessageQueue) -> list[int]:
    """Take everything, and tell which messages that were."""
    return [taken.sequence for taken in outbox.take(len(outbox))]


def test_messages_leave_in_the_order_they_came() -> None:
    """First in, first out, and no more than there is or is wanted."""
    outbox = MessageQueue(3)
    outbox.offer(message(1), message(2), message(3))

    assert [taken.sequence for taken in outbox.take(2)] == [1, 2]
    assert [taken.sequence for taken in outbox.take(2)] == [3]
    assert outbox.take(2) == []


def test_nothing_is_given_past_a_source_that_is_busy() -> None:
    """Order holds over all sources: what waits behind a busy one waits too; what is given makes its source busy."""
    outbox, busy = MessageQueue(9), {"C"}
    outbox.offer(*(message(number)._replace(source=source) for number, source in enumerate("ABACD")))

    assert [taken.source for taken in outbox.take(9, busy)] == ["A", "B"]
    busy.remove("A")
    assert [taken.source for taken in outbox.take(9, busy)] == ["A"]
    assert busy == {"A", "B", "C"}


@pytest.mark.parametrize(
    ("policy", "taken_over", "kept", "dropped"),
    [
        (QueuePolicy.DROP_OLDEST, True, [2, 3], {"oldest": 1}),
        (QueuePolicy.DROP_NEWEST, True, [1, 2], {"newest": 1}),
        (QueuePolicy.BLOCK, False, [1, 2], {}),
    ],
)
def test_a_full_queue_acts_by_its_policy(
    policy: QueuePolicy, taken_over: bool, kept: list[int], dropped: dict[str, int]
) -> None:
    """The oldest goes, the new one goes, or the caller keeps it and it is not counted."""
    outbox = filled(2, policy)

    assert outbox.offer(message(3)) == taken_over
    assert outbox.ledger.dropped == dropped
    assert outbox.ledger.generated == 2 + taken_over
    assert numbers(outbox) == kept


@pytest.mark.parametrize(
    ("policy", "told"),
    [(QueuePolicy.DROP_OLDEST, ["oldest"]), (QueuePolicy.DROP_NEWEST, ["newest"]), (QueuePolicy.BLOCK, [])],
)
def test_an_overflow_is_told(policy: QueuePolicy, told: list[str]) -> None:
    """Someone can say in a log what gave way; under `block` nothing does."""
    heard = list[str]()
    outbox = MessageQueue(2, policy, on_overflow=heard.append)
    for number in (1, 2, 3):
        outbox.offer(message(number))

    assert heard == told


@pytest.mark.parametrize(
    ("policy", "lost", "why"), [(QueuePolicy.DROP_OLDEST, 1, "oldest"), (QueuePolicy.DROP_NEWEST, 5, "newest")]
)
def test_each_message_that_is_lost_is_reported_with_the_reason(policy: QueuePolicy, lost: int, why: str) -> None:
    """Dropped for lack of room, refused, discarded, or left at the end."""
    heard = list[tuple[int, str]]()
    outbox = MessageQueue(
        4, policy, on_failed=lambda messages, why: heard.extend((each.sequence, why) for each in messages)
    )
    outbox.offer(*map(message, range(1, 6)))
    first, second = outbox.take(2)
    outbox.refused(first, 0x87)
    outbox.discard(second, "too_large")
    outbox.drop_all("shutdown")

    left = {1, 2, 3, 4, 5} - {lost, first.sequence, second.sequence}
    assert heard[:3] == [(lost, why), (first.sequence, "refused"), (second.sequence, "too_large")]
    assert heard[3:] == [(number, "shutdown") for number in sorted(left)]
    assert outbox.ledger.failed == len(heard)


def test_what_comes_back_from_flight_goes_first_and_is_never_dropped_for_it() -> None:
    """Messages put back stand before all others, in the order they were taken, beyond the size if need be."""
    outbox = filled(3)
    flight = outbox.take(2)
    outbox.offer(message(4))
    outbox.offer(message(5))

    outbox.put_back(*flight)

    assert outbox.room == 0
    assert not outbox.ledger.dropped
    assert numbers(outbox) == [1, 2, 3, 4, 5]


def test_a_queue_longer_than_its_size_grows_no_further() -> None:
    """Each new message then costs exactly one old one."""
    outbox = filled(2)
    flight = outbox.take(2)
    outbox.offer(message(3))
    outbox.offer(message(4))
    outbox.put_back(*flight)

    outbox.offer(message(5))

    assert numbers(outbox) == [2, 3, 4, 5]


def test_the_ledger_tells_what_became_of_each_message() -> None:
    """Sent is what was acknowledged; failed is what was refused or dropped."""
    outbox = filled(4)
    outbox.acknowledged(*outbox.take(1))
    outbox.refused(outbox.take(1)[0], 0x87)
    outbox.discard(outbox.take(1)[0], "too_large")
    outbox.drop_all("shutdown")

    ledger = outbox.ledger
    assert (ledger.sent, ledger.failed, ledger.pending) == (1, 3, 0)
    assert ledger.refused == {0x87: 1}
    assert ledger.dropped == {"too_large": 1, "shutdown": 1}
    assert ledger.balances()


def test_the_ledger_counts_by_kind() -> None:
    """What was generated and acknowledged is known for each kind of message."""
    outbox = MessageQueue(10)
    for kind in ("painting", "welding", "painting"):
        outbox.offer(message(1, kind))
    outbox.acknowledged(*outbox.take(1))

    assert outbox.ledger.generated_by_kind == {"painting": 2, "welding": 1}
    assert outbox.ledger.acknowledged_by_kind == {"painting": 1}


def test_a_ledger_with_a_message_too_many_does_not_balance() -> None:
    """The balance is a real check: a message that is answered twice shows."""
    outbox = filled(1)
    [taken] = outbox.take(1)
    outbox.acknowledged(taken)
    outbox.acknowledged(taken)

    assert not outbox.ledger.balances()


def test_the_hooks_speak_only_at_the_edges() -> None:
    """on_message when an empty queue gets something, on_room when a full one gets room."""
    told: list[str] = []
    outbox = MessageQueue(2, on_room=lambda: told.append("room"))
    outbox.connect_consumer(lambda: told.append("message"))
    for number in (1, 2, 3):
        outbox.offer(message(number))
    outbox.put_back(*outbox.take(1))
    flight = outbox.take(2)
    outbox.put_back(*flight)
    outbox.drop_all("shutdown")

    assert told == ["message", "room", "room", "message", "room"]


class Deliveries(RuleBasedStateMachine):
    """Any sequence of operations, beside a model that keeps lists: the ledger balances and order holds."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = MessageQueue(1)
        self.count = 0
        self.queue: deque[Message] = deque()
        self.flight: list[Message] = []

    @initialize(size=st.integers(1, 4), policy=st.sampled_from(QueuePolicy))
    def start(self, size: int, policy: QueuePolicy) -> None:
        self.outbox = MessageQueue(size, policy, Ledger())

    @rule(count=st.integers(1, 6))
    def offer(self, count: int) -> None:
        new = [message(self.count + number) for number in range(1, count + 1)]
        room = max(0, self.outbox.size - len(self.queue))
        taken_over = self.outbox.offer(*new)
        assert taken_over == (min(room, count) if self.outbox.policy is QueuePolicy.BLOCK else count)
        self.count += taken_over
        self.queue.extend(new if self.outbox.policy is QueuePolicy.DROP_OLDEST else new[:room])
        if self.outbox.policy is QueuePolicy.DROP_OLDEST:
            for _ in range(max(0, count - room)):
                self.queue.popleft()

    @rule(most=st.integers(0, 4))
    def take(self, most: int) -> None:
        taken = self.outbox.take(most)
        assert taken == [self.queue.popleft() for _ in range(min(most, len(self.queue)))]
        self.flight += taken

    @precondition(lambda self: self.flight)
    @rule(which=st.integers(0, 9), fate=st.sampled_from(["acknowledged", "refused", "discard"]))
    def end_a_flight(self, which: int, fate: str) -> None:
        landed = self.flight.pop(which % len(self.flight))
        arguments = {"acknowledged": (), "refused": (0x97,), "discard": ("too_large",)}[fate]
        getattr(self.outbox, fate)(landed, *arguments)

    @rule()
    def lose_the_connection(self) -> None:
        self.outbox.put_back(*self.flight)
        self.queue.extendleft(reversed(self.flight))
        self.flight.clear()

    @rule()
    def give_up(self) -> None:
        assert self.outbox.drop_all("shutdown") == len(self.queue)
        self.queue.clear()

    @invariant()
    def every_message_is_accounted_for_once(self) -> None:
        ledger = self.outbox.ledger
        assert ledger.balances()
        assert (ledger.generated, ledger.queued, ledger.in_flight) == (self.count, len(self.queue), len(self.flight))
        assert len(self.outbox) == len(self.queue)


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(max_examples=examples(60), stateful_step_count=40, deadline=None)


@pytest.mark.parametrize(
    ("size", "policy", "rate", "line", "short"),
    [
        (
            1000,
            QueuePolicy.DROP_OLDEST,
            4.0,
            "without a broker the queue is full after 250s: size=1000 rate=4/s policy=drop-oldest",
            False,
        ),
        (
            1000,
            QueuePolicy.DROP_NEWEST,
            500.0,
            "without a broker the queue is full after 2s: size=1000 rate=500/s policy=drop-newest; a",
            True,
        ),
        (
            1000,
            QueuePolicy.BLOCK,
            500.0,
            "without a broker the queue is full after 2s: size=1000 rate=500/s policy=block",
            False,
        ),
        (
            1000,
            QueuePolicy.DROP_OLDEST,
            1.0,
            "without a broker the queue is full after 1000s: size=1000 rate=1/s policy=drop-oldest",
            False,
        ),
        (
            1,
            QueuePolicy.DROP_OLDEST,
            0.0,
            "without a broker the queue is full after more than a day: size=1 rate=0/s policy=drop-oldest",
            False,
        ),
    ],
)
def test_a_queue_is_held_against_the_rate(size: int, policy: QueuePolicy, rate: float, line: str, short: bool) -> None:
    """The seconds it lasts; a warning where a restart of the broker would cost messages."""
    said, warned = describe_endurance(size, policy, rate)

    assert said.startswith(line)
    assert warned is short


def test_a_queue_has_one_consumer() -> None:
    """A second one would take the messages of the first."""
    queue = MessageQueue(1)
    queue.connect_consumer(lambda: None)

    with pytest.raises(ValueError, match="has a consumer"):
        queue.connect_consumer(lambda: None)
