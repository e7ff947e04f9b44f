"""Messages through a broker: late, twice or in another order, they are judged as if they had come at once."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import orjson
from hypothesis import given
from hypothesis import strategies as st

from cli.scenario.definition.expectations import FieldExpectation, MessagesExpectation
from cli.scenario.definition.plan import Form, Span
from cli.scenario.judging.message_judges import CountJudge, FieldJudge, MessageJudge
from cli.scenario.judging.verdict import Outcome
from cli.scenario.running.feed import Audience, BrokerFeed, DirectFeed, Received
from plant.telemetry import Message

TOPICS = {"PRESS-01": "a/1", "PRESS-02": "a/2"}


class Broker:
    """What a subscriber has received and nobody has taken yet."""

    def __init__(self) -> None:
        self.received: list[Received] = []

    def take(self) -> Sequence[Received]:
        """Return it."""
        taken, self.received = self.received, []
        return taken


def topic(message: Message) -> str:
    """The topic of a message."""
    return TOPICS[message.source]


def message(time_ms: int, value: int) -> Message:
    """A message of one of two presses."""
    source = f"PRESS-0{time_ms % 2 + 1}"
    return Message("press", source, None, time_ms, 1, orjson.dumps({"at": time_ms, "value": value}))


def received(sent: Message) -> Received:
    """The same, as a subscriber has it."""
    return Received(topic(sent), sent.payload)


def judges() -> list[MessageJudge]:
    """One of each form, of values and of numbers."""
    spans = [Span(form, 5, 15, 1, from_start=False) for form in Form]
    value = FieldExpectation.model_validate({"topic": "a/+", "path": "value", "value": {"max": 1}})
    count = MessagesExpectation.model_validate({"topic": "a/1", "count": [1, 3]})
    return [*(FieldJudge(value, span) for span in spans), *(CountJudge(count, span) for span in spans)]


def outcomes(found: Sequence[MessageJudge]) -> list[Outcome]:
    """What each has decided at last."""
    for judge in found:
        judge.close()
    return [judge.verdict.outcome for judge in found if judge.verdict is not None]


MESSAGES = st.dictionaries(st.integers(0, 20), st.integers(0, 3), max_size=12).map(
    lambda values: [message(time_ms, value) for time_ms, value in sorted(values.items())]
)


@given(MESSAGES, st.data())
def test_a_broker_that_delays_repeats_and_reorders_changes_no_verdict(
    messages: list[Message], data: st.DataObject
) -> None:
    """Whenever what arrives is looked at."""
    direct, through = judges(), judges()
    DirectFeed(Audience(direct, lambda: True), topic).emitted(messages)
    broker = Broker()
    feed = BrokerFeed(Audience(through, lambda: True), topic, broker)
    feed.emitted(messages)
    twice = data.draw(st.lists(st.sampled_from(messages), max_size=5)) if messages else []
    for each in data.draw(st.permutations([*messages, *twice])):
        broker.received.append(received(each))
        if data.draw(st.booleans()):
            feed.poll()
    feed.poll()

    assert feed.complete_ms == inf
    assert outcomes(direct) == outcomes(through)


@given(MESSAGES, st.data())
def test_it_is_complete_up_to_the_first_message_that_has_not_arrived(
    messages: list[Message], data: st.DataObject
) -> None:
    """So no span is closed as long as one of its messages is outstanding."""
    broker = Broker()
    feed = BrokerFeed(Audience([], lambda: True), topic, broker)
    feed.emitted(messages)
    missing = set(data.draw(st.lists(st.sampled_from(messages), max_size=3))) if messages else set()
    broker.received = [received(each) for each in messages if each not in missing]
    feed.poll()

    assert feed.complete_ms == min((each.time_ms - 1 for each in missing), default=inf)


@given(MESSAGES, st.integers(0, 100))
def test_the_plant_waits_for_what_arrives_and_not_for_what_is_lost(messages: list[Message], polls: int) -> None:
    """There is room for as many as are not outstanding; what has not come after forty looks is not counted any more."""
    broker = Broker()
    feed = BrokerFeed(Audience([], lambda: True), topic, broker)
    most = feed.room
    feed.emitted(messages)
    for _ in range(polls):
        feed.poll()
    waited = feed.room
    broker.received = [received(each) for each in messages]
    feed.poll()

    assert waited == (most if polls >= 40 else most - len(messages))
    assert feed.room == most


def test_what_another_client_sends_is_not_judged() -> None:
    """It is none of the plant's messages, though it is on its topic."""
    judge, broker = judges()[0], Broker()
    audience = Audience([judge], lambda: True)
    feed = BrokerFeed(audience, topic, broker)
    broker.received = [Received("a/1", b'{"value": 1}')]
    feed.poll()

    assert audience.count == 0
    assert outcomes([judge]) == [Outcome.FAIL]
