"""Facts about lanes: each machine's messages in their order, the oldest of all given up first, and one ledger."""

from __future__ import annotations

import tracemalloc
from collections import Counter, defaultdict, deque
from collections.abc import Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge.delivery.lanes import Lane, Lanes
from edge.delivery.queue import MessageQueue
from edge.settings.types import QueuePolicy
from plant.telemetry import Message
from tests.support.examples import examples

NAMES = "ABC"
SIZE = 6


def message(lane: str, number: int) -> Message:
    """A message of a machine, with a number that no other has."""
    return Message("cnc_machine", lane, None, number, number, b"{}")


def laned(size: int = 100, policy: QueuePolicy = QueuePolicy.DROP_OLDEST) -> tuple[MessageQueue, dict[str, Lane]]:
    """A queue, and its lanes by name."""
    lanes = Lanes(lambda each: each.source)
    queue = MessageQueue(size, policy, store=lanes)
    return queue, {name: Lane(queue, lanes, name) for name in NAMES}


def numbers(messages: Sequence[Message]) -> list[int]:
    """Which messages these are."""
    return [each.sequence for each in messages]


def test_a_lane_is_taken_past_the_others() -> None:
    """What one machine has not sent holds up nobody else."""
    queue, lane = laned()
    queue.offer(message("A", 1), message("B", 2), message("A", 3), message("B", 4))

    assert numbers(lane["B"].take(9)) == [2, 4]
    assert (len(lane["A"]), len(lane["B"]), len(queue)) == (2, 0, 2)
    assert numbers(lane["A"].take(1)) == [1]
    assert (queue.ledger.queued, queue.ledger.in_flight) == (1, 3)


def test_a_full_queue_gives_up_the_oldest_of_all_lanes() -> None:
    """However the lanes were taken meanwhile, and also where the oldest was put back."""
    queue, lane = laned(4)
    queue.offer(*(message(name, number) for number, name in enumerate("ABCB", 1)))
    queue.put_back(*lane["B"].take(1))
    assert numbers(lane["A"].take(1)) == [1]

    queue.offer(message("A", 5), message("A", 6))
    assert queue.ledger.dropped == {"oldest": 1}
    assert [numbers(lane[name].take(9)) for name in NAMES] == [[5, 6], [4], [3]]


@pytest.mark.parametrize("others", ["", "B"])
def test_the_consumer_of_a_lane_is_told_when_it_has_messages_again(others: str) -> None:
    """Once, when the lane was empty, whatever the other lanes have; and nobody is told who is disconnected."""
    lanes = Lanes(lambda each: each.source)
    queue, told = MessageQueue(100, store=lanes), list[str]()
    for name in "AC":
        Lane(queue, lanes, name).connect_consumer(lambda name=name: told.append(name))  # type: ignore[misc]
    lanes.disconnect("C")
    queue.offer(*(message(name, number) for number, name in enumerate(others + "AAC")))
    queue.offer(message("A", 9))

    assert told == ["A"]


def test_what_is_put_back_into_a_lane_stays_in_it() -> None:
    """Also where the machine has no lane of its own any more, and its new messages would be the plant's."""
    known = {"A"}
    lanes = Lanes(lambda each: each.source if each.source in known else "-")
    queue = MessageQueue(100, store=lanes)
    lane, plant = Lane(queue, lanes, "A"), Lane(queue, lanes, "-")
    queue.offer(message("A", 1), message("A", 2))
    taken = lane.take(2)
    known.clear()
    lane.put_back(*taken)
    queue.offer(message("A", 3))

    assert (numbers(lane.take(9)), numbers(plant.take(9))) == ([1, 2], [3])


def test_all_of_one_lane_is_dropped_for_its_reason() -> None:
    """The others keep theirs, and the ledger has the reason."""
    queue, lane = laned()
    queue.offer(message("A", 1), message("B", 2), message("A", 3))

    assert lane["A"].drop_all("shutdown") == 2
    assert queue.ledger.dropped == {"shutdown": 2}
    assert queue.ledger.balances()
    assert numbers(lane["B"].take(9)) == [2]


def test_a_machine_that_is_away_costs_no_memory_for_what_others_send() -> None:
    """A hundred thousand messages pass by the one that it has not taken; their places are forgotten meanwhile."""
    queue, lane = laned(1000)
    queue.offer(message("A", 0))
    sent = [message("B", number) for number in range(50)]

    def pass_by(times: int) -> None:
        for _ in range(times):
            queue.offer(*sent)
            queue.acknowledged(*lane["B"].take(50))

    pass_by(100)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    pass_by(2000)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert after - before < 50_000
    assert numbers(lane["A"].take(1)) == [0]


