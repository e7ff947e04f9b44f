"""The proof that nothing is lost: what a subscriber got, held against a rig's notes and its ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

from tests.support.brokers.rig import Key, Rig
from tests.support.brokers.subscriber import Record


class Copy(Protocol):
    """A message as a subscriber got it, from either of the two recorders."""

    @property
    def topic(self) -> str:
        """The topic it came on."""

    @property
    def payload(self) -> bytes:
        """The payload."""

    @property
    def dup(self) -> bool:
        """Whether it is marked as sent again."""

    @property
    def user_properties(self) -> Sequence[tuple[str, str]]:
        """The CloudEvents attributes."""


class Outcome(NamedTuple):
    """What `check` has counted: messages that arrived, and copies of these beyond the first."""

    arrived: int
    repeated: int


def check(rig: Rig, received: Iterable[Copy], *, broker_repeats: bool = False) -> Outcome:
    """Hold what one subscriber got against the rig's notes; AssertionError says what does not fit.

    The ledger was right at every look; each message acknowledged was so once, and is there; nothing is there that was
    refused or never said; each came as it was said, in its machine's order, and not more often than it was sent on
    different connections. broker_repeats: the broker was restarted, and may itself have sent a message again.
    """
    copies = list(received)
    keys = [key_of(copy) for copy in copies]
    notes = rig.notes
    assert notes.looks > 2  # how many more is a matter of the machine
    assert not notes.wrong, notes.wrong[:3]
    assert set(notes.acknowledged.values()) <= {1}
    assert notes.acknowledged.total() == rig.ledger.acknowledged
    assert not (missing := notes.acknowledged.keys() - set(keys)), f"{len(missing)} acknowledged and missing"
    assert not (unheard := set(keys) - (notes.said.keys() - notes.refused.keys())), f"{len(unheard)} not to be there"
    _check_content(rig, copies)
    _check_order(keys)
    for connections in notes.frames.values():
        _check_sent_again_in_order(connections)
    excess = Counter(keys) - notes.sent_on
    assert not excess or broker_repeats, f"{excess.total()} copies more than were sent on different connections"
    return Outcome(len(set(keys)), len(keys) - len(set(keys)))


def check_nothing_lost(rig: Rig, received: Iterable[Copy]) -> None:
    """All that the plant said is acknowledged and with the subscriber, once the rig is drained."""
    assert rig.ledger.acknowledged == rig.ledger.generated == len(rig.notes.said), rig.ledger
    assert {key_of(copy) for copy in received} == rig.notes.said.keys()


def identified(rig: Rig, records: Sequence[Record]) -> list[Record]:
    """What came over MQTT 3.1.1, with the attributes of its messages, which are found by topic and payload."""
    attributes = {
        (rig.topics.topic(message), message.payload): (("subject", source), ("id", f"{sequence:012x}"))
        for (source, sequence), message in rig.notes.said.items()
    }
    assert len(attributes) == len(rig.notes.said), "two messages are alike"
    assert not any(record.user_properties for record in records)
    return [record._replace(user_properties=attributes[record.topic, record.payload]) for record in records]


def key_of(copy: Copy) -> Key:
    """Which message this is: the CloudEvents subject is its sender, the end of the id counts."""
    attributes = dict(copy.user_properties)
    return attributes["subject"], int(attributes["id"][-12:], 16)


def _check_content(rig: Rig, copies: Sequence[Copy]) -> None:
    for copy in copies:
        message = rig.notes.said[key_of(copy)]
        assert (copy.topic, copy.payload) == (rig.topics.topic(message), message.payload)


def _check_order(keys: Iterable[Key]) -> None:
    """First copies of a machine come in the order of its sequence."""
    latest: dict[str, int] = {}
    for source, sequence in dict.fromkeys(keys):
        before = latest.get(source, 0)
        assert before < sequence, f"{source}: {sequence} came after {before}"
        latest[source] = sequence


def _check_sent_again_in_order(connections: Sequence[Sequence[Key]]) -> None:
    """What is sent on two connections running is sent in the same order on both (MQTT 5, 4.4)."""
    for earlier, later in pairwise(connections):
        both = set(earlier) & set(later)
        places = {key: place for place, key in enumerate(earlier)}
        again = [places[key] for key in dict.fromkeys(later) if key in both]
        assert again == sorted(again), "sent again in another order"