class LanesAgainstAModel(RuleBasedStateMachine):
    """Whatever is offered, taken, settled, put back and dropped, lanes are what a deque for each machine would be."""

    @initialize(policy=st.sampled_from(list(QueuePolicy)))
    def begin(self, policy: QueuePolicy) -> None:
        """An empty queue, of any policy."""
        lanes = Lanes(lambda each: each.source)
        self.dropped: list[int] = []
        self.queue = MessageQueue(SIZE, policy, store=lanes, on_failed=self._note)
        self.lanes = {name: Lane(self.queue, lanes, name) for name in NAMES}
        self.policy = policy
        self.waiting = {name: deque[int]() for name in NAMES}
        self.flying: defaultdict[str, list[Message]] = defaultdict(list)
        self.sent_before = set[int]()
        self.next = 0
        self.ended = Counter[str]()

    def _note(self, messages: Sequence[Message], _why: str) -> None:
        self.dropped += numbers(messages)

    def _all(self) -> list[int]:
        return [number for lane in self.waiting.values() for number in lane]

    @rule(names=st.text(NAMES, min_size=1, max_size=8))
    def offer(self, names: str) -> None:
        """Offer messages of some machines; a full queue acts by its policy."""
        for name in names:
            self.next += 1
            before, self.dropped = self._all(), []
            taken = self.queue.offer(message(name, self.next))
            if len(before) < SIZE or self.policy is QueuePolicy.DROP_OLDEST:
                self.waiting[name].append(self.next)
            self._check_overflow(before, taken)

    def _check_overflow(self, before: list[int], taken: int) -> None:
        is_full = len(before) >= SIZE
        assert taken == (0 if is_full and self.policy is QueuePolicy.BLOCK else 1)
        self.ended["blocked"] += not taken
        if not is_full or self.policy is QueuePolicy.BLOCK:
            assert self.dropped == []
            return
        [lost] = self.dropped
        self.ended["dropped"] += 1
        if self.policy is QueuePolicy.DROP_NEWEST:
            assert lost == self.next
            return
        # What was sent once and put back may have lost its place among others of which that is so.
        assert lost == min({*before, self.next}) or lost in self.sent_before
        [lane] = [lane for lane in self.waiting.values() if lost in lane]
        assert lane.popleft() == lost

    @rule(name=st.sampled_from(NAMES), most=st.integers(1, 5))
    def take(self, name: str, most: int) -> None:
        """Take from a lane: its oldest, in order."""
        lane = self.waiting[name]
        expected = [lane.popleft() for _ in range(min(most, len(lane)))]
        taken = self.lanes[name].take(most)
        assert numbers(taken) == expected
        self.flying[name] += taken

    @rule(name=st.sampled_from(NAMES), count=st.integers(1, 4))
    def acknowledge(self, name: str, count: int) -> None:
        """Settle the first of what is in flight."""
        settled, self.flying[name] = self.flying[name][:count], self.flying[name][count:]
        self.lanes[name].acknowledged(*settled)
        self.ended["acknowledged"] += len(settled)

    @rule(name=st.sampled_from(NAMES), count=st.integers(1, 4))
    def put_back(self, name: str, count: int) -> None:
        """Put the last of what is in flight back at the head of its lane."""
        back = self.flying[name][-count:]
        del self.flying[name][-count:]
        self.lanes[name].put_back(*back)
        self.waiting[name].extendleft(reversed(numbers(back)))
        self.sent_before.update(numbers(back))

    @rule(name=st.sampled_from(NAMES))
    def drop_lane(self, name: str) -> None:
        """Drop all of a lane."""
        assert self.lanes[name].drop_all("shutdown") == len(self.waiting[name])
        self.ended["dropped"] += len(self.waiting[name])
        self.waiting[name].clear()

    @rule()
    def drop_everything(self) -> None:
        """Drop the whole queue."""
        self.ended["dropped"] += len(self._all())
        self.queue.drop_all("shutdown")
        for lane in self.waiting.values():
            lane.clear()

    @invariant()
    def each_lane_is_as_the_model_has_it(self) -> None:
        """Lengths, and the queue's own."""
        assert {name: len(lane) for name, lane in self.lanes.items()} == {
            name: len(lane) for name, lane in self.waiting.items()
        }
        assert len(self.queue) == len(self._all())

    @invariant()
    def the_ledger_is_right(self) -> None:
        """It balances, and counts what the model counts."""
        ledger = self.queue.ledger
        assert ledger.balances()
        assert ledger.generated == self.next - self.ended["blocked"]
        assert (ledger.queued, ledger.in_flight) == (len(self._all()), sum(map(len, self.flying.values())))
        assert ledger.acknowledged == self.ended["acknowledged"]
        assert sum(ledger.dropped.values()) == self.ended["dropped"]


TestLanesAgainstAModel = LanesAgainstAModel.TestCase
TestLanesAgainstAModel.settings = settings(max_examples=examples(60), stateful_step_count=40)
